/**
 * Limits, charges and journals of several workers in one process: everything real but sockets and threads. Workers share tables,
 * journal folder and runtime, and die when told to; what they leave is given back as the main thread does it. Judges nothing.
 */
import { closeSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Refusal } from "#core/errors.ts";
import { windowAt } from "#core/windows.ts";
import { hasRecordAt } from "#control-plane/metering/segment-reader.ts";
import { counterName, grantCounterName } from "#shared/counter-shapes.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { takeLeftBehind } from "#shared/in-flight-table.ts";
import { type Charge, readRecords, SEGMENT_HEAD_BYTES } from "#shared/journal-format.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { RateTable } from "#shared/rate-table.ts";
import { segmentFile } from "#shared/segment-name.ts";
import { SlotTable } from "#shared/slot-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { Admission, Applicant } from "#data-plane/policy/admit.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import { createBuffers, LimitWorker, routeOf, RUN, runtimeWith, type SharedBuffers } from "./limit-worker.ts";

const MAIN = 1;

/** Upstream and version of a file; the rest is the test's. */
export const HEAD = `version: 1
upstreams: { app: { targets: ["http://127.0.0.1:9"] } }
`;

/** A runtime of a file's text, and the settings it came from. */
export function runtimeOf(file: string): Runtime {
  return runtimeWith(settingsOf(HEAD + file));
}

export class LimitSite {
  readonly buffers: SharedBuffers;
  /** The main thread's views. */
  readonly counters: CounterTable;
  readonly rates: RateTable;
  readonly slots: SlotTable;
  runtime: Runtime;
  readonly #dir = mkdtempSync(join(tmpdir(), "tollgate-limits-"));
  readonly #workers: LimitWorker[] = [];
  #nextOwner = MAIN + 1;
  #requests = 0;

  constructor(runtime: Runtime, workers = 1) {
    this.runtime = runtime;
    this.buffers = createBuffers(workers);
    this.counters = new CounterTable(this.buffers.counters, MAIN);
    this.rates = new RateTable(this.buffers.rates, MAIN);
    this.slots = new SlotTable(this.buffers.slots, MAIN);
    for (let index = 0; index < workers; index++) this.#launch(index);
  }

  worker(index = 0): LimitWorker {
    const worker = this.#workers[index];
    if (worker === undefined) throw new Error(`There is no worker ${index}`);
    return worker;
  }

  #launch(index: number): void {
    this.#workers[index] = new LimitWorker(this.buffers, index, this.#nextOwner++, this.#dir);
  }

  /** As `Fleet` does when a worker has ended: locks, then what it had reserved, then another worker. */
  kill(index: number): void {
    const { owner } = this.worker(index);
    for (const table of [this.counters, this.rates, this.slots]) table.releaseLocks(owner);
    const left = takeLeftBehind(this.buffers.inFlight, index, ({ segment, bytes }) =>
      hasRecordAt(join(this.#dir, segmentFile({ run: RUN, writer: owner, number: segment })), bytes),
    );
    for (const { table, entry, units } of left) {
      if (table === "counters") this.counters.giveBackAt(entry, units);
      else this.slots.giveBackAt(entry);
    }
    this.#launch(index);
  }

  admit(principal: Principal | null, path: string, part: Partial<Applicant> = {}, worker = 0): Admission | Refusal {
    const { runtime } = this;
    const requestId = `req_${++this.#requests}`;
    const route = routeOf(runtime, path);
    const who = { runtime, route, principal, clientAddress: "192.0.2.1", requestId, rawHeaders: [], ...part };
    return this.worker(worker).admitter.admit(who);
  }

  /** Every charge in the journal, torn tails left out. */
  charges(): readonly Charge[] {
    return readdirSync(this.#dir).flatMap((file) => {
      const bytes = readFileSync(join(this.#dir, file));
      return readRecords(bytes.subarray(SEGMENT_HEAD_BYTES)).charges;
    });
  }

  /** Units of the counter of a meter's shape; `holder` as `holderOf` says it. */
  used(account: AccountRecord, meter: string, kind: string, holder = "", atMs = Date.now()): number {
    const by = holder.split(":")[0] === "" ? "account" : holder.split(":")[0];
    const shape = this.runtime.shapes.get(meter)?.find((one) => one.window.kind === kind && one.by === by);
    if (shape === undefined) throw new Error(`Nothing counts ${meter} by ${by} and ${kind}`);
    const window = windowAt(shape.window, atMs, account.anchorMs);
    return this.counters.used(this.counters.key(counterName(account.id, shape.key, holder, window), window));
  }

  burnt(grant: string): number {
    return this.counters.used(this.counters.key(grantCounterName(grant), { kind: "lifetime", startMs: 0, endMs: 1 }));
  }

  /** Requests under way by a concurrency limit. */
  held(name: string, key: string): number {
    return this.slots.held(this.slots.key(`${name}|${key}`));
  }

  [Symbol.dispose](): void {
    // A journal's writer keeps its segment open for as long as its thread lives.
    for (const fd of readdirSync(OPEN_FILES)) if (isIn(this.#dir, fd)) closeSync(Number(fd));
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

const OPEN_FILES = "/proc/self/fd";

function isIn(dir: string, fd: string): boolean {
  try {
    return readlinkSync(join(OPEN_FILES, fd)).startsWith(`${dir}/`);
  } catch {
    // The folder's own, closed meanwhile.
    return false;
  }
}
