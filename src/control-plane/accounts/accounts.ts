/** Accounts: who is charged and limited. Main thread; every change is announced to the workers before it is answered. */
import type { Selectable } from "kysely";
import { rfc3339, wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { MINUTE_MS } from "#core/windows.ts";
import type { AccountRecord, SpendCap } from "#shared/principals.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import { anchorOf } from "#control-plane/metering/usage-windows.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { AccountsTable } from "#control-plane/store/identity-tables.ts";
import { ConflictError } from "./conflict.ts";

/** As the store has it. */
export interface Account extends Omit<AccountRecord, "epoch" | "grants"> {
  readonly createdAtMs: number;
  readonly email: string | null;
  readonly deletedAtMs: number | null;
  readonly seenAtMs: number | null;
  /** Until when it has its plan, and which comes then; null: for good. */
  readonly planUntilMs: number | null;
  readonly planAfter: string | null;
  readonly trialUntilMs: number | null;
}

export interface NewAccount {
  readonly name: string;
  readonly externalId: string | null;
  readonly plan: string | null;
}

export interface AccountChange {
  readonly name?: string;
  readonly plan?: string | null;
  readonly state?: "active" | "suspended";
  /** Where its billing periods begin, milliseconds since 1970; cut to its minute. */
  readonly anchorMs?: number;
  readonly spendCap?: SpendCap;
}

const NO_SPEND_CAP: SpendCap = Object.freeze({ units: Object.freeze({}), money: null });

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

  constructor(db: Database, audit: AuditLog, announce: Announce, anchors: AnchorMoves) {
    this.#db = db;
    this.#audit = audit;
    this.#announce = announce;
    this.#anchors = anchors;
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
      email: null,
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
    const { name, externalId, plan } = wanted;
    const after = { name, externalId, plan };
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

  /** A page in order of creation; `after` is the id of the last one of the page before. */
  async list(count: number, after: string | null): Promise<readonly Account[]> {
    const cursor = after === null ? null : await this.byId(after);
    let query = this.#db.selectFrom("accounts").selectAll().orderBy("created_at").orderBy("id").limit(count);
    if (cursor !== null) {
      // One comparison of pairs: SQLite then begins there in the index, where with OR it reads all that comes before.
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("created_at", "id"), ">", tuple(cursor.createdAtMs, cursor.id)),
      );
    }
    return (await query.execute()).map(toAccount);
  }

  /** null when there is no such account. In force on the next request. */
  async change(id: string, change: AccountChange): Promise<Account | null> {
    const { anchorMs, ...rest } = change;
    await this.#store(id, rest);
    const account = await this.byId(id);
    if (account === null) return null;
    const announce = () => this.#announce({ kind: "account", id, externalId: account.externalId });
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

  /** Stores what differs, with an entry in the audit log. */
  async #store(id: string, wanted: Omit<AccountChange, "anchorMs">): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom("accounts").selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) return;
      const { before, after } = differences(toAccount(row), wanted);
      if (Object.keys(after).length === 0) return;
      const { spendCap, ...rest } = after;
      const columns = { ...rest, ...(spendCap === undefined ? {} : { spend_cap: JSON.stringify(spendCap) }) };
      await trx.updateTable("accounts").set(columns).where("id", "=", id).execute();
      await this.#audit.write(trx, { action: actionOf(after), target: id, account: id, before, after });
    });
  }
}

/** The members that are to be others. */
function differences<T extends object>(
  account: Account,
  wanted: T,
): { readonly before: Partial<T>; readonly after: Partial<T> } {
  const isOther = (name: string, value: unknown) =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(account[name as keyof Account]);
  const names = Object.entries(wanted).flatMap(([name, value]) => (isOther(name, value) ? [name] : []));
  const of = (object: object) => Object.fromEntries(Object.entries(object).filter(([name]) => names.includes(name)));
  // Members of T alone are picked.
  return { before: of(account) as Partial<T>, after: of(wanted) as Partial<T> };
}

/** The weightiest of what changes. */
function actionOf({ state, plan, spendCap }: AccountChange): string {
  if (state !== undefined) return state === "suspended" ? "account.suspended" : "account.activated";
  if (plan !== undefined) return "account.plan_changed";
  return spendCap === undefined ? "account.updated" : "account.spend_cap_changed";
}

function toAccount(row: Omit<Selectable<AccountsTable>, "anchor_since_ms">): Account {
  return {
    id: row.id,
    externalId: row.external_id,
    name: row.name,
    state: row.deleted_ms === null ? row.state : "deleted",
    plan: row.plan,
    anchorMs: anchorOf(row),
    spendCap: row.spend_cap === null ? NO_SPEND_CAP : spendCapOf(row.spend_cap),
    createdAtMs: row.created_at,
    email: row.email,
    deletedAtMs: row.deleted_ms,
    seenAtMs: row.seen_ms,
    planUntilMs: row.plan_until_ms,
    planAfter: row.plan_after,
    trialUntilMs: row.trial_until_ms,
  };
}

function spendCapOf(json: string): SpendCap {
  // Written by `change` from a SpendCap.
  return JSON.parse(json) as SpendCap;
}
