/** Since when a client keeps its connection waiting: with its next bytes, with the body it owes, with reading what it was sent. Worker thread. */
import type { Socket } from "node:net";

export class ClientWatch {
  readonly #socket: Socket;
  #sinceMs: number;
  #readThen = 0;
  #sentThen = -1;
  #unsentSinceMs = 0;

  constructor(socket: Socket, nowMs: number) {
    this.#socket = socket;
    this.#sinceMs = nowMs;
  }

  /** From now on the client is waited for. */
  begin(nowMs: number): void {
    this.#sinceMs = nowMs;
    this.#readThen = this.#socket.bytesRead;
  }

  waitedMs(nowMs: number): number {
    return nowMs - this.#sinceMs;
  }

  /** How long nothing at all has come; exact to the time between two looks. */
  silentMs(nowMs: number): number {
    if (this.#socket.bytesRead !== this.#readThen) this.begin(nowMs);
    return this.waitedMs(nowMs);
  }

  /** How long nothing has moved of what waits to be read by the client. */
  unreadMs(nowMs: number): number {
    const unsent = this.#socket.writableLength;
    if (unsent === 0) return 0;
    // By what has gone, not by what waits: one piece is often as long as the next.
    const sent = this.#socket.bytesWritten - unsent;
    if (sent !== this.#sentThen) {
      this.#sentThen = sent;
      this.#unsentSinceMs = nowMs;
    }
    return nowMs - this.#unsentSinceMs;
  }
}
