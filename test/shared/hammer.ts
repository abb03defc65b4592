/** A real thread that hammers a shared table; see `threads.ts`. Waits at the starter so that all threads begin at once. */
import { parentPort, workerData } from "node:worker_threads";
import { bucketOf } from "#core/limits.ts";
import { windowAt } from "#core/windows.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { WorkerMetrics } from "#shared/metrics-table.ts";
import { RateTable } from "#shared/rate-table.ts";
import { SharedTable } from "#shared/shared-table.ts";
import type { CounterJob, DieInLockJob, HammerStart, Job, MetricsJob, Outcomes, RateJob } from "./hammer-jobs.ts";

type Tally = { -readonly [K in keyof Outcomes]: Outcomes[K] };

function run(job: Job, owner: number): Outcomes {
  const tally: Tally = { taken: 0, over: 0, empty: 0, full: 0, overshoots: 0 };
  if (job.kind === "counter") hammerCounter(job, owner, tally);
  else if (job.kind === "rate") hammerRate(job, owner, tally);
  else if (job.kind === "metrics") hammerMetrics(job);
  else dieInLock(job, owner);
  return tally;
}

function hammerCounter(job: CounterJob, owner: number, tally: Tally): void {
  const table = new CounterTable(job.table, owner);
  const window = windowAt("month", 0);
  const keys = job.keys.map((key) => table.key(key, "calls", window));
  for (let i = 0; i < job.attempts; i++) {
    const key = keys[i % keys.length];
    if (key === undefined) continue;
    const outcome = table.take(key, job.units, job.limit);
    if (job.limit !== null && table.used(key) > job.limit) tally.overshoots++;
    const goesBack = job.giveBack === "all" || (job.giveBack === "half" && i % 2 === 1);
    if (outcome === "taken" && goesBack) table.giveBack(key, job.units);
    else tally[outcome]++;
  }
}

function hammerRate(job: RateJob, owner: number, tally: Tally): void {
  const table = new RateTable(job.table, owner);
  const bucket = bucketOf(job.limit, job.perMs, job.burst);
  const keys = job.keys.map((key) => table.key(key));
  for (let i = 0; i < job.attempts; i++) {
    const key = keys[i % keys.length];
    if (key !== undefined) tally[table.take(key, bucket, job.nowNs)]++;
  }
}

function hammerMetrics(job: MetricsJob): void {
  const metrics = new WorkerMetrics(job.table, job.worker);
  for (let i = 0; i < job.requests; i++) {
    metrics.started();
    metrics.count("journal_bytes", 10);
    metrics.refused("quota_exceeded");
    metrics.finished(3, 429, 0.003);
  }
  metrics.started();
}

/** The search for an idle place runs under the lock; process.exit ends the thread right there, without any `finally`. */
function dieInLock(job: DieInLockJob, owner: number): void {
  const table = new SharedTable(job.table, owner);
  for (const key of job.keys) table.claim(table.key(key), [0n], () => process.exit(0));
}

// `threads.ts` made it, as a HammerStart.
const { job, owner, starter } = workerData as HammerStart;
const gate = new Int32Array(starter);
Atomics.add(gate, 0, 1);
Atomics.notify(gate, 0);
Atomics.wait(gate, 1, 0);
parentPort?.postMessage(run(job, owner));
