/**
 * A worker's phases put together in one thread, with real tables, journal and gate, for micro-benchmarks: everything but threads, sockets
 * and the control plane. Measures nothing.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { loadSettings } from "#config/load.ts";
import { keyHash } from "#core/key-hash.ts";
import { newKey, STANDARD_FORMAT } from "#core/key-format.ts";
import { Gate } from "#data-plane/gate.ts";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { Directory } from "#data-plane/identity/directory.ts";
import { Identifier } from "#data-plane/identity/identify.ts";
import { Sightings } from "#data-plane/identity/sightings.ts";
import { TokenVerifier } from "#data-plane/identity/token-verifier.ts";
import { JournalWriter } from "#data-plane/metering/journal-writer.ts";
import { Settler } from "#data-plane/metering/settler.ts";
import { Ownership } from "#data-plane/ownership/ownership.ts";
import { Registry } from "#data-plane/ownership/registry.ts";
import { Admitter } from "#data-plane/policy/admit.ts";
import { LimitBook } from "#data-plane/policy/caller-limits.ts";
import { Saturation } from "#data-plane/saturation.ts";
import { RefusalLog } from "#data-plane/refusal-log.ts";
import { buildRuntime, type Runtime } from "#data-plane/runtime.ts";
import { TraceIds } from "#data-plane/trace-ids.ts";
import { controlPool, Pools } from "#data-plane/upstream/pool.ts";
import { LastingOnes } from "#data-plane/wire/lasting.ts";
import { ClientRoom } from "#data-plane/wire/client-room.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { CreditBurner } from "#shared/credit-burner.ts";
import { createInFlight, InFlight } from "#shared/in-flight-table.ts";
import { createMetrics, WorkerMetrics } from "#shared/metrics-table.ts";
import type { FromWorker } from "#shared/messages.ts";
import { type AccountRecord, type KeyRecord, UNNARROWED } from "#shared/principals.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";

const OWNER = 2;
const PEPPER = new Uint8Array(32);

export const ACCOUNT: AccountRecord = {
  id: "acct_bench",
  externalId: null,
  name: "bench",
  state: "active",
  plan: null,
  anchorMs: 0,
  epoch: 0,
  spendCap: { units: {}, money: null },
  grants: [],
};

export class BenchSite implements Disposable {
  readonly dir = mkdtempSync(join(tmpdir(), "tollgate-bench-"));
  readonly runtime: Runtime;
  readonly admitter: Admitter;
  readonly settler: Settler;
  readonly journal: JournalWriter;
  readonly directory: Directory;
  readonly gate: Gate;
  readonly lasting: LastingOnes;
  readonly metrics = new WorkerMetrics(createMetrics(), 0);
  readonly refusals = new RefusalLog(pino({ level: "silent" }));
  readonly saturation = new Saturation();
  readonly room = new ClientRoom(Infinity, this.metrics, this.refusals);
  /** A key that the control plane knows, and its record. */
  readonly key = newKey(STANDARD_FORMAT, "live");
  readonly record: KeyRecord;

  /** `yaml`: a whole gateway.yaml. `roles` of the key. `journalled` false leaves out the encoding and the write of charges. */
  constructor(yaml: string, roles: readonly string[] = [], journalled = true) {
    this.record = {
      id: "key_bench", accountId: ACCOUNT.id, roles, scopes: null, expiresAtMs: null, revoked: false,
      enabled: true, retiresAtMs: null, narrowing: UNNARROWED, limits: null,
    }; // biome-ignore format: one key
    writeFileSync(join(this.dir, "gateway.yaml"), yaml);
    const settings = loadSettings(join(this.dir, "gateway.yaml"));
    const snapshot = { version: 1, epoch: 1, settings, routeMetrics: {} };
    this.runtime = buildRuntime(snapshot, new Pools(), controlPool(join(this.dir, "none")), new TraceIds());
    const counters = new CounterTable(createTable(65_536, 2), OWNER);
    const tables = {
      counters,
      rates: new RateTable(createTable(65_536, 1), OWNER),
      slots: new SlotTable(createTable(65_536, 1), OWNER),
    };
    const inFlight = new InFlight(createInFlight(1), 0);
    const burner = new CreditBurner(counters, tables.slots, inFlight);
    const place = { dir: this.dir, run: "0123456789abcdef", writer: OWNER };
    this.journal = new JournalWriter(place, "process", this.metrics, (error) => {
      throw error;
    });
    const silent = { healthy: true, position: () => this.journal.position(), stage: () => 1, flush: () => 1 };
    // The same methods.
    this.settler = new Settler(
      journalled ? this.journal : (silent as unknown as JournalWriter),
      counters,
      inFlight,
      burner,
    );
    this.admitter = new Admitter({ tables, book: new LimitBook(tables), burner, inFlight, onShadow: () => undefined });
    const verifier = new TokenVerifier(settings.identity.issuers, {}, () => Promise.resolve());
    const link: ControlLink = new ControlLink((message) => this.#answer(link, message));
    this.directory = new Directory(link, PEPPER);
    const identifier = new Identifier(this.directory, verifier);
    const sightings = new Sightings(() => undefined);
    const ownership = new Ownership(new Registry(link), () => undefined);
    const { admitter, settler } = this;
    this.gate = new Gate({ identifier, sightings, admitter, settler, ownership }, this.runtime);
    this.lasting = new LastingOnes(this.gate);
  }

  /** As the control plane would. */
  #answer(link: ControlLink, message: FromWorker): void {
    if (message.type !== "ask") return;
    const { id, question } = message;
    const isMine = question.kind === "key" && question.hash === keyHash(this.key, PEPPER);
    if (question.kind === "key") link.answered(id, { kind: "key", key: isMine ? this.record : null });
    else link.answered(id, { kind: "account", account: ACCOUNT });
  }

  [Symbol.dispose](): void {
    rmSync(this.dir, { recursive: true });
  }
}

/** Microseconds of this thread's CPU time for each round: what others do on the machine does not count. */
export async function cpuMicros(rounds: number, run: (rounds: number) => void | Promise<void>): Promise<number> {
  await run(Math.min(rounds, 20_000));
  const before = process.threadCpuUsage();
  await run(rounds);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / rounds;
}
