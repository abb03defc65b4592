/**
 * Grants of credits: given, listed, voided, and what of them is left. Main thread; every change is announced to the workers.
 * What is burnt is counted by the ledger alone (`credit_grants.used`) and live in shared memory; the larger one is the truth.
 * Not here: what plans grant by themselves (`plan-credits.ts`), and burning (`data-plane/`, `metering/`).
 */
import type { Statement } from "better-sqlite3";
import type { Selectable } from "kysely";
import { rfc3339, wallMs } from "#core/clock.ts";
import { type CreditGrant, isUsable } from "#core/credits.ts";
import { newId } from "#core/ids.ts";
import { LIFETIME_END_MS } from "#core/windows.ts";
import { grantCounterName } from "#shared/counter-shapes.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { CreditGrantsTable } from "#control-plane/store/tables.ts";

export type GrantRow = Selectable<CreditGrantsTable>;

export const GRANT_SOURCES = ["purchase", "promo", "admin", "plan"] as const;

/** A grant that someone asks for. */
export interface GrantWish {
  /** Whole credits, from 1. */
  readonly amount: number;
  readonly priority: number;
  /** null: now. */
  readonly startMs: number | null;
  /** Exclusive; null: never. */
  readonly expiresMs: number | null;
  readonly source: (typeof GRANT_SOURCES)[number];
  /** Grants with the same key are made once; null: none. */
  readonly idempotencyKey: string | null;
  readonly note: string | null;
}

/** A grant and what of it is burnt now. */
export interface GrantState {
  readonly row: GrantRow;
  readonly used: number;
  /** What can still be burnt; 0 of one that is over or void. */
  readonly remaining: number;
  readonly state: "scheduled" | "active" | "used" | "expired" | "void";
}

export interface GrantsParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly counters: CounterTable;
  /** Makes sure that the account has what its plan grants by now. */
  readonly planGrants: (account: string) => Promise<void>;
  /** Tells the workers that the account's grants are others now. */
  readonly announce: (account: string) => Promise<void>;
}

const INSERT = `INSERT INTO credit_grants (
    id, account, amount, used, priority, start_ms, expires_ms, created_ms, source, note, voided_ms, once
  ) VALUES (
    @id, @account, @amount, @used, @priority, @start_ms, @expires_ms, @created_ms, @source, @note, @voided_ms, @once
  ) ON CONFLICT (account, once) DO NOTHING`;

/** A clock that jumped back must find the grants that were not over then. */
const KEEP_MS = 26 * 3_600_000;

export class CreditGrants {
  readonly #parts: GrantsParts;
  readonly #insertRow: Statement<unknown[]>;

  constructor(parts: GrantsParts) {
    this.#parts = parts;
    this.#insertRow = connectionOf(parts.db).prepare(INSERT);
  }

  /** Grants of the account that are not used up and not over, in no order; those that start later too. Its plan's are made when they are missing. */
  async usable(account: string): Promise<readonly CreditGrant[]> {
    await this.#parts.planGrants(account);
    const rows = await this.#notOver(account).whereRef("used", "<", "amount").execute();
    return rows.map(toGrant);
  }

  /** Those that are used up too: for whoever may give something back to one. */
  async notOver(account: string): Promise<readonly CreditGrant[]> {
    await this.#parts.planGrants(account);
    const rows = await this.#notOver(account).execute();
    return rows.map(toGrant);
  }

