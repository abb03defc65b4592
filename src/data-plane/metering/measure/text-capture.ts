/** The few bytes of a body that matter, a name or a value, taken out of the chunks they lie in. Worker thread. */

const BACKSLASH = 0x5c;
const ASCII_MAX = 0x7f;

/** Keeps at most one text at a time, copied only when it goes on in the next chunk. */
export class TextCapture {
  /** Where the text starts in the chunk at hand; -1: none is being taken. */
  #from = -1;
  #bytesMax = 0;
  #bytes = 0;
  #parts: Buffer[] = [];

  /** A text starts at `from`; it may have `bytesMax` bytes. */
  start(from: number, bytesMax: number): void {
    this.#from = from;
    this.#bytesMax = bytesMax;
    this.#bytes = 0;
    this.#parts = [];
  }

  stop(): void {
    this.#from = -1;
  }

  /** The chunk ends at `to`, the text perhaps not. */
  pause(chunk: Uint8Array, to: number): void {
    if (this.#from === -1) return;
    this.#add(chunk, to);
    this.#from = 0;
  }

  /** The next chunk starts at `from`. */
  resume(from: number): void {
    if (this.#from !== -1) this.#from = from;
  }

  /** The text, which ends before `to`; null when none was being taken, or it was too long. UTF-8; what is none of it is U+FFFD. */
  finish(chunk: Uint8Array, to: number): string | null {
    if (this.#from === -1) return null;
    this.#add(chunk, to);
    this.#from = -1;
    return this.#bytes > this.#bytesMax ? null : Buffer.concat(this.#parts).toString("utf8");
  }

  /** Whether the text, which ends before `to` and is the inside of a JSON string, says `wanted`. */
  finishIs(chunk: Uint8Array, to: number, wanted: string): boolean {
    const quick = this.#bytes === 0 ? isPlainText(chunk, this.#from, to, wanted) : null;
    if (quick === null) {
      const literal = this.finish(chunk, to);
      return literal !== null && unescaped(literal) === wanted;
    }
    this.#from = -1;
    return quick;
  }

  #add(chunk: Uint8Array, to: number): void {
    this.#bytes += to - this.#from;
    // Too long already: counted on, but no longer kept.
    if (this.#bytes > this.#bytesMax) this.#parts = [];
    else if (to > this.#from) this.#parts.push(Buffer.from(chunk.subarray(this.#from, to)));
  }
}

/** Whether the bytes are the text; null when they have escapes or are not ASCII, so that this takes a closer look. */
function isPlainText(bytes: Uint8Array, from: number, to: number, text: string): boolean | null {
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === BACKSLASH || byte > ASCII_MAX) return null;
    if (byte !== text.charCodeAt(at - from)) return false;
  }
  return to - from === text.length;
}

/** The text of a JSON string's inside. Does not throw on what `json-machine.ts` lets pass as one. */
export function unescaped(literal: string): string {
  return literal.includes("\\") ? String(JSON.parse(`"${literal}"`)) : literal;
}
