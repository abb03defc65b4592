/** A real thread that hammers a shared table; see `threads.ts`. All threads begin each job at once. */
import { parentPort, workerData } from "node:worker_threads";
import { bucketOf } from "#core/limits.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { WorkerMetrics } from "#shared/metrics-table.ts";
import { RateTable } from "#shared/rate-table.ts";
import { SharedTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import { randomOf } from "#test/support/random.ts";
import type * as jobs from "./hammer-jobs.ts";
import { MONTH } from "./windows.ts";

type Tally = { -readonly [K in keyof jobs.Outcomes]: K extends "log" ? jobs.ChurnEvent[] : jobs.Outcomes[K] };

function run(job: jobs.Job, owner: number): jobs.Outcomes {
  const tally: Tally = { taken: 0, over: 0, empty: 0, full: 0, overshoots: 0, units: 0, log: [] };
  switch (job.kind) {
    case "counter":
      hammerCounter(job, owner, tally);
      break;
    case "gauge":
      hammerGauge(job, owner, tally);
      break;
    case "bucket":
      hammerBucket(job, owner, tally);
      break;
    case "window":
      hammerWindow(job, owner, tally);
      break;
    case "slots":
      hammerSlots(job, owner, tally);
      break;
    case "churn":
      churn(job, owner, tally);
      break;
    case "metrics":
      hammerMetrics(job);
      break;
    case "die-in-lock":
      dieInLock(job, owner);
      break;
    case "die-in-takeover":
      dieInTakeover(job, owner);
      break;
  }
  return tally;
}

/** `act` with each key in turn. */
function inTurn<K>(keys: readonly K[], attempts: number, act: (key: K, attempt: number) => void): void {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const key = keys[attempt % keys.length];
    if (key !== undefined) act(key, attempt);
  }
}

const isHalf = (giveBack: string, attempt: number) => giveBack === "half" && attempt % 2 === 1;

function hammerCounter(job: jobs.CounterJob, owner: number, tally: Tally): void {
  const table = new CounterTable(job.table, owner);
  const keys = job.keys.map((key) => table.key(key, MONTH));
  inTurn(keys, job.attempts, (key, attempt) => {
    const outcome = table.take(key, job.units, job.limit);
    if (job.limit !== null && table.used(key) > job.limit) tally.overshoots++;
    const goesBack = job.giveBack === "all" || isHalf(job.giveBack, attempt);
    if (outcome === "taken" && goesBack) table.giveBack(key, job.units);
    else tally[outcome]++;
  });
}

function hammerGauge(job: jobs.GaugeJob, owner: number, tally: Tally): void {
  const table = new CounterTable(job.table, owner);
  const key = table.key(job.key, MONTH);
  for (let attempt = 0; attempt < job.attempts; attempt++) {
    const units = 1 + (attempt % job.units);
    const isUp = job.way === "up" || (job.way === "both" && attempt % 3 !== owner % 3);
    tally.units += isUp ? table.takeUpTo(key, units, job.limit) : -table.takeOff(key, units);
    const used = table.used(key);
    if (used < 0 || used > job.limit) tally.overshoots++;
  }
}

function hammerBucket(job: jobs.BucketJob, owner: number, tally: Tally): void {
  const table = new RateTable(job.table, owner);
  const bucket = bucketOf(job.limit, job.perMs, job.burst);
  const costNs = bucket.intervalNs * BigInt(job.cost);
  const keys = job.keys.map((key) => table.key(key));
  inTurn(keys, job.attempts, (key, attempt) => {
    const outcome = table.take(key, bucket, job.nowNs, costNs);
    if (outcome === "taken" && isHalf(job.giveBack, attempt)) table.giveBack(key, costNs);
    else tally[outcome]++;
  });
}

