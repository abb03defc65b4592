/**
 * A data folder for ledger tests: real SQLite, real segment files, and the ledger over them as the gateway has it.
 * Writes segments as workers do, whole or torn. Does not start a gateway.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import pino from "pino";
import { Ledger } from "#control-plane/metering/ledger.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import type { Settings } from "#config/settings.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { type Charge, segmentHead, writeCharge } from "#shared/journal-format.ts";
import { createTable } from "#shared/shared-table.ts";
import { type LogLine, readLog } from "#test/support/log.ts";

const RECORD_BYTES_MAX = 16 * 1024;
/** 24 November 2026, 09:20 UTC. */
export const AT_MS = Date.UTC(2026, 10, 24, 9, 20);

/** Meters `calls` and `tokens`, which no plan limits. Written out: a child that is to be killed early has no time to read a file. */
export const SETTINGS = {
  timeZone: "UTC",
  meters: { calls: plainMeter("calls"), tokens: plainMeter("tokens") },
  plans: { free: { id: "free", default: true, quotas: {} } },
  identity: { keys: { quotaWindows: [] }, members: { quotaWindows: [] } },
  defaultPlan: "free",
  metering: { keepJournalMs: 3_600_000 },
} as unknown as Settings; // What the ledger reads of them.

function plainMeter(name: string) {
  return { name, aggregate: "sum", source: null };
}

export interface LedgerOptions {
  /** This run of the process; segments of others are finished. */
  readonly run?: string;
  /** Writers of this run that may still append. */
  readonly live?: readonly number[];
  readonly settings?: Settings | (() => Settings);
  readonly counters?: CounterTable;
}

export class JournalSite implements AsyncDisposable {
  readonly dir: string;
  readonly db: Database;
  readonly #root: string;
  #log = "";

  static async open(root = mkdtempSync(join(tmpdir(), "tollgate-ledger-"))): Promise<JournalSite> {
    mkdirSync(join(root, "journal"), { recursive: true });
    return new JournalSite(root, await openDatabase(join(root, "tollgate.db")));
  }

  private constructor(root: string, db: Database) {
    this.#root = root;
    this.dir = join(root, "journal");
    this.db = db;
  }

  get root(): string {
    return this.#root;
  }

  /** What the ledgers of this site have logged. */
  get logs(): readonly LogLine[] {
    return readLog(this.#log);
  }

  ledger({ run = "now", live = [], settings = SETTINGS, counters = newCounters() }: LedgerOptions = {}): Ledger {
    const log = pino({ level: "trace", base: null }, { write: (line: string) => (this.#log += line) });
    const current = typeof settings === "function" ? settings : () => settings;
    const isLive = (writer: number) => live.includes(writer);
    return new Ledger({ db: this.db, dir: this.dir, run, log, settings: current, counters, isLive });
  }

  path(file: string): string {
    return join(this.dir, file);
  }

  /** Makes a segment; `tail` is put behind its records as it is. */
  write(file: string, records: readonly Charge[], tail: Uint8Array = Buffer.alloc(0)): void {
    writeFileSync(this.path(file), Buffer.concat([segmentHead(file), ...records.map(recordOf), tail]));
  }

  append(file: string, bytes: Uint8Array): void {
    appendFileSync(this.path(file), bytes);
  }

  /** Units and requests of the whole ledger by account and meter, `account meter` → [units, requests]. */
  async sums(): Promise<Readonly<Record<string, readonly [units: number, requests: number]>>> {
    const rows = await this.db
      .selectFrom("usage")
      .select(({ fn }) => [
        "account",
        "meter",
        fn.sum<number>("units").as("units"),
        fn.sum<number>("requests").as("requests"),
      ])
      .groupBy(["account", "meter"])
      .execute();
    return Object.fromEntries(rows.map((row) => [`${row.account} ${row.meter}`, [row.units, row.requests]]));
  }

  /** What the store knows of each segment: bytes folded, and whether it is finished. */
  async segments(): Promise<Readonly<Record<string, readonly [bytes: number, finished: boolean]>>> {
    const rows = await this.db.selectFrom("journal_segments").selectAll().execute();
    return Object.fromEntries(rows.map((row) => [row.file, [row.bytes, row.finished === 1]]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.db.destroy();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

export function newCounters(): CounterTable {
  return new CounterTable(createTable(4096, 2), 1);
}

/** Units of lines that are added. */
export function added(units: Readonly<Record<string, number>>): Charge["units"] {
  return Object.entries(units).map(([meter, count]) => ({ meter, op: "add", units: count }));
}

export function charge(part: Partial<Charge> = {}): Charge {
  return {
    atMs: AT_MS,
    status: 200,
    first: true,
    epoch: 1,
    account: "a",
    key: "k",
    user: "",
    route: "models",
    requestId: "r",
    units: added({ calls: 1 }),
    burns: [],
    ...part,
  };
}

export function charges(count: number, part: Partial<Charge> = {}): readonly Charge[] {
  return Array.from({ length: count }, (_, index) => charge({ requestId: `r-${index}`, ...part }));
}

/** The bytes of one record. */
export function recordOf(one: Charge): Buffer {
  const into = Buffer.alloc(RECORD_BYTES_MAX);
  return into.subarray(0, writeCharge(into, 0, one));
}

/** The bytes of one record as version 0.1 wrote it: no op, no epoch, no burns, every record a request. */
export function recordV1Of({ atMs, status, account, key, user, route, requestId, units }: Charge): Buffer {
  const text = (value: string) => {
    const bytes = Buffer.from(value);
    return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
  };
  const fixed = Buffer.alloc(11);
  fixed.writeUInt8(1, 0);
  fixed.writeDoubleLE(atMs, 1);
  fixed.writeUInt16LE(status, 9);
  const lines = units.map((line) => {
    const value = Buffer.alloc(8);
    value.writeDoubleLE(line.units);
    return Buffer.concat([text(line.meter), value]);
  });
  const texts = [account, key, user, route, requestId].map(text);
  const payload = Buffer.concat([fixed, ...texts, Buffer.from([units.length]), ...lines]);
  const head = Buffer.alloc(8);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([head, payload]);
}
