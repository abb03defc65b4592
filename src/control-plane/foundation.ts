/**
 * What stands under a running gateway and under a command of the command line alike: the data folder with its lock, the store,
 * accounts and keys, key sets, journal folding and quota counters. Main thread. Listens on nothing.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { Settings } from "#config/settings.ts";
import { CounterTable } from "#shared/counter-table.ts";
import type { PublicKey } from "#shared/principals.ts";
import { createTable } from "#shared/shared-table.ts";
import { Accounts } from "#control-plane/accounts/accounts.ts";
import { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import type { Services } from "#control-plane/api/services.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import { IssuerKeySets } from "#control-plane/issuers/key-sets.ts";
import { LocalIssuer } from "#control-plane/issuers/local-issuer.ts";
import { Ledger } from "#control-plane/metering/ledger.ts";
import { seedCounters } from "#control-plane/metering/usage.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import { DataFolderLock } from "#control-plane/store/lock.ts";
import { pepperOf } from "#control-plane/store/pepper.ts";

/** Places in the table of counters: 32 MiB of address space, of which only touched pages cost memory. */
const COUNTER_ENTRIES = 1_048_576;
/** This thread's mark in shared tables; workers count from 2. */
const MAIN_OWNER = 1;

export interface FoundationParts {
  /** The settings in force now. */
  readonly settings: () => Settings;
  readonly log: Logger;
  readonly announce: Announce;
  readonly publishKeys: (issuer: string, keys: readonly PublicKey[]) => Promise<void>;
  /** Whether this writer of the journal may still append. */
  readonly isLive: (writer: number) => boolean;
}

export class Foundation {
  readonly lock: DataFolderLock;
  readonly db: Database;
  readonly services: Services;
  readonly ledger: Ledger;
  readonly countersBuffer = createTable(COUNTER_ENTRIES, 2);
  readonly counters = new CounterTable(this.countersBuffer, MAIN_OWNER);
  readonly keySets: IssuerKeySets;
  readonly localIssuer: LocalIssuer;
  readonly pepper: Uint8Array;
  readonly journalDir: string;
  /** Names this run in the names of its journal segments. */
  readonly run = randomBytes(8).toString("hex");
  readonly #parts: FoundationParts;
  readonly #counted = new Set<string>();

  /** Throws with a clear message, and leaves nothing behind. */
  static async open(parts: FoundationParts): Promise<Foundation> {
    const { store } = parts.settings();
    const lock = new DataFolderLock(store.dataDir);
    try {
      const localIssuer = new LocalIssuer(store.dataDir);
      const localKeySet = await localIssuer.keySet();
      const pepper = pepperOf(store.dataDir);
      return new Foundation(parts, lock, await openDatabase(store.file), localIssuer, localKeySet, pepper);
    } catch (error) {
      lock.release();
      throw error;
    }
  }

  private constructor(
    parts: FoundationParts,
    lock: DataFolderLock,
    db: Database,
    localIssuer: LocalIssuer,
    localKeySet: string,
    pepper: Uint8Array,
  ) {
    const { dataDir } = parts.settings().store;
    this.#parts = parts;
    this.lock = lock;
    this.db = db;
    this.localIssuer = localIssuer;
    this.pepper = pepper;
    this.journalDir = join(dataDir, "journal");
    mkdirSync(this.journalDir, { recursive: true, mode: 0o700 });
    this.keySets = new IssuerKeySets({
      dataDir,
      log: parts.log,
      localKeySet: () => localKeySet,
      publish: parts.publishKeys,
    });
    this.ledger = new Ledger({ db, dir: this.journalDir, run: this.run, log: parts.log, isLive: parts.isLive });
    this.services = {
      settings: parts.settings,
      log: parts.log,
      accounts: new Accounts(db, parts.announce),
      keys: new ApiKeys(db, pepper, parts.announce),
      keySets: this.keySets,
      usage: { db, counters: this.counters, ledger: this.ledger },
    };
  }

  /** Brings ledger and counters to where the journal is; once, before anyone counts. */
  async recover(): Promise<void> {
    await this.ledger.fold();
    await this.countMeters(Object.keys(this.#parts.settings().meters));
  }

  /** Fills the counters of meters that this run has not counted yet. */
  async countMeters(meters: readonly string[]): Promise<void> {
    const added = meters.filter((meter) => !this.#counted.has(meter));
    const unplaced = await seedCounters(this.db, this.counters, added);
    for (const meter of added) this.#counted.add(meter);
    if (unplaced > 0)
      this.#parts.log.error(
        { event: "counters-full", unplaced },
        "The table of counters is full: some accounts will be refused",
      );
  }

  async close(): Promise<void> {
    this.keySets.stop();
    await this.db.destroy();
    this.lock.release();
  }
}
