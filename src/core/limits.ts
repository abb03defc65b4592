/**
 * The arithmetic of limits, pure: one comparison for quotas, one formula for rates.
 * Who keeps the numbers is `shared/counter-table.ts` and `shared/rate-table.ts`.
 */

/** The one comparison of the project: whether `cost` more units still fit. `limit` null is unlimited. */
export function fits(used: number, cost: number, limit: number | null): boolean {
  return limit === null || used + cost <= limit;
}

/** A token bucket in the form GCRA needs it: nanoseconds. */
export interface Bucket {
  /** Time one token takes to come back. Rounded up, so that rounding never admits more than the limit. */
  readonly intervalNs: bigint;
  /** `burst` intervals: how far the theoretical arrival time may run ahead of now. */
  readonly toleranceNs: bigint;
  readonly burst: number;
}

/** `limit` tokens per `perMs`, at most `burst` at once; all positive integers. */
export function bucketOf(limit: number, perMs: number, burst: number): Bucket {
  const perNs = BigInt(perMs) * 1_000_000n;
  const count = BigInt(limit);
  const intervalNs = (perNs + count - 1n) / count;
  return { intervalNs, toleranceNs: intervalNs * BigInt(burst), burst };
}

/** The theoretical arrival time after one more token, or null when the bucket is too empty for it. */
export function nextArrival(arrivalNs: bigint, nowNs: bigint, bucket: Bucket): bigint | null {
  const from = arrivalNs > nowNs ? arrivalNs : nowNs;
  const next = from + bucket.intervalNs;
  return next - nowNs <= bucket.toleranceNs ? next : null;
}

/** Whole tokens left at `nowNs`. */
export function tokensLeft(arrivalNs: bigint, nowNs: bigint, bucket: Bucket): number {
  const ahead = arrivalNs > nowNs ? arrivalNs - nowNs : 0n;
  return ahead >= bucket.toleranceNs ? 0 : Number((bucket.toleranceNs - ahead) / bucket.intervalNs);
}

/** Nanoseconds until one token is there; 0 when one is there now. */
export function waitForToken(arrivalNs: bigint, nowNs: bigint, bucket: Bucket): bigint {
  const from = arrivalNs > nowNs ? arrivalNs : nowNs;
  const wait = from + bucket.intervalNs - nowNs - bucket.toleranceNs;
  return wait > 0n ? wait : 0n;
}
