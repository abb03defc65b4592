/**
 * The arithmetic of limits, pure: one comparison for all limits, one formula for each algorithm of rates.
 * Who keeps the numbers is `shared/counter-table.ts`, `shared/rate-table.ts` and `shared/slot-table.ts`.
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
  /** `intervalNs` as a number; null: the two times are too large for exact arithmetic on numbers. */
  readonly interval: number | null;
}

/** `limit` tokens per `perMs`, at most `burst` at once; all positive integers. */
export function bucketOf(limit: number, perMs: number, burst: number): Bucket {
  const perNs = BigInt(perMs) * 1_000_000n;
  const count = BigInt(limit);
  const intervalNs = (perNs + count - 1n) / count;
  const toleranceNs = intervalNs * BigInt(burst);
  const isExact = toleranceNs <= Number.MAX_SAFE_INTEGER && intervalNs <= Number.MAX_SAFE_INTEGER;
  return { intervalNs, toleranceNs, burst, interval: isExact ? Number(intervalNs) : null };
}

/** The theoretical arrival time after tokens worth `costNs` (tokens × interval) more, or null when the bucket is too empty for them. */
export function nextArrival(arrivalNs: bigint, nowNs: bigint, bucket: Bucket, costNs: bigint): bigint | null {
  const from = arrivalNs > nowNs ? arrivalNs : nowNs;
  const next = from + costNs;
  return next - nowNs <= bucket.toleranceNs ? next : null;
}

/** Whole tokens left at `nowNs`. */
export function tokensLeft(arrivalNs: bigint, nowNs: bigint, bucket: Bucket): number {
  if (arrivalNs <= nowNs) return bucket.burst;
  const room = bucket.toleranceNs - (arrivalNs - nowNs);
  if (room <= 0n) return 0;
  // Below 2^53 the quotient of two whole numbers never rounds across a whole one.
  return bucket.interval === null ? Number(room / bucket.intervalNs) : Math.floor(Number(room) / bucket.interval);
}

/** Nanoseconds until tokens worth `costNs` are there; 0 when they are there now. */
export function waitForTokens(arrivalNs: bigint, nowNs: bigint, bucket: Bucket, costNs: bigint): bigint {
  const from = arrivalNs > nowNs ? arrivalNs : nowNs;
  const wait = from + costNs - nowNs - bucket.toleranceNs;
  return wait > 0n ? wait : 0n;
}

/**
 * What of the window before still weighs in a sliding window: the share of it that the last `perMs` reach into, rounded up, so that
 * rounding never admits more. `intoMs` is the time since the current window began, 0 to `perMs`.
 */
export function slidingWeight(before: number, intoMs: number, perMs: number): number {
  const product = before * (perMs - intoMs);
  // Below 2^53 the quotient of two whole numbers never rounds across a whole one.
  if (product <= Number.MAX_SAFE_INTEGER) return Math.ceil(product / perMs);
  const [share, per] = [BigInt(before) * BigInt(perMs - intoMs), BigInt(perMs)];
  return Number((share + per - 1n) / per);
}

/** Milliseconds, at least 1, until `cost` fits into a sliding window when nobody else takes anything. */
export function slidingWait(
  before: number,
  current: number,
  cost: number,
  limit: number,
  intoMs: number,
  perMs: number,
): number {
  const untilNext = perMs - intoMs;
  if (fits(current, cost, limit)) return Math.max(1, firstFit(before, current + cost, limit, intoMs, perMs) - intoMs);
  return Math.max(1, untilNext + firstFit(current, cost, limit, 0, perMs));
}

/** The first millisecond into the window at which `wanted` and what is left of `before` are within the limit. */
function firstFit(before: number, wanted: number, limit: number, fromMs: number, perMs: number): number {
  let [low, high] = [fromMs, perMs];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (fits(slidingWeight(before, middle, perMs), wanted, limit)) high = middle;
    else low = middle + 1;
  }
  return low;
}
