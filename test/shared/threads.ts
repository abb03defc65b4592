/** Runs jobs on real worker threads, all let go in the same instant. Does not judge the outcome. */
import { Worker } from "node:worker_threads";
import type { ChurnEvent, HammerStart, Job, Outcomes } from "./hammer-jobs.ts";

const FIRST_OWNER = 2;
/** A thread that takes longer hangs. */
const PATIENCE_MS = 25_000;

/** What one thread answered for a job; null: it ended without an answer, by itself or because it hung. */
export type Answer = Outcomes | null;

/** One thread a job; their owner marks count from 2. */
export async function onThreads(jobs: readonly Job[]): Promise<readonly Answer[]> {
  return (await stagesOnThreads(jobs.map((job) => [job]))).flat();
}

/**
 * One thread a list of jobs, all lists of one length: all begin their first job in the same instant, then their second, and so on.
 * Answers by stage and thread.
 */
export async function stagesOnThreads(lists: readonly (readonly Job[])[]): Promise<readonly (readonly Answer[])[]> {
  const stages = lists[0]?.length ?? 0;
  const gates = new SharedArrayBuffer(stages * 4);
  const starts = lists.map((jobs, index) => ({ jobs, owner: FIRST_OWNER + index, threads: lists.length, gates }));
  const answers = await Promise.all(starts.map(answersOf));
  return Array.from({ length: stages }, (_, stage) => answers.map((answer) => answer?.[stage] ?? null));
}

function answersOf(start: HammerStart): Promise<readonly Outcomes[] | null> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./hammer.ts", import.meta.url), { workerData: start });
    worker.on("message", resolve);
    worker.on("error", reject);
    const hangs = setTimeout(() => void worker.terminate(), PATIENCE_MS);
    worker.on("exit", () => {
      clearTimeout(hangs);
      resolve(null);
    });
  });
}

/** Sum over all threads; an error when one died. */
export function sumOf(outcomes: readonly Answer[], word: Exclude<keyof Outcomes, "log">): number {
  return answered(outcomes).reduce((sum, outcome) => sum + outcome[word], 0);
}

/** Everything that was written down; an error when a thread died. */
export function logOf(outcomes: readonly Answer[]): readonly ChurnEvent[] {
  return answered(outcomes).flatMap(({ log }) => log);
}

function answered(outcomes: readonly Answer[]): readonly Outcomes[] {
  return outcomes.map((outcome) => {
    if (outcome === null) throw new Error("A hammer thread ended without an answer");
    return outcome;
  });
}
