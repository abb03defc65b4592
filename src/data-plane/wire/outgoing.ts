/**
 * What is on its way out on one connection: gathered while a turn of the event loop lasts, written with one call at its end. Worker
 * thread.
 * Heads and small pieces of content are text (latin1), so that they go out as one string; large ones stay bytes.
 */
import type { Socket } from "node:net";

/** Content up to here becomes text. */
const TEXT_BYTES_MAX = 8 * 1024;
const MUCH_BYTES = 256 * 1024;

export class Outgoing {
  readonly #socket: Socket;
  /** What stands before `#text`; empty most of the time. */
  #parts: (string | Buffer)[] = [];
  #text = "";
  #bytes = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isEmpty(): boolean {
    return this.#text === "" && this.#parts.length === 0;
  }

  /** More waits than is good for one write: the socket says only after it whether its peer is behind. */
  get isMuch(): boolean {
    return this.#bytes > MUCH_BYTES;
  }

  text(text: string): void {
    this.#text += text;
    this.#bytes += text.length;
  }

  /** Copies the bytes: they are another read's soon. */
  copy(bytes: Buffer, from: number, to: number): void {
    this.#bytes += to - from;
    if (to - from <= TEXT_BYTES_MAX) {
      this.#text += bytes.toString("latin1", from, to);
      return;
    }
    if (this.#text !== "") this.#parts.push(this.#text);
    this.#text = "";
    this.#parts.push(Buffer.from(bytes.subarray(from, to)));
  }

  drop(): void {
    this.#bytes = 0;
    this.#parts = [];
    this.#text = "";
  }

  /** Writes all; false: some of it waits for the client, and `drain` will come. */
  flush(): boolean {
    const text = this.#text;
    this.#text = "";
    this.#bytes = 0;
    if (this.#parts.length === 0) return text === "" || this.#socket.write(text, "latin1");
    this.#socket.cork();
    for (const part of this.#parts)
      if (typeof part === "string") this.#socket.write(part, "latin1");
      else this.#socket.write(part);
    if (text !== "") this.#socket.write(text, "latin1");
    this.#parts = [];
    this.#socket.uncork();
    return !this.#socket.writableNeedDrain;
  }
}
