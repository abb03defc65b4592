/** GCRA against the bucket everybody draws: tokens that come back one by one, up to `burst`, are taken and given back. And the one comparison. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bucket, bucketOf, fits, nextArrival, tokensLeft, waitForTokens } from "#core/limits.ts";

/** A bucket kept as credit in nanoseconds: full at `burst` intervals, a token costs one. */
class SimpleBucket {
  readonly #intervalNs: bigint;
  readonly #fullNs: bigint;
  #creditNs: bigint;
  #atNs: bigint;

  constructor(bucket: Bucket, atNs: bigint) {
    this.#intervalNs = bucket.intervalNs;
    this.#fullNs = bucket.intervalNs * BigInt(bucket.burst);
    this.#creditNs = this.#fullNs;
    this.#atNs = atNs;
  }

  #refill(nowNs: bigint): void {
    this.#put(nowNs - this.#atNs);
    this.#atNs = nowNs;
  }

  #put(creditNs: bigint): void {
    const credit = this.#creditNs + creditNs;
    this.#creditNs = credit > this.#fullNs ? this.#fullNs : credit;
  }

  /** Tokens left before the take, and whether it succeeded. */
  take(nowNs: bigint, cost: number): { readonly left: number; readonly taken: boolean } {
    this.#refill(nowNs);
    const left = Number(this.#creditNs / this.#intervalNs);
    if (left >= cost) this.#creditNs -= this.#intervalNs * BigInt(cost);
    return { left, taken: left >= cost };
  }

  giveBack(nowNs: bigint, cost: number): void {
    this.#refill(nowNs);
    this.#put(this.#intervalNs * BigInt(cost));
  }
}

const figures = fc.record({
  limit: fc.integer({ min: 1, max: 100_000 }),
  perMs: fc.integer({ min: 1, max: 86_400_000 }),
  burst: fc.integer({ min: 1, max: 50 }),
});

/** Pauses in thousandths of a token's interval: from many requests at once to a long rest. */
const pause = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 80_000 }));
const steps = fc.array(fc.record({ pause, cost: fc.integer({ min: 1, max: 8 }), back: fc.boolean() }), {
  maxLength: 120,
});

const START_NS = 1_000_000n;

function later(bucket: Bucket, nowNs: bigint, thousandths: number): bigint {
  return nowNs + (bucket.intervalNs * BigInt(thousandths)) / 1_000n;
}

test("GCRA admits what the simple bucket admits, of any cost and with tokens given back, and says what is left", () => {
  fc.assert(
    fc.property(figures, steps, ({ limit, perMs, burst }, asked) => {
      const bucket = bucketOf(limit, perMs, burst);
      const model = new SimpleBucket(bucket, 0n);
      let [arrival, nowNs] = [0n, START_NS];
      let held = 0;
      for (const { pause: thousandths, cost, back } of asked) {
        nowNs = later(bucket, nowNs, thousandths);
        if (back && held > 0) {
          // What `RateTable.giveBack` does to the word, however long after.
          arrival -= bucket.intervalNs * BigInt(held);
          model.giveBack(nowNs, held);
          held = 0;
        }
        const costNs = bucket.intervalNs * BigInt(cost);
        const left = tokensLeft(arrival, nowNs, bucket);
        const wait = waitForTokens(arrival, nowNs, bucket, costNs);
        const next = nextArrival(arrival, nowNs, bucket, costNs);
        expect({ left, taken: next !== null }).toEqual(model.take(nowNs, cost));
        expect(wait === 0n).toBe(next !== null);
        if (next !== null) held = cost;
        arrival = next ?? arrival;
      }
    }),
  );
});

test("no interval of time sees more tokens than burst + limit × its length", () => {
  fc.assert(
    fc.property(figures, steps, ({ limit, perMs, burst }, asked) => {
      const bucket = bucketOf(limit, perMs, burst);
      const admitted: { readonly atNs: bigint; readonly cost: number }[] = [];
      let [arrival, nowNs] = [0n, START_NS];
      for (const { pause: thousandths, cost } of asked) {
        nowNs = later(bucket, nowNs, thousandths);
        const next = nextArrival(arrival, nowNs, bucket, bucket.intervalNs * BigInt(cost));
        if (next === null) continue;
        admitted.push({ atNs: nowNs, cost });
        arrival = next;
      }
      const perNs = BigInt(perMs) * 1_000_000n;
      admitted.forEach((from, first) => {
        let tokens = 0;
        for (const to of admitted.slice(first)) {
          tokens += to.cost;
          const allowed = BigInt(burst) + (BigInt(limit) * (to.atNs - from.atNs)) / perNs;
          expect(BigInt(tokens)).toBeLessThanOrEqual(allowed);
        }
      });
    }),
  );
});

test("the wait for tokens is exact: one nanosecond less is too early", () => {
  const ahead = fc.nat({ max: 200 });
  fc.assert(
    fc.property(figures, ahead, fc.integer({ min: 1, max: 50 }), ({ limit, perMs, burst }, percent, wanted) => {
      const bucket = bucketOf(limit, perMs, burst);
      const costNs = bucket.intervalNs * BigInt(Math.min(wanted, burst));
      const nowNs = 5_000_000n;
      const arrival = nowNs + (bucket.toleranceNs * BigInt(percent)) / 100n;
      const wait = waitForTokens(arrival, nowNs, bucket, costNs);
      expect(nextArrival(arrival, nowNs + wait, bucket, costNs)).not.toBeNull();
      expect(wait === 0n || nextArrival(arrival, nowNs + wait - 1n, bucket, costNs) === null).toBe(true);
    }),
  );
});

test("tokens left are tokens that can be taken, all at once and not one more", () => {
  fc.assert(
    fc.property(figures, fc.nat({ max: 150 }), ({ limit, perMs, burst }, percent) => {
      const bucket = bucketOf(limit, perMs, burst);
      const nowNs = 5_000_000n;
      const arrival = nowNs + (bucket.toleranceNs * BigInt(percent)) / 100n;
      const left = BigInt(tokensLeft(arrival, nowNs, bucket));
      expect(left === 0n || nextArrival(arrival, nowNs, bucket, bucket.intervalNs * left) !== null).toBe(true);
      expect(nextArrival(arrival, nowNs, bucket, bucket.intervalNs * (left + 1n))).toBeNull();
    }),
  );
});

test("a clock that stands still admits the burst and no more", () => {
  const bucket = bucketOf(5, 1_000, 7);
  let arrival = 0n;
  let admitted = 0;
  for (let i = 0; i < 100; i++) {
    const next = nextArrival(arrival, 42n, bucket, bucket.intervalNs);
    if (next !== null) admitted++;
    arrival = next ?? arrival;
  }
  expect(admitted).toBe(7);
});

test("a limit that does not divide its time is rounded to the safe side", () => {
  const { intervalNs } = bucketOf(7, 1_000, 1);
  expect(intervalNs).toBe(142_857_143n);
  expect(intervalNs * 7n).toBeGreaterThanOrEqual(1_000_000_000n);
});

test.each([
  [0, 1, 1, true],
  [1, 1, 1, false],
  [9, 1, 10, true],
  [10, 0, 10, true],
  [11, 0, 10, false],
  [0, 11, 10, false],
  [0, 0, 0, true],
  [Number.MAX_SAFE_INTEGER, 1, null, true],
] as const)("used %i and cost %i against %s: %s", (used, cost, limit, expected) => {
  expect(fits(used, cost, limit)).toBe(expected);
});
