/** How units add up, by op: the one place that says it for minute rows, windows and counters. Main thread, pure. */
import type { UsageOp } from "#shared/counter-shapes.ts";

/** What has come together so far. */
export interface Tally {
  readonly units: number;
  /** Op set: when the value was seen, milliseconds since 1970; others 0. */
  readonly atMs: number;
}

export const NOTHING: Tally = Object.freeze({ units: 0, atMs: 0 });

const MOST = Number.MAX_SAFE_INTEGER;

/** Sums stop at ±(2^53 - 1): beyond, they would be wrong without a word. */
export function saturated(sum: number): number {
  return Math.max(-MOST, Math.min(MOST, sum));
}

/** `before` and `units` more. Of values set in the same millisecond the one that comes later stays. */
export function tallied(op: UsageOp, before: Tally, units: number, atMs: number): Tally {
  switch (op) {
    case "add":
      return { units: saturated(before.units + units), atMs: 0 };
    case "max":
      return units > before.units ? { units, atMs: 0 } : before;
    case "set":
      return atMs >= before.atMs ? { units, atMs } : before;
  }
}
