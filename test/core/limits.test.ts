/** GCRA against the bucket everybody draws: tokens that come back one by one, up to `burst`. And the one comparison of quotas. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Bucket, bucketOf, fits, nextArrival, tokensLeft, waitForToken } from "#core/limits.ts";

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

  /** Tokens left before the take, and whether it succeeded. */
  take(nowNs: bigint): { readonly left: number; readonly taken: boolean } {
    const credit = this.#creditNs + (nowNs - this.#atNs);
    this.#creditNs = credit > this.#fullNs ? this.#fullNs : credit;
    this.#atNs = nowNs;
    const left = Number(this.#creditNs / this.#intervalNs);
    if (left > 0) this.#creditNs -= this.#intervalNs;
    return { left, taken: left > 0 };
  }
}

const figures = fc.record({
  limit: fc.integer({ min: 1, max: 100_000 }),
  perMs: fc.integer({ min: 1, max: 86_400_000 }),
  burst: fc.integer({ min: 1, max: 50 }),
});

/** Pauses in thousandths of a token's interval: from many requests at once to a long rest. */
const pauses = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 80_000 })), {
  maxLength: 120,
}); // biome-ignore format: one distribution

function instants(bucket: Bucket, gaps: readonly number[]): readonly bigint[] {
  let nowNs = 1_000_000n;
  return gaps.map((gap) => (nowNs += (bucket.intervalNs * BigInt(gap)) / 1_000n));
}

test("GCRA admits exactly what the simple bucket admits and says what it has left", () => {
  fc.assert(
    fc.property(figures, pauses, ({ limit, perMs, burst }, gaps) => {
      const bucket = bucketOf(limit, perMs, burst);
      const model = new SimpleBucket(bucket, 0n);
      let arrival = 0n;
      for (const nowNs of instants(bucket, gaps)) {
        const left = tokensLeft(arrival, nowNs, bucket);
        const wait = waitForToken(arrival, nowNs, bucket);
        const next = nextArrival(arrival, nowNs, bucket);
        expect({ left, taken: next !== null }).toEqual(model.take(nowNs));
        expect(wait === 0n).toBe(next !== null);
        arrival = next ?? arrival;
      }
    }),
  );
});

test("no interval of time sees more than burst + limit × its length", () => {
  fc.assert(
    fc.property(figures, pauses, ({ limit, perMs, burst }, gaps) => {
      const bucket = bucketOf(limit, perMs, burst);
      const admitted: bigint[] = [];
      let arrival = 0n;
      for (const nowNs of instants(bucket, gaps)) {
        const next = nextArrival(arrival, nowNs, bucket);
        if (next === null) continue;
        admitted.push(nowNs);
        arrival = next;
      }
      const perNs = BigInt(perMs) * 1_000_000n;
      admitted.forEach((from, first) =>
        admitted.slice(first).forEach((to, index) => {
          const allowed = BigInt(burst) + (BigInt(limit) * (to - from)) / perNs;
          expect(BigInt(index + 1)).toBeLessThanOrEqual(allowed);
        }),
      );
    }),
  );
});

test("the wait for a token is exact: one nanosecond less is too early", () => {
  fc.assert(
    fc.property(figures, fc.nat({ max: 200 }), ({ limit, perMs, burst }, ahead) => {
      const bucket = bucketOf(limit, perMs, burst);
      const nowNs = 5_000_000n;
      const arrival = nowNs + (bucket.toleranceNs * BigInt(ahead)) / 100n;
      const wait = waitForToken(arrival, nowNs, bucket);
      expect(nextArrival(arrival, nowNs + wait, bucket)).not.toBeNull();
      expect(wait === 0n || nextArrival(arrival, nowNs + wait - 1n, bucket) === null).toBe(true);
    }),
  );
});

test("a clock that stands still admits the burst and no more", () => {
  const bucket = bucketOf(5, 1_000, 7);
  let arrival = 0n;
  let admitted = 0;
  for (let i = 0; i < 100; i++) {
    const next = nextArrival(arrival, 42n, bucket);
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
