/**
 * One change of many accounts, all of it or nothing. Main thread. A dry run does the same and takes it back, so what it says is exact.
 * One transaction, some 60 µs for each account, in which this thread does nothing else: callers bound how many there may be.
 */
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import type { CreditGrants, GrantWish } from "#control-plane/credits/grants.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Account } from "./account.ts";
import { type AccountChange, AccountWriter } from "./account-change.ts";
import type { AccountLife } from "./account-life.ts";
import type { AccountFilter, AccountList } from "./account-list.ts";

export type BulkAct =
  | { readonly kind: "change"; readonly change: (account: Account) => AccountChange }
  | { readonly kind: "delete" }
  | { readonly kind: "grant"; readonly wish: GrantWish };

export interface BulkWish {
  readonly filter: AccountFilter;
  readonly act: BulkAct;
  readonly reason: string | null;
  readonly max: number;
  /** How many accounts have to match; null: a dry run. */
  readonly expected: number | null;
  /** What the audit log says of it as a whole. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface BulkOutcome {
  readonly matched: number;
  /** Ids of the accounts that are others now, in the order of their creation; null: nothing was done, as too many or other ones match. */
  readonly changed: readonly string[] | null;
}

export interface BulkParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
  readonly list: AccountList;
  readonly life: AccountLife;
  readonly grants: CreditGrants;
}

/** What one account comes to. */
interface Done {
  readonly deeds: readonly Deed[];
  readonly keys: readonly string[];
}

/** What has come of it so far. */
interface Work {
  matched: number;
  readonly accounts: string[];
  readonly keys: string[];
}

/** Ends a transaction without its changes. */
class TakenBack extends Error {}

export class AccountBulk {
  readonly #parts: BulkParts;
  readonly #writer: AccountWriter;

  constructor(parts: BulkParts) {
    this.#parts = parts;
    this.#writer = new AccountWriter(parts.db);
  }

  /** In force on the next request when it resolves. */
  async run(wish: BulkWish): Promise<BulkOutcome> {
    const matched = await this.#parts.list.count(wish.filter);
    if (matched > wish.max) return { matched, changed: null };
    const work: Work = { matched, accounts: [], keys: [] };
    const isKept = await this.#inTransaction((trx) => this.#work(trx, wish, work));
    const { accounts, keys } = work;
    if (isKept) await this.#parts.announce({ kind: "batch", accounts, keys });
    return { matched: work.matched, changed: isKept || wish.expected === null ? accounts : null };
  }

  /** False: it is to be taken back. */
  async #work(trx: Database, wish: BulkWish, work: Work): Promise<boolean> {
    const found = await this.#parts.list.within(trx, wish.filter, wish.max + 1);
    work.matched = found.length;
    if (wish.expected !== null && found.length !== wish.expected) return false;
    const deeds = found.flatMap((account) => {
      const done = this.#act(account, wish);
      if (done.deeds.length > 0) work.accounts.push(account.id);
      work.keys.push(...done.keys);
      return done.deeds;
    });
    if (wish.expected === null) return false;
    await this.#parts.audit.writeAll(trx, [...deeds, summary(wish, work)]);
    return true;
  }

  /** As `work` says, which is run once. */
  async #inTransaction(work: (trx: Database) => Promise<boolean>): Promise<boolean> {
    const attempt = this.#parts.db.transaction().execute(async (trx) => {
      if (!(await work(trx))) throw new TakenBack();
      return true;
    });
    return attempt.catch((error: unknown) => {
      if (error instanceof TakenBack) return false;
      throw error;
    });
  }

  #act(account: Account, { act, reason }: BulkWish): Done {
    // Deleted ones are listed only when they are asked for; nothing is done to them.
    if (account.state === "deleted") return { deeds: [], keys: [] };
    switch (act.kind) {
      case "change": {
        const changed = this.#writer.apply(account, act.change(account), reason);
        return { deeds: changed === null ? [] : [changed.deed], keys: [] };
      }
      case "delete":
        return this.#parts.life.deleteWithin(account, reason);
      case "grant": {
        const deed = this.#parts.grants.giveWithin(account.id, act.wish);
        return { deeds: deed === null ? [] : [deed], keys: [] };
      }
    }
  }
}

function summary({ facts, reason }: BulkWish, { matched, accounts }: Work): Deed {
  const after = { ...facts, ...(reason === null ? {} : { reason }), matched, changed: accounts.length };
  return { action: "accounts.bulk", target: "accounts", account: null, before: null, after };
}