function hammerWindow(job: jobs.WindowJob, owner: number, tally: Tally): void {
  const table = new RateTable(job.table, owner);
  const keys = job.keys.map((key) => table.key(key));
  inTurn(keys, job.attempts, (key, attempt) => {
    const outcome = table.takeWindow(key, job.cost, job.limit, job.extra, job.nowMs, job.untilMs);
    if (table.window(key, job.nowMs).taken + job.extra > job.limit) tally.overshoots++;
    if (outcome === "taken" && isHalf(job.giveBack, attempt)) table.giveBackWindow(key, job.cost, job.untilMs);
    else tally[outcome]++;
  });
}

function hammerSlots(job: jobs.SlotJob, owner: number, tally: Tally): void {
  const table = new SlotTable(job.table, owner);
  const inside = new Int32Array(job.inside);
  const keys = job.keys.map((text, index) => ({ key: table.key(text), index }));
  inTurn(keys, job.attempts, ({ key, index }) => {
    const place = table.take(key, job.limit);
    if (place < 0) {
      tally[place === -1 ? "over" : "full"]++;
      return;
    }
    tally.taken++;
    if (Atomics.add(inside, index, 1) >= job.limit) tally.overshoots++;
    if (job.keeps) return;
    Atomics.sub(inside, index, 1);
    table.giveBackAt(place);
  });
}

function churn(job: jobs.ChurnJob, owner: number, tally: Tally): void {
  const table = new RateTable(job.table, owner);
  const clock = new BigInt64Array(job.clock);
  const bucket = bucketOf(job.limit, job.perMs, job.burst);
  const keys = job.keys.map((text) => ({ text, key: table.key(text) }));
  const random = randomOf(owner);
  for (let attempt = 0; attempt < job.attempts; attempt++) {
    // Some come often, most now and then.
    const chosen = keys[Math.floor(random.next() ** 2 * keys.length)];
    if (chosen === undefined) continue;
    const { text, key } = chosen;
    const atNs = Atomics.add(clock, 0, job.stepNs);
    const outcome = table.take(key, bucket, atNs, bucket.intervalNs);
    tally[outcome]++;
    if (outcome === "taken") tally.log.push({ key: text, atNs, doneNs: Atomics.load(clock, 0) });
  }
}

function hammerMetrics(job: jobs.MetricsJob): void {
  const metrics = new WorkerMetrics(job.table, job.worker);
  for (let i = 0; i < job.requests; i++) {
    metrics.started("fast");
    metrics.count("journal_bytes", 10);
    metrics.refused("quota_exceeded");
    metrics.finished(3, 429, 0.003);
  }
  metrics.started("fast");
}

/** The search for an idle place runs under the lock; process.exit ends the thread right there, without any `finally`. */
function dieInLock(job: jobs.DieInLockJob, owner: number): void {
  const table = new SharedTable(job.table, owner);
  for (const key of job.keys) table.claim(table.key(key), [0n], () => process.exit(0));
}

function dieInTakeover(job: jobs.DieInTakeoverJob, owner: number): void {
  const { swap } = SharedTable.prototype;
  SharedTable.prototype.swap = function (...args) {
    const swapped = swap.apply(this, args);
    if (swapped && args[3] === -1n) process.exit(0);
    return swapped;
  };
  const bucket = bucketOf(1, 1_000, 1);
  if (job.of === "slots") new SlotTable(job.table, owner).take(new SlotTable(job.table, owner).key(job.key), 1);
  else new RateTable(job.table, owner).take(new RateTable(job.table, owner).key(job.key), bucket, job.nowNs, 1n);
}

// `threads.ts` made it, as a HammerStart.
const { jobs: list, owner, threads, gates } = workerData as jobs.HammerStart;
const gate = new Int32Array(gates);

function waitForAll(stage: number): void {
  Atomics.add(gate, stage, 1);
  // Spinning, so that nobody is late by the time it takes to wake up; asleep when there are fewer processors than threads.
  for (let spins = 0; Atomics.load(gate, stage) < threads; spins++)
    if (spins > 10_000) Atomics.wait(gate, stage, Atomics.load(gate, stage), 1);
}

parentPort?.postMessage(
  list.map((job, stage) => {
    waitForAll(stage);
    return run(job, owner);
  }),
);