  #notOver(account: string) {
    return this.#parts.db
      .selectFrom("credit_grants")
      .selectAll()
      .where("account", "=", account)
      .where("voided_ms", "is", null)
      .where(({ eb, or }) => or([eb("expires_ms", "is", null), eb("expires_ms", ">", wallMs() - KEEP_MS)]));
  }

  /** `made` false: the idempotency key was used for the same wish before. Throws `ConflictError` when it was for another. */
  async give(account: string, wish: GrantWish): Promise<{ readonly grant: GrantState; readonly made: boolean }> {
    const row = rowOf(account, wish);
    if (!(await this.#insert(row))) return { grant: this.state(await this.#same(row, wish)), made: false };
    await this.#parts.announce(account);
    return { grant: this.state(row), made: true };
  }

  /** False: its key was used before. */
  #insert(row: GrantRow): Promise<boolean> {
    return this.#parts.db.transaction().execute(async (trx) => {
      const deed = this.#insertWithin(row);
      if (deed !== null) await this.#parts.audit.write(trx, deed);
      return deed !== null;
    });
  }

  /** Gives within a transaction of the caller, who writes the deed down and announces; null: the account had one with this key before. */
  giveWithin(account: string, wish: GrantWish): Deed | null {
    return this.#insertWithin(rowOf(account, wish));
  }

  #insertWithin(row: GrantRow): Deed | null {
    if (this.#insertRow.run(row).changes !== 1) return null;
    const { id, account, amount, priority, source, note } = row;
    const expiresAt = row.expires_ms === null ? null : rfc3339(row.expires_ms);
    const after = { amount, priority, source, note, startsAt: rfc3339(row.start_ms), expiresAt };
    return { action: "credits.granted", target: id, account, before: null, after };
  }

  /** The grant the key was used for before, when it says the same. */
  async #same(wanted: GrantRow, wish: GrantWish): Promise<GrantRow> {
    const { account, once } = wanted;
    const rows = this.#parts.db.selectFrom("credit_grants").selectAll();
    const known = await rows.where("account", "=", account).where("once", "=", once).executeTakeFirstOrThrow();
    const isSame =
      known.amount === wanted.amount &&
      known.priority === wanted.priority &&
      (wish.startMs === null || known.start_ms === wish.startMs) &&
      known.expires_ms === wanted.expires_ms &&
      known.source === wanted.source &&
      known.note === wanted.note;
    if (isSame) return known;
    throw new ConflictError(`Idempotency key ${wish.idempotencyKey} was used for another grant, ${known.id}`);
  }

  /** Whether the account has a grant with this id. */
  async isOf(account: string, id: string): Promise<boolean> {
    return (await this.#row(id))?.account === account;
  }

  /** A page in order of creation; `after` is the id of the last one of the page before. */
  async list(account: string, count: number, after: string | null): Promise<readonly GrantState[]> {
    let query = this.#parts.db.selectFrom("credit_grants").selectAll().where("account", "=", account);
    const cursor = after === null ? null : await this.#row(after);
    if (cursor !== null) {
      query = query.where(({ eb, and, or }) =>
        or([
          eb("created_ms", ">", cursor.created_ms),
          and([eb("created_ms", "=", cursor.created_ms), eb("id", ">", cursor.id)]),
        ]),
      );
    }
    const rows = await query.orderBy("created_ms").orderBy("id").limit(count).execute();
    return rows.map((row) => this.state(row));
  }

  /** Credits that can be burnt now, and the grants with something left, now or later. */
  async left(account: string): Promise<{ readonly balance: number; readonly grants: readonly GrantState[] }> {
    await this.#parts.planGrants(account);
    const grants = (await this.#open(account)).filter(({ remaining }) => remaining > 0);
    const balance = grants.reduce((sum, { state, remaining }) => sum + (state === "active" ? remaining : 0), 0);
    return { balance, grants };
  }

  async #open(account: string): Promise<readonly GrantState[]> {
    const rows = await this.#parts.db
      .selectFrom("credit_grants")
      .selectAll()
      .where("account", "=", account)
      .where("voided_ms", "is", null)
      .where(({ eb, or }) => or([eb("expires_ms", "is", null), eb("expires_ms", ">", wallMs())]))
      .orderBy("created_ms")
      .orderBy("id")
      .execute();
    return rows.map((row) => this.state(row));
  }

  /** What is left of it is worth nothing from now on. null when there is no such grant; twice is once. */
  async void(id: string): Promise<GrantState | null> {
    const row = await this.#row(id);
    if (row === null) return null;
    const isChanged = await this.#parts.db.transaction().execute(async (trx) => {
      const voiding = trx.updateTable("credit_grants").set({ voided_ms: wallMs() });
      const changed = await voiding.where("id", "=", id).where("voided_ms", "is", null).executeTakeFirst();
      if (changed.numUpdatedRows !== 1n) return false;
      const deed = { action: "credits.voided", target: id, account: row.account };
      await this.#parts.audit.write(trx, { ...deed, before: { void: false }, after: { void: true } });
      return true;
    });
    if (isChanged) await this.#parts.announce(row.account);
    return this.state((await this.#row(id)) ?? row);
  }

  async #row(id: string): Promise<GrantRow | null> {
    return (
      (await this.#parts.db.selectFrom("credit_grants").selectAll().where("id", "=", id).executeTakeFirst()) ?? null
    );
  }

  /** As of now. */
  state(row: GrantRow): GrantState {
    const now = wallMs();
    const used = usedOf(this.#parts.counters, row);
    const left = Math.max(0, row.amount - used);
    const isOver = row.expires_ms !== null && row.expires_ms <= now;
    if (row.voided_ms !== null) return { row, used, remaining: 0, state: "void" };
    if (left === 0) return { row, used, remaining: 0, state: "used" };
    if (isOver) return { row, used, remaining: 0, state: "expired" };
    return { row, used, remaining: left, state: isUsable(toGrant(row), now) ? "active" : "scheduled" };
  }
}

/** The row of a new grant. */
function rowOf(account: string, wish: GrantWish): GrantRow {
  const now = wallMs();
  return {
    id: newId("grant"),
    account,
    amount: wish.amount,
    used: 0,
    priority: wish.priority,
    start_ms: wish.startMs ?? now,
    expires_ms: wish.expiresMs,
    created_ms: now,
    source: wish.source,
    note: wish.note,
    voided_ms: null,
    once: wish.idempotencyKey === null ? null : `key:${wish.idempotencyKey}`,
  };
}

/** Credits burnt and set aside: live, or what the ledger has where nothing is live. */
export function usedOf(counters: CounterTable, row: GrantRow): number {
  return Math.max(row.used, counters.used(grantCounter(counters, toGrant(row))));
}

/** The live counter of what is burnt of a grant. */
function grantCounter(counters: CounterTable, { id, startMs, expiresMs }: CreditGrant): CounterKey {
  return counters.key(grantCounterName(id), { kind: "lifetime", startMs, endMs: expiresMs ?? LIFETIME_END_MS });
}

function toGrant(row: GrantRow): CreditGrant {
  const { id, amount, priority, source } = row;
  return { id, amount, priority, startMs: row.start_ms, expiresMs: row.expires_ms, createdMs: row.created_ms, source };
}
