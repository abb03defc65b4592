/**
 * The two clocks. Wall time says which hour, day or month a charge belongs to; monotonic time drives rates,
 * so that a jump of the wall clock neither refunds nor locks out. Both are the same for every thread.
 */

/** Milliseconds since 1970, UTC. */
export function wallMs(): number {
  return Date.now();
}

const start = { wallMs: Date.now(), monotonicMs: performance.now() };

/**
 * Wall time for forgetting what is over: never further than this thread has lived since its start, so that a clock that is ahead for
 * a while forgets nothing that counts when it is right again.
 */
export function forgetMs(): number {
  return Math.min(wallMs(), Math.floor(start.wallMs + performance.now() - start.monotonicMs));
}

/** Nanoseconds of the machine's monotonic clock. */
export function monotonicNs(): bigint {
  return process.hrtime.bigint();
}

/** RFC 3339 in UTC, as every answer writes times. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
