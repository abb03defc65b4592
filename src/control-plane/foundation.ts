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
import { CreditGrants } from "#control-plane/credits/grants.ts";
import { PlanCredits } from "#control-plane/credits/plan-credits.ts";
import { AuditLog } from "#control-plane/audit/audit-log.ts";
import { AccountBulk } from "#control-plane/bulk/account-bulk.ts";
import { AccountLife } from "#control-plane/accounts/account-life.ts";
import { AccountList } from "#control-plane/accounts/account-list.ts";
import { AccountStats } from "#control-plane/accounts/account-stats.ts";
import { RateClears } from "#control-plane/accounts/rate-clears.ts";
import { Accounts } from "#control-plane/accounts/accounts.ts";
import { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import { PlanTerms } from "#control-plane/accounts/plan-terms.ts";
import { UpstreamCredentials } from "#control-plane/accounts/upstream-credentials.ts";
import { ForeignKeys } from "#control-plane/accounts/foreign-keys.ts";
import { KeyImport } from "#control-plane/accounts/key-import.ts";
import { KeyReveal, keepSecrets } from "#control-plane/accounts/key-reveal.ts";
import { LastSeen } from "#control-plane/accounts/last-seen.ts";
import { ResourceShares } from "#control-plane/resources/resource-shares.ts";
import { Resources } from "#control-plane/resources/resources.ts";
import type { Services } from "#control-plane/api/services.ts";
import type { LiveTables } from "#control-plane/fleet/live-tables.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import { IssuerKeySets } from "#control-plane/issuers/key-sets.ts";
import { LocalIssuer } from "#control-plane/issuers/local-issuer.ts";
import { Anchors } from "#control-plane/metering/anchors.ts";
import { Ledger } from "#control-plane/metering/ledger.ts";
import { reportedUsage } from "#control-plane/metering/reported-usage.ts";
import { SealingKeys } from "#control-plane/secrets/sealing-keys.ts";
import { Secrets } from "#control-plane/secrets/secrets.ts";
import { userServices } from "#control-plane/users/user-services.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import { DataFolderLock } from "#control-plane/store/lock.ts";
import { pepperOf } from "#control-plane/store/pepper.ts";

/** Places in the table of counters: 32 MiB of address space, of which only touched pages cost memory. */
const COUNTER_ENTRIES = 1_048_576;
/** Places in the table of concurrency slots and latches. */
const SLOT_ENTRIES = 262_144;
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
  /** null: there are no workers. */
  readonly live: LiveTables | null;
}

export class Foundation {
  readonly lock: DataFolderLock;
  readonly db: Database;
  readonly services: Services;
  readonly ledger: Ledger;
  readonly grants: CreditGrants;
  readonly planCredits: PlanCredits;
  readonly planTerms: PlanTerms;
  readonly countersBuffer: SharedArrayBuffer;
  readonly counters: CounterTable;
  readonly slotsBuffer = createTable(SLOT_ENTRIES, 1);
  readonly keySets: IssuerKeySets;
  readonly localIssuer: LocalIssuer;
  readonly lastSeen: LastSeen;
  readonly secrets: Secrets;
  readonly pepper: Uint8Array;
  readonly journalDir: string;
  /** Names this run in the names of its journal segments. */
  readonly run: string;

  /** Throws with a clear message, and leaves nothing behind. */
  static async open(parts: FoundationParts): Promise<Foundation> {
    const { store } = parts.settings();
    const lock = new DataFolderLock(store.dataDir);
    let db: Database | null = null;
    try {
      const localIssuer = new LocalIssuer(store.dataDir);
      const localKeySet = await localIssuer.keySet();
      const pepper = pepperOf(store.dataDir);
      const sealingKeys = new SealingKeys(parts.settings);
      db = await openDatabase(store.file);
      return new Foundation(parts, {
        lock,
        db,
        localIssuer,
        localKeySet,
        pepper,
        sealingKeys,
        ...openJournal(parts, db),
      });
    } catch (error) {
      await db?.destroy();
      lock.release();
      throw error;
    }
  }

