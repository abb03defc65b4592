/** What a hammer thread can be told to do, and what it answers. Plain data, shared by `hammer.ts` and `threads.ts`. */

/** Takes `attempts` times, through `keys` in turn. */
export interface CounterJob {
  readonly kind: "counter";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly units: number;
  readonly limit: number | null;
  /** Which takes are given back at once; the answer counts what was kept. */
  readonly giveBack: "none" | "half" | "all";
}

export interface RateJob {
  readonly kind: "rate";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
  readonly nowNs: bigint;
}

/** Ends the thread while it holds the lock of a set: every set of the table must be full of other keys. */
export interface DieInLockJob {
  readonly kind: "die-in-lock";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
}

export interface MetricsJob {
  readonly kind: "metrics";
  readonly table: SharedArrayBuffer;
  readonly worker: number;
  readonly requests: number;
}

export type Job = CounterJob | RateJob | DieInLockJob | MetricsJob;

/** How often each word was the outcome. */
export type Outcomes = Readonly<Record<"taken" | "over" | "empty" | "full", number>> & {
  /** Times a counter was seen beyond its limit. */
  readonly overshoots: number;
};

export interface HammerStart {
  readonly job: Job;
  /** Marks the thread's locks. */
  readonly owner: number;
  /** i32 × 2: threads that are ready, and 1 when all may go. */
  readonly starter: SharedArrayBuffer;
}
