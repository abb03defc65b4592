/** The byte order mark that a UTF-8 body may start with (RFC 8259 §8.1 lets readers skip it, SSE wants it skipped). Worker thread. */

const MARK = Uint8Array.of(0xef, 0xbb, 0xbf);
const NOTHING = new Uint8Array(0);

/** Takes one mark off the start of a stream, wherever its chunks end. */
export class ByteOrderMark {
  /** Bytes of a mark seen so far, and held back. */
  #held = 0;
  #isOver = false;

  /** The stream's next bytes without the mark. A mark that breaks off was none: its bytes come with those that broke it off. */
  strip(chunk: Uint8Array): Uint8Array {
    if (this.#isOver) return chunk;
    let at = 0;
    while (at < chunk.length && this.#held < MARK.length && chunk[at] === MARK[this.#held]) {
      at++;
      this.#held++;
    }
    if (this.#held < MARK.length && at === chunk.length) return NOTHING;
    this.#isOver = true;
    const isBroken = this.#held > 0 && this.#held < MARK.length;
    return isBroken ? Buffer.concat([MARK.subarray(0, this.#held), chunk.subarray(at)]) : chunk.subarray(at);
  }

  /** What is held back when the stream ends. */
  rest(): Uint8Array {
    return this.#isOver ? NOTHING : MARK.subarray(0, this.#held);
  }
}
