/** Sliding windows: the weight of the window before and the wait, against formulas anyone can check by hand. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { slidingWait, slidingWeight } from "#core/limits.ts";

const PERIOD_MS_MAX = 366 * 86_400_000;
/** As many as a window of the shared table counts. */
const COUNT_MAX = 16_777_215;

const period = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: PERIOD_MS_MAX }));

test("the weight is the share that still counts, rounded up, exactly, for every count and period there can be", () => {
  const counts = fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: COUNT_MAX }));
  fc.assert(
    fc.property(period, fc.double({ min: 0, max: 1, noNaN: true }), counts, (perMs, share, before) => {
      const intoMs = Math.floor(perMs * share);
      const [rest, per] = [BigInt(perMs - intoMs), BigInt(perMs)];
      const exact = (BigInt(before) * rest + per - 1n) / per;
      expect(BigInt(slidingWeight(before, intoMs, perMs))).toBe(exact);
    }),
    { numRuns: 2_000 },
  );
});

test("the weight begins with all of it, ends with none, and never grows on the way", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 0, max: 1_000 }), (perMs, before) => {
      const weights = Array.from({ length: perMs + 1 }, (_, intoMs) => slidingWeight(before, intoMs, perMs));
      expect([weights[0], weights.at(-1)]).toEqual([before, 0]);
      weights.forEach((weight, index) => expect(weight).toBeGreaterThanOrEqual(weights[index + 1] ?? 0));
    }),
  );
});

/** Whether it fits `waitedMs` later when nobody takes anything: counted window by window, nothing clever. */
function fitsLater(state: State, waitedMs: number): boolean {
  const { before, current, cost, limit, intoMs, perMs } = state;
  const atMs = intoMs + waitedMs;
  const window = Math.floor(atMs / perMs);
  const [last, now] = window === 0 ? [before, current] : window === 1 ? [current, 0] : [0, 0];
  const rest = perMs - (atMs - window * perMs);
  return now + Math.ceil((last * rest) / perMs) + cost <= limit;
}

interface State {
  readonly before: number;
  readonly current: number;
  readonly cost: number;
  readonly limit: number;
  readonly intoMs: number;
  readonly perMs: number;
}

const state = fc
  .record({ limit: fc.integer({ min: 1, max: 40 }), perMs: fc.integer({ min: 1, max: 60 }) })
  .chain(({ limit, perMs }) =>
    fc.record({
      limit: fc.constant(limit),
      perMs: fc.constant(perMs),
      cost: fc.integer({ min: 1, max: limit }),
      intoMs: fc.integer({ min: 0, max: perMs - 1 }),
      // A limit that was lowered meanwhile leaves more than it.
      before: fc.integer({ min: 0, max: limit + 10 }),
      current: fc.integer({ min: 0, max: limit + 10 }),
    }),
  );

test("after the wait it fits, at no moment before it, and never later than two windows from now", () => {
  fc.assert(
    fc.property(state, (asked) => {
      fc.pre(!fitsLater(asked, 0));
      const { before, current, cost, limit, intoMs, perMs } = asked;
      const wait = slidingWait(before, current, cost, limit, intoMs, perMs);
      const earlier = Array.from({ length: wait }, (_, waitedMs) => fitsLater(asked, waitedMs));
      expect(fitsLater(asked, wait)).toBe(true);
      expect(earlier).not.toContain(true);
      expect(wait).toBeLessThanOrEqual(2 * perMs - intoMs);
    }),
    { numRuns: 2_000 },
  );
});

test("the wait is at least a millisecond, also when it fits by the time it is asked", () => {
  expect(slidingWait(0, 0, 1, 10, 5, 1_000)).toBe(1);
});
