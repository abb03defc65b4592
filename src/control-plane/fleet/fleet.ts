/**
 * The fleet: starts the workers, feeds them, replaces one that dies, drains them at the end. Main thread.
 * Counters outlive a worker in shared memory and its journal on disk; its locks are opened for it.
 */
import { join } from "node:path";
import type { Logger } from "pino";
import { CounterTable } from "#shared/counter-table.ts";
import type { Answer, Invalidation, Question, Seen, Snapshot, WorkerStart } from "#shared/messages.ts";
import type { KeySets, PublicKey } from "#shared/principals.ts";
import { takeLeftBehind } from "#shared/in-flight-table.ts";
import { segmentFile } from "#shared/segment-name.ts";
import { hasRecordAt } from "#control-plane/metering/segment-reader.ts";
import { RateTable } from "#shared/rate-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import { assertFree } from "./free-port.ts";
import { WorkerLink } from "./worker-link.ts";

/** Pause before a dead worker is replaced, so that one that dies at once does not spin. */
const REPLACE_MS = 200;
/** Platforms on which several threads can listen on one port (libuv's UV_TCP_REUSEPORT). */
const REUSE_PORT_PLATFORMS: readonly NodeJS.Platform[] = ["linux", "freebsd", "aix", "sunos"];

/** What all workers start with, whichever they are. */
export type FleetStart = Omit<WorkerStart, "index" | "owner" | "snapshot" | "keySets" | "port" | "reusePort">;

export interface FleetParts {
  readonly entry: URL;
  readonly start: FleetStart;
  readonly log: Logger;
  readonly answer: (question: Question) => Promise<Answer>;
  readonly keySets: () => KeySets;
  /** Hears who was seen. */
  readonly seen: (seen: Seen) => void;
}

export class Fleet {
  readonly #parts: FleetParts;
  readonly #workers = new Map<number, WorkerLink>();
  readonly #counters: CounterTable;
  readonly #rates: RateTable;
  readonly #slots: SlotTable;
  #snapshot: Snapshot;
  #port: number;
  #reusePort = true;
  #nextOwner = 2;
  #stopping = false;

  constructor(parts: FleetParts, snapshot: Snapshot) {
    this.#parts = parts;
    this.#snapshot = snapshot;
    this.#port = snapshot.settings.server.listen.port;
    this.#counters = new CounterTable(parts.start.counters, 1);
    this.#rates = new RateTable(parts.start.rates, 1);
    this.#slots = new SlotTable(parts.start.slots, 1);
  }

  /** Starts all workers; resolves with the port when all listen, rejects when one cannot. */
  async start(): Promise<number> {
    const wanted = this.#snapshot.settings.server.workers;
    this.#reusePort = REUSE_PORT_PLATFORMS.includes(process.platform);
    if (!this.#reusePort && wanted > 1) {
      this.#parts.log.warn(
        { event: "one-worker", platform: process.platform },
        "This platform lets only one thread listen on a port: one worker",
      );
    }
    await assertFree(this.#snapshot.settings.server.listen);
    const first = this.#launch(0).listening();
    // With port 0 the first one finds the port for the others.
    if (this.#port === 0) this.#port = await first;
    const others = Array.from({ length: this.#reusePort ? wanted - 1 : 0 }, (_, index) =>
      this.#launch(index + 1).listening(),
    );
    await Promise.all([first, ...others]);
    return this.#port;
  }

  get size(): number {
    return this.#workers.size;
  }

  /** Whether this writer of the journal may still append. */
  isLive(owner: number): boolean {
    return [...this.#workers.values()].some((worker) => worker.owner === owner);
  }

  async useSnapshot(snapshot: Snapshot): Promise<void> {
    this.#snapshot = snapshot;
    await this.#all((worker) => worker.order({ type: "snapshot", snapshot }));
  }

  async useKeySet(issuer: string, keys: readonly PublicKey[]): Promise<void> {
    await this.#all((worker) => worker.order({ type: "key-set", issuer, keys }));
  }

  async announce(what: Invalidation): Promise<void> {
    await this.#all((worker) => worker.order({ type: "invalidate", what }));
  }

  /** Lets requests under way end, at most `timeoutMs`, then ends all workers. True when all ended in time. */
  async stop(timeoutMs: number): Promise<boolean> {
    this.#stopping = true;
    const drained = this.#all((worker) => worker.order({ type: "drain" })).then(() => true);
    const { promise: late, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    const inTime = await Promise.race([drained, late]);
    clearTimeout(timer);
    await this.#all((worker) => worker.terminate());
    return inTime;
  }

  async #all(act: (worker: WorkerLink) => Promise<void>): Promise<void> {
    await Promise.all([...this.#workers.values()].map(act));
  }

  #launch(index: number): WorkerLink {
    const start: WorkerStart = {
      ...this.#parts.start,
      index,
      owner: this.#nextOwner++,
      snapshot: this.#snapshot,
      keySets: this.#parts.keySets(),
      port: this.#port,
      reusePort: this.#reusePort,
    };
    const worker = new WorkerLink(this.#parts.entry, start, {
      answer: this.#parts.answer,
      seen: this.#parts.seen,
      failed: (error) =>
        this.#parts.log.error({ event: "worker-failed", worker: index, err: error }, "A worker failed"),
      exited: (code) => this.#exited(worker, code),
    });
    this.#workers.set(index, worker);
    return worker;
  }

  #exited(worker: WorkerLink, code: number): void {
    if (this.#workers.get(worker.index) === worker) this.#workers.delete(worker.index);
    this.#counters.releaseLocks(worker.owner);
    this.#rates.releaseLocks(worker.owner);
    this.#slots.releaseLocks(worker.owner);
    this.#giveBack(worker);
    if (this.#stopping) return;
    this.#parts.log.error({ event: "worker-exited", worker: worker.index, code }, "A worker ended and is replaced");
    setTimeout(() => this.#replace(worker.index), REPLACE_MS).unref();
  }

  /** What the dead worker had reserved and not settled; its journal says how far it got. */
  #giveBack(worker: WorkerLink): void {
    const { inFlight, journalDir, runId } = this.#parts.start;
    const left = takeLeftBehind(inFlight, worker.index, ({ segment, bytes }) =>
      hasRecordAt(join(journalDir, segmentFile({ run: runId, writer: worker.owner, number: segment })), bytes),
    );
    for (const { table, entry, units } of left) {
      if (table === "counters") this.#counters.giveBackAt(entry, units);
      else this.#slots.giveBackAt(entry);
    }
  }

  #replace(index: number): void {
    if (this.#stopping) return;
    this.#launch(index)
      .listening()
      .then(
        () => this.#parts.log.info({ event: "worker-replaced", worker: index }, "A new worker listens"),
        // Its exit starts the next attempt.
        (error: unknown) =>
          this.#parts.log.error({ event: "worker-failed", worker: index, err: error }, "A new worker does not listen"),
      );
  }
}
