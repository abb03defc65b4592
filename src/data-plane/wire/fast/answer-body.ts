/** The body of an answer on its way to the client: framed as its head said, and counted, so that its last byte is known beforehand. Worker thread. */
import { passedTrailers } from "#data-plane/upstream/response-headers.ts";
import type { Outgoing } from "#data-plane/wire/outgoing.ts";
import { chunkHead, lastChunk } from "#data-plane/wire/http1/writer.ts";
import type { AnswerShape } from "./answer-shape.ts";

export class AnswerBody {
  readonly keepsAlive: boolean;
  readonly #chunked: boolean;
  /** Bytes still to come; null: the end says so. */
  #bytesLeft: number | null;

  constructor({ framing, keepsAlive }: AnswerShape, bytes: number | null) {
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
    if (this.#chunked) out.text(chunkHead(to - from));
    out.copy(bytes, from, to);
    if (this.#chunked) out.text("\r\n");
  }

  end(out: Outgoing, trailers: readonly string[]): void {
    if (this.#chunked) out.text(lastChunk(passedTrailers(trailers)));
  }
}
