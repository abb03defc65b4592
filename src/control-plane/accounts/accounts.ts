/** Accounts: who is charged and limited. Main thread; every change is announced to the workers before it is answered. */
import { rfc3339, wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { MINUTE_MS } from "#core/windows.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";
import { type Account, toAccount } from "./account.ts";
import { type AccountChange, AccountWriter } from "./account-change.ts";
import { ConflictError } from "./conflict.ts";

export interface NewAccount {
  readonly name: string;
  readonly externalId: string | null;
  readonly plan: string | null;
  readonly email?: string | null | undefined;
}

/** Where its billing periods begin (milliseconds since 1970, cut to its minute), and why something changes, for the audit log. */
export interface AccountWish extends AccountChange {
  readonly anchorMs?: number | undefined;
  readonly reason?: string | undefined;
}

/** Lets the counters follow a moved anchor; `metering/anchors.ts`. */
export interface AnchorMoves {
  /**
   * Stores the account's new anchor, with `note` in the same transaction, and announces it. When it resolves, all charges count in the
   * billing periods of the new one.
   */
  move(
    account: string,
    anchorMs: number,
    announce: () => Promise<void>,
    note: (trx: Database) => Promise<void>,
  ): Promise<void>;
}

/** Our own ids: an account known by one from outside could pass for another. */
export function isReserved(externalId: string): boolean {
  return externalId.startsWith("acct_");
}

export class Accounts {
  readonly #db: Database;
  readonly #announce: Announce;
  readonly #anchors: AnchorMoves;
  readonly #audit: AuditLog;
  readonly #writer: AccountWriter;

  constructor(db: Database, audit: AuditLog, announce: Announce, anchors: AnchorMoves) {
    this.#db = db;
    this.#audit = audit;
    this.#announce = announce;
    this.#anchors = anchors;
    this.#writer = new AccountWriter(db);
  }

  /** Throws `ConflictError` when the external id is taken. */
  async create(wanted: NewAccount): Promise<Account> {
    const account = await this.#db.transaction().execute((trx) => this.#insert(trx, wanted));
    if (account === null) throw new ConflictError(`An account with the external id ${wanted.externalId} exists`);
    await this.#announce({ kind: "account", id: account.id, externalId: account.externalId });
    return account;
  }

  /** The account the operator's systems know by this id; made at first sight. Two at once make one. null: the id is reserved. */
  async getOrCreate(externalId: string): Promise<Account | null> {
    if (isReserved(externalId)) return null;
    const known = await this.byExternalId(externalId);
    return known ?? this.#db.transaction().execute(async (trx) => (await this.ensure(trx, externalId)).account);
  }

  /** As `getOrCreate` in a transaction of the caller's, of an id that is not reserved; `isNew`: it was made just now. */
  async ensure(trx: Database, externalId: string): Promise<{ readonly account: Account; readonly isNew: boolean }> {
    const made = await this.#insert(trx, { name: externalId, externalId, plan: null });
    if (made !== null) return { account: made, isNew: true };
    const row = await trx.selectFrom("accounts").selectAll().where("external_id", "=", externalId).executeTakeFirst();
    if (row === undefined) throw new Error("An account vanished while it was made");
    return { account: toAccount(row), isNew: false };
  }

  /** null: the external id is taken. */
  async #insert(trx: Database, wanted: NewAccount): Promise<Account | null> {
    const row = {
      id: newId("acct"),
      external_id: wanted.externalId,
      name: wanted.name,
      state: "active" as const,
      plan: wanted.plan,
      created_at: wallMs(),
      billing_anchor_ms: null,
      spend_cap: null,
      email: wanted.email ?? null,
      deleted_ms: null,
      seen_ms: null,
      plan_until_ms: null,
      plan_after: null,
      trial_until_ms: null,
    };
    const result = await trx
      .insertInto("accounts")
      .values(row)
      .onConflict((conflict) => conflict.column("external_id").doNothing())
      .executeTakeFirst();
    if (result.numInsertedOrUpdatedRows !== 1n) return null;
    const { name, externalId, plan, email } = wanted;
    const after = { name, externalId, plan, ...(typeof email === "string" ? { email } : {}) };
    await this.#audit.write(trx, { action: "account.created", target: row.id, account: row.id, before: null, after });
    return toAccount(row);
  }

  async byId(id: string): Promise<Account | null> {
    const row = await this.#db.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? null : toAccount(row);
  }

  async byExternalId(externalId: string): Promise<Account | null> {
    const row = await this.#db
      .selectFrom("accounts")
      .selectAll()
      .where("external_id", "=", externalId)
      .executeTakeFirst();
    return row === undefined ? null : toAccount(row);
  }

  /** By our id or the operator's. */
  async find(idOrExternalId: string): Promise<Account | null> {
    return (await this.byId(idOrExternalId)) ?? (await this.byExternalId(idOrExternalId));
  }

  /** null when there is no such account. In force on the next request. `wanted` may depend on what the account is by then. */
  async change(id: string, wanted: AccountWish | ((account: Account) => AccountWish)): Promise<Account | null> {
    const stored = await this.#store(id, wanted);
    if (stored === null) return null;
    const { account, was, anchorMs } = stored;
    const announce = async () => {
      if (account.externalId !== was.externalId) await this.#announceMembers(id);
      // Workers know it by the id it had.
      await this.#announce({ kind: "account", id, externalId: was.externalId });
    };
    const anchor = anchorMs === undefined ? account.anchorMs : Math.floor(anchorMs / MINUTE_MS) * MINUTE_MS;
    if (anchor === account.anchorMs) {
      await announce();
      return account;
    }
    const before = { billingAnchor: rfc3339(account.anchorMs) };
    const deed = { action: "account.billing_anchor_changed", target: id, account: id, before };
    const note = (trx: Database) => this.#audit.write(trx, { ...deed, after: { billingAnchor: rfc3339(anchor) } });
    await this.#anchors.move(id, anchor, announce, note);
    return this.byId(id);
  }

  /** Stores what differs, with an entry in the audit log. The anchor is another matter. */
  #store(id: string, wanted: AccountWish | ((account: Account) => AccountWish)): Promise<Stored | null> {
    return this.#db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) return null;
      const account = toAccount(row);
      const { anchorMs, reason, ...change } = typeof wanted === "function" ? wanted(account) : wanted;
      const changed = this.#writer.apply(account, change, reason ?? null);
      if (changed !== null) await this.#audit.write(trx, changed.deed);
      return { account: changed?.account ?? account, was: account, anchorMs };
    });
  }

  /** What workers know of a user names the accounts they are in by their external ids. */
  async #announceMembers(id: string): Promise<void> {
    const members = this.#db
      .selectFrom("members")
      .innerJoin("users", "users.id", "members.user")
      .select("users.external_id")
      .where("members.account", "=", id)
      .where("members.removed_ms", "is", null);
    const users = (await members.execute()).map((row) => row.external_id);
    await this.#announce({ kind: "batch", accounts: [], keys: [], users });
  }
}

interface Stored {
  readonly account: Account;
  /** As it was. */
  readonly was: Account;
  readonly anchorMs: number | undefined;
}
