/**
 * A data folder for ledger tests: real SQLite, real segment files, and the ledger over them as the gateway has it.
 * Writes segments as workers do, whole or torn. Does not start a gateway.
 */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { Ledger } from "#control-plane/metering/ledger.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import { type Charge, SEGMENT_MAGIC, writeRecord } from "#shared/journal-format.ts";
import { type LogLine, readLog } from "#test/support/log.ts";

const RECORD_BYTES_MAX = 16 * 1024;
/** 24 November 2026, 09:20 UTC. */
export const AT_MS = Date.UTC(2026, 10, 24, 9, 20);

export interface LedgerOptions {
  /** This run of the process; segments of others are finished. */
  readonly run?: string;
  /** Writers of this run that may still append. */
  readonly live?: readonly number[];
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

  ledger({ run = "now", live = [] }: LedgerOptions = {}): Ledger {
    const log = pino({ level: "trace", base: null }, { write: (line: string) => (this.#log += line) });
    return new Ledger({ db: this.db, dir: this.dir, run, log, isLive: (writer) => live.includes(writer) });
  }

  path(file: string): string {
    return join(this.dir, file);
  }

  /** Makes a segment; `tail` is put behind its records as it is. */
  write(file: string, records: readonly Charge[], tail: Uint8Array = Buffer.alloc(0)): void {
    writeFileSync(this.path(file), Buffer.concat([SEGMENT_MAGIC, ...records.map(recordOf), tail]));
  }

  append(file: string, bytes: Uint8Array): void {
    appendFileSync(this.path(file), bytes);
  }

  /** Units and requests of the whole ledger by account and meter, `account meter` → [units, requests]. */
  async sums(): Promise<Readonly<Record<string, readonly [units: number, requests: number]>>> {
    const rows = await this.db
      .selectFrom("usage_hours")
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

export function charge(part: Partial<Charge> = {}): Charge {
  return {
    atMs: AT_MS,
    status: 200,
    account: "a",
    key: "k",
    user: "",
    route: "models",
    requestId: "r",
    units: [{ meter: "calls", units: 1 }],
    ...part,
  };
}

export function charges(count: number, part: Partial<Charge> = {}): readonly Charge[] {
  return Array.from({ length: count }, (_, index) => charge({ requestId: `r-${index}`, ...part }));
}

/** The bytes of one record. */
export function recordOf(one: Charge): Buffer {
  const into = Buffer.alloc(RECORD_BYTES_MAX);
  return into.subarray(0, writeRecord(into, 0, one));
}
