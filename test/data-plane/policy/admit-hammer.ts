/** A real thread that admits requests as a worker does; see `exact-under-workers.test.ts`. All threads begin each job at once. */
import { parentPort, workerData } from "node:worker_threads";
import type { Settings } from "#config/settings.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { isRefusal } from "#data-plane/exchange.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { callerOf, LimitWorker, routeOf, runtimeWith, type SharedBuffers } from "./limit-worker.ts";

/** Asks for `paths` in turn. */
export interface AdmitJob {
  readonly account: AccountRecord;
  /** What else the caller is. */
  readonly caller: Partial<Principal>;
  readonly paths: readonly string[];
  readonly attempts: number;
  /** Of those admitted, this thread's every second one is released at once. */
  readonly releases: boolean;
}

export interface AdmitStart {
  readonly settings: Settings;
  readonly buffers: SharedBuffers;
  readonly jobs: readonly AdmitJob[];
  readonly index: number;
  readonly owner: number;
  readonly threads: number;
  readonly dir: string;
  /** i32 a job: threads that are ready for it. */
  readonly gates: SharedArrayBuffer;
}

/** How many stayed admitted, and how many each rule refused. */
export type AdmitOutcome = Readonly<Record<string, number>>;

// `exact-under-workers.test.ts` made it, as an AdmitStart.
const { settings, buffers, jobs, index, owner, threads, dir, gates } = workerData as AdmitStart;
const gate = new Int32Array(gates);
const runtime = runtimeWith(settings);
const worker = new LimitWorker(buffers, index, owner, dir);

function run({ account, caller, paths, attempts, releases }: AdmitJob): AdmitOutcome {
  const outcomes: Record<string, number> = { admitted: 0 };
  const principal = callerOf(runtime, account, caller);
  const routes = paths.map((path) => routeOf(runtime, path));
  let admitted = 0;
  for (let attempt = 0; attempt < attempts; attempt++) {
    const route = routes[attempt % routes.length];
    if (route === undefined) continue;
    const applicant = {
      runtime,
      route,
      principal,
      clientAddress: "192.0.2.1",
      requestId: `${owner}-${attempt}`,
      rawHeaders: [],
    };
    const admission = worker.admitter.admit(applicant);
    const outcome = isRefusal(admission) ? admission.rule : "admitted";
    if (!isRefusal(admission) && releases && admitted++ % 2 === 1) {
      if (admission.reservation !== null) worker.settler.release(admission.reservation);
      admission.held?.giveBack();
    } else outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  return outcomes;
}

function waitForAll(stage: number): void {
  Atomics.add(gate, stage, 1);
  for (let spins = 0; Atomics.load(gate, stage) < threads; spins++)
    if (spins > 10_000) Atomics.wait(gate, stage, Atomics.load(gate, stage), 1);
}

parentPort?.postMessage(
  jobs.map((job, stage) => {
    waitForAll(stage);
    return run(job);
  }),
);
