/** Which of the documents of one stream counts: the last one in which the path leads to something. Worker thread. */
import type { Reading } from "./body-reader.ts";

const MISSING: Reading = { fault: "missing" };
const UNREADABLE: Reading = { fault: "unreadable" };

export class LastReading {
  #last: Reading | null = null;
  #someRead = false;
  #someUnreadable = false;

  /** What the next document says. One over its cap takes the place of those before it, since the value may lie in it. */
  add(reading: Reading): void {
    const fault = "fault" in reading ? reading.fault : null;
    if (fault === "unreadable") this.#someUnreadable = true;
    else this.#someRead = true;
    if (fault !== "unreadable" && fault !== "missing") this.#last = reading;
  }

  /** `unreadable` only when there were documents and not one was JSON, `[DONE]` say. */
  get reading(): Reading {
    return this.#last ?? (this.#someUnreadable && !this.#someRead ? UNREADABLE : MISSING);
  }
}
