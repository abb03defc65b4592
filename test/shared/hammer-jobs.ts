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

/** Takes units as far as there are some, or takes them off, or both in turn, each time another number up to `units`. */
export interface GaugeJob {
  readonly kind: "gauge";
  readonly table: SharedArrayBuffer;
  readonly key: string;
  readonly attempts: number;
  readonly units: number;
  readonly limit: number;
  readonly way: "up" | "off" | "both";
}

/** Token buckets, all at one instant. */
export interface BucketJob {
  readonly kind: "bucket";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly cost: number;
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
  readonly nowNs: bigint;
  readonly giveBack: "none" | "half";
}

/** Windows, all at one instant. */
export interface WindowJob {
  readonly kind: "window";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly cost: number;
  readonly limit: number;
  /** What the window before still weighs. */
  readonly extra: number;
  readonly nowMs: number;
  readonly untilMs: number;
  readonly giveBack: "none" | "half";
}

/** Takes a slot and gives it back, through `keys` in turn. */
export interface SlotJob {
  readonly kind: "slots";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly limit: number;
  /** i32 a key: how many are between their take and their return. */
  readonly inside: SharedArrayBuffer;
  /** Keeps every slot it gets. */
  readonly keeps: boolean;
}

/** Token buckets of many keys while time goes on: places become idle and change hands. Every take is written down. */
export interface ChurnJob {
  readonly kind: "churn";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
  readonly attempts: number;
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
  /** i64: nanoseconds. Each attempt moves it on by `stepNs`. */
  readonly clock: SharedArrayBuffer;
  readonly stepNs: bigint;
}

/** Ends the thread while it holds the lock of a set: every set of the table must be full of other keys. */
export interface DieInLockJob {
  readonly kind: "die-in-lock";
  readonly table: SharedArrayBuffer;
  readonly keys: readonly string[];
}

/** Ends the thread when it has found an idle place and not yet made it its own. */
export interface DieInTakeoverJob {
  readonly kind: "die-in-takeover";
  readonly of: "rates" | "slots";
  readonly table: SharedArrayBuffer;
  readonly key: string;
  readonly nowNs: bigint;
}

export interface MetricsJob {
  readonly kind: "metrics";
  readonly table: SharedArrayBuffer;
  readonly worker: number;
  readonly requests: number;
}

export type Job =
  | CounterJob
  | GaugeJob
  | BucketJob
  | WindowJob
  | SlotJob
  | ChurnJob
  | DieInLockJob
  | DieInTakeoverJob
  | MetricsJob;

/** A take of a churning thread: it read the clock at `atNs`, and was done by `doneNs`. A thread that stands still in between takes late. */
export interface ChurnEvent {
  readonly key: string;
  readonly atNs: bigint;
  readonly doneNs: bigint;
}

/** How often each word was the outcome. */
export type Outcomes = Readonly<Record<"taken" | "over" | "empty" | "full", number>> & {
  /** Times a counter was seen beyond its limit, or below zero. */
  readonly overshoots: number;
  /** Units taken less units taken off. */
  readonly units: number;
  readonly log: readonly ChurnEvent[];
};

export interface HammerStart {
  readonly jobs: readonly Job[];
  /** Marks the thread's locks. */
  readonly owner: number;
  readonly threads: number;
  /** i32 a job: threads that are ready for it. */
  readonly gates: SharedArrayBuffer;
}
