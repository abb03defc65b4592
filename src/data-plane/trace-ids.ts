/**
 * Request ids and trace parents: unique, cheap, unpredictable enough for logs (they are no secrets). Worker thread.
 * A random part of the thread and a counter: no random bytes a request.
 */
import { randomBytes } from "node:crypto";

/** The last digits of a count, as text. */
const LAST_DIGITS = 3;
const LAST = Array.from({ length: 16 ** LAST_DIGITS }, (_, count) => hex(count, LAST_DIGITS));
const COUNT_DIGITS = 12;

export class TraceIds {
  readonly #prefix = randomBytes(10).toString("hex");
  #last = 0;
  #first = 0;
  #firstDigits = hex(0, COUNT_DIGITS - LAST_DIGITS);

  /** `req_` and 32 hexadecimal digits. */
  requestId(): string {
    return `req_${this.#prefix}${this.#next()}`;
  }

  /** A W3C `traceparent` for a request that came without one; not sampled. */
  next(): string {
    const id = this.#next();
    return `00-${this.#prefix}${id}-${this.#prefix.slice(0, 4)}${id}-00`;
  }

  #next(): string {
    if (++this.#last === LAST.length) {
      this.#last = 0;
      this.#firstDigits = hex(++this.#first, COUNT_DIGITS - LAST_DIGITS);
    }
    return this.#firstDigits + LAST[this.#last];
  }
}

function hex(count: number, digits: number): string {
  return count.toString(16).padStart(digits, "0");
}
