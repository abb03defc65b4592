/** The body of an answer on its way to the client: framed as its head said, and counted, so that its last byte is known beforehand. Worker thread. */
import { passedTrailers } from "#data-plane/upstream/response-headers.ts";
import type { Outgoing } from "#data-plane/wire/outgoing.ts";
import { chunkHead, lastChunk } from "#data-plane/wire/http1/writer.ts";
import type { AnswerShape } from "./answer-shape.ts";

export class AnswerBody {
  readonly keepsAlive: boolean;
  readonly #chunked: boolean;
  readonly #holdsEnd: boolean;
  /** The last bytes, while they are held back. */
  #held: Buffer | null = null;
  /** Bytes still to come; null: the end says so. */
  #bytesLeft: number | null;

  /** `holdsEnd`: the last bytes do not go out before `end`. */
  constructor({ framing, keepsAlive }: AnswerShape, bytes: number | null, holdsEnd: boolean) {
    this.#holdsEnd = holdsEnd;
    this.keepsAlive = keepsAlive;
    this.#chunked = framing === "chunked";
    this.#bytesLeft = bytes;
  }

  /** So many bytes have come. True: they are the last. */
  takes(bytes: number): boolean {
    if (this.#bytesLeft === null) return false;
    this.#bytesLeft -= bytes;
    return this.#bytesLeft <= 0;
  }

  content(out: Outgoing, bytes: Buffer, from: number, to: number): void {
    if (this.#holdsEnd && this.#bytesLeft !== null && this.#bytesLeft <= 0) {
      this.#held = Buffer.from(bytes.subarray(from, to));
      return;
    }
    if (this.#chunked) out.text(chunkHead(to - from));
    out.copy(bytes, from, to);
    if (this.#chunked) out.text("\r\n");
  }

  end(out: Outgoing, trailers: readonly string[]): void {
    if (this.#held !== null) out.copy(this.#held, 0, this.#held.length);
    if (this.#chunked) out.text(lastChunk(passedTrailers(trailers)));
  }
}