  private constructor(parts: FoundationParts, opened: Opened) {
    const { settings, log, announce } = parts;
    const { lock, db, ledger, counters, localIssuer, localKeySet, pepper } = opened;
    this.lock = lock;
    this.db = db;
    this.localIssuer = localIssuer;
    this.lastSeen = new LastSeen(db, log);
    this.pepper = pepper;
    this.ledger = ledger;
    this.counters = counters;
    this.countersBuffer = opened.countersBuffer;
    this.journalDir = opened.journalDir;
    this.run = opened.run;
    this.keySets = new IssuerKeySets({
      dataDir: settings().store.dataDir,
      log,
      localKeySet: () => localKeySet,
      publish: parts.publishKeys,
    });
    const audit = new AuditLog(db, pepper);
    const accounts = new Accounts(db, audit, announce, new Anchors(db, ledger));
    const account = (id: string) => accounts.byId(id);
    const announceAccount = async (id: string) => {
      const known = await account(id);
      if (known !== null) await announce({ kind: "account", id, externalId: known.externalId });
    };
    this.planCredits = new PlanCredits({ db, counters, settings, account, announce: announceAccount });
    // What is burnt is in the counters, and decides what rolls over: they are filled first.
    const planGrants = async (id: string) => {
      await ledger.seeder.ensure(id);
      await this.planCredits.ensure(id);
    };
    this.grants = new CreditGrants({ db, audit, counters, planGrants, announce: announceAccount });
    const { grants, slotsBuffer: slots } = this;
    this.secrets = new Secrets({ db, audit, keys: opened.sealingKeys, log });
    this.planTerms = new PlanTerms({ db, audit, announce });
    const keep = keepSecrets(settings, this.secrets);
    const keys = new ApiKeys({ db, audit, pepper, announce, keep });
    const formats = () => settings().identity.keys.foreign;
    const foreign = new ForeignKeys({ db, audit, pepper, keep, formats, keys });
    const list = new AccountList(db, settings);
    const life = new AccountLife(db, audit, announce);
    this.services = {
      settings,
      log,
      accounts,
      accountList: list,
      accountLife: life,
      rateClears: new RateClears(audit, announce),
      accountStats: new AccountStats(db, settings),
      live: parts.live,
      accountBulk: new AccountBulk({ db, audit, announce, list, life, grants }),
      keys,
      keySets: this.keySets,
      audit,
      secrets: this.secrets,
      reveal: new KeyReveal(db, audit, this.secrets),
      foreignKeys: foreign,
      keyImport: new KeyImport({ db, audit, announce, foreign }),
      upstreamCredentials: new UpstreamCredentials({
        db,
        audit,
        secrets: this.secrets,
        announce: announceAccount,
      }),
      grants,
      ...userServices({ db, audit, announce, accounts, settings, pepper, localIssuer, lastSeen: this.lastSeen }),
      resources: new Resources(db, audit, announce),
      shares: new ResourceShares(db, audit, announce),
      ...reportedUsage({
        db,
        settings,
        accounts,
        keys,
        ledger,
        grants,
        counters,
        slots,
        owner: MAIN_OWNER,
        announce: announceAccount,
      }),
      usage: {
        db,
        counters,
        ledger,
        inFlight: parts.live?.inFlight ?? null,
        journalDir: opened.journalDir,
        creditsLeft: async (id) => (await grants.left(id)).balance,
      },
    };
  }

  /**
   * Brings the ledger to where the journal is, and ends what ended while nothing ran; once, before anyone counts. Counters are filled at
   * first sight of an account.
   */
  async recover(): Promise<void> {
    await this.secrets.check();
    await this.ledger.fold();
    await this.planTerms.tick();
    await this.services.reservations.expire();
  }

  async close(): Promise<void> {
    this.keySets.stop();
    await this.lastSeen.settled();
    await this.db.destroy();
    this.lock.release();
  }
}

/** The journal's ledger and the counters it keeps true. */
interface Journal {
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly countersBuffer: SharedArrayBuffer;
  readonly journalDir: string;
  readonly run: string;
}

interface Opened extends Journal {
  readonly lock: DataFolderLock;
  readonly db: Database;
  readonly localIssuer: LocalIssuer;
  readonly localKeySet: string;
  readonly pepper: Uint8Array;
  readonly sealingKeys: SealingKeys;
}

function openJournal({ settings, log, isLive }: FoundationParts, db: Database): Journal {
  const journalDir = join(settings().store.dataDir, "journal");
  mkdirSync(journalDir, { recursive: true, mode: 0o700 });
  const run = randomBytes(8).toString("hex");
  const countersBuffer = createTable(COUNTER_ENTRIES, 2);
  const counters = new CounterTable(countersBuffer, MAIN_OWNER);
  const ledger = new Ledger({ db, dir: journalDir, run, log, settings, counters, isLive });
  return { ledger, counters, countersBuffer, journalDir, run };
}
