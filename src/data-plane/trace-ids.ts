/**
 * Request ids and trace parents: unique, cheap, unpredictable enough for logs (they are no secrets). Worker thread.
 * A random part of the thread and a counter: no random bytes a request.
 */
import { randomBytes } from "node:crypto";

export class TraceIds {
  readonly #prefix = randomBytes(10).toString("hex");
  #count = 0;

  /** `req_` and 32 hexadecimal digits. */
  requestId(): string {
    return `req_${this.#prefix}${this.#nextHex(12)}`;
  }

  /** A W3C `traceparent` for a request that came without one; not sampled. */
  next(): string {
    const id = this.#nextHex(12);
    return `00-${this.#prefix}${id}-${this.#prefix.slice(0, 4)}${id}-00`;
  }

  #nextHex(width: number): string {
    this.#count++;
    return this.#count.toString(16).padStart(width, "0");
  }
}
