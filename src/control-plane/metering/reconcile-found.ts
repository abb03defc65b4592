/** What a reconciliation has found so far, and how it lets others have the thread. Main thread. */
import { setImmediate } from "node:timers/promises";
import { rfc3339 } from "#core/clock.ts";

/** Differences kept; more are only counted. */
const KEPT_MAX = 1000;
const TURN_MS = 10;

/**
 * `segment` a journal file is not as long as what was taken from it; `usage`, `requests` a minute row is not what the journal says;
 * `window`, `gauge` not what the minute rows say; `grant` burnt not what the journal says; `counter`, `credits` a live counter is not
 * what the store says.
 */
export type DifferenceKind = "segment" | "usage" | "requests" | "window" | "gauge" | "grant" | "counter" | "credits";

export interface Difference {
  readonly kind: DifferenceKind;
  readonly where: Readonly<Record<string, string | number | null>>;
  /** By what it is compared with. */
  readonly expected: number | null;
  /** null: it is not there. */
  readonly found: number | null;
}

export class Found {
  readonly #kept: Difference[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The first ones. */
  get differences(): readonly Difference[] {
    return this.#kept;
  }

  add(difference: Difference): void {
    this.#count++;
    if (this.#kept.length < KEPT_MAX) this.#kept.push(difference);
  }
}

/** Lets others have the thread when it was kept for a while. */
export type Pause = () => Promise<void>;

export function newPause(): Pause {
  let until = performance.now() + TURN_MS;
  return async () => {
    if (performance.now() < until) return;
    await setImmediate();
    until = performance.now() + TURN_MS;
  };
}

export function timeView(ms: number): string {
  return rfc3339(ms);
}
