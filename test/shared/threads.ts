/** Runs jobs on real worker threads, all let go in the same instant. Does not judge the outcome. */
import { Worker } from "node:worker_threads";
import type { HammerStart, Job, Outcomes } from "./hammer-jobs.ts";

const FIRST_OWNER = 2;

/** One thread a job; their owner marks count from 2. null: the thread ended without an answer. */
export async function onThreads(jobs: readonly Job[]): Promise<readonly (Outcomes | null)[]> {
  const starter = new SharedArrayBuffer(8);
  const gate = new Int32Array(starter);
  const answers = jobs.map((job, index) => answerOf({ job, owner: FIRST_OWNER + index, starter }));
  for (let ready = 0; ready < jobs.length; ready = Atomics.load(gate, 0)) {
    await Atomics.waitAsync(gate, 0, ready).value;
  }
  Atomics.store(gate, 1, 1);
  Atomics.notify(gate, 1);
  return Promise.all(answers);
}

function answerOf(start: HammerStart): Promise<Outcomes | null> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./hammer.ts", import.meta.url), { workerData: start });
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", () => resolve(null));
  });
}

/** Sum over all threads; an error when one died. */
export function sumOf(outcomes: readonly (Outcomes | null)[], word: keyof Outcomes): number {
  return outcomes.reduce((sum, outcome) => {
    if (outcome === null) throw new Error("A hammer thread ended without an answer");
    return sum + outcome[word];
  }, 0);
}
