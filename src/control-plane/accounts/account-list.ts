/**
 * Lists of accounts: a filter, an order that is stable while accounts come and go, and pages of it. Main thread; reads only.
 * A page without a filter is a few rows of an index. With one it is a walk over one covering index (`accounts_filter`): some 20 ms for
 * 100,000 accounts, whatever is asked and however few match.
 */
import { type RawBuilder, sql } from "kysely";
import type { Settings } from "#config/settings.ts";
import type { Database } from "#control-plane/store/database.ts";
import { type Account, type AccountRow, toAccount } from "./account.ts";

/** `-` is the other way round. Accounts never seen come before all others. */
export const ACCOUNT_SORTS = ["created", "-created", "name", "-name", "seen", "-seen"] as const;
export type AccountSort = (typeof ACCOUNT_SORTS)[number];

/** What is left out does not matter. */
export interface AccountFilter {
  /** Part of the id, the external id, the name or the e-mail; letters of ASCII in any case. */
  readonly search?: string | undefined;
  /** Left out: all but the deleted. */
  readonly state?: Account["state"] | undefined;
  /** The plan in force: the default plan is also that of accounts which have none, or one that is not in the file any more. */
  readonly plan?: string | undefined;
  /** Ids, ours or external. */
  readonly ids?: readonly string[] | undefined;
}

/** A place in an order: behind the account with this id, which had this value there. */
export interface Place {
  readonly value: string | number;
  readonly id: string;
}

export interface AccountPage {
  readonly filter: AccountFilter;
  readonly sort: AccountSort;
  readonly count: number;
  readonly after: Place | null;
}

type Condition = RawBuilder<unknown>;

/** What each order goes by; as the indexes have it. */
const ORDERS = {
  created: sql`created_at`,
  name: sql`name COLLATE NOCASE`,
  seen: sql`coalesce(seen_ms, 0)`,
} as const;

const EVERY = sql`accounts`;
const FILTERED = sql`accounts INDEXED BY accounts_filter`;

export class AccountList {
  readonly #db: Database;
  readonly #settings: () => Settings;

  constructor(db: Database, settings: () => Settings) {
    this.#db = db;
    this.#settings = settings;
  }

  async page({ filter, sort, count, after }: AccountPage): Promise<readonly Account[]> {
    const isDown = sort.startsWith("-");
    const by = ORDERS[orderOf(sort)];
    const way = isDown ? sql`DESC` : sql`ASC`;
    const conditions = [...this.#conditions(filter), ...(after === null ? [] : [behind(by, after, isDown)])];
    const ids = sql`SELECT id FROM ${sourceOf(filter)} WHERE ${all(conditions)} ORDER BY ${by} ${way}, id ${way} LIMIT ${count}`;
    const page = sql<AccountRow>`SELECT * FROM accounts WHERE id IN (${ids}) ORDER BY ${by} ${way}, id ${way}`;
    return (await page.execute(this.#db)).rows.map(toAccount);
  }

  async count(filter: AccountFilter): Promise<number> {
    const counted = sql<{ n: number }>`SELECT count(*) AS n FROM ${FILTERED} WHERE ${all(this.#conditions(filter))}`;
    return (await counted.execute(this.#db)).rows[0]?.n ?? 0;
  }

  /** Keys of the account that are not revoked, its members, and sessions that are not over. */
  async belongings(
    id: string,
    nowMs: number,
  ): Promise<{ readonly keys: number; readonly members: number; readonly sessions: number }> {
    const counted = sql<{ keys: number; members: number; sessions: number }>`SELECT
      (SELECT count(*) FROM api_keys WHERE account_id = ${id} AND revoked_at IS NULL) AS keys,
      (SELECT count(*) FROM members WHERE account = ${id}) AS members,
      (SELECT count(*) FROM sessions WHERE account = ${id} AND expires_ms > ${nowMs} AND denied_ms IS NULL) AS sessions`;
    return (await counted.execute(this.#db)).rows[0] ?? { keys: 0, members: 0, sessions: 0 };
  }

  /** In the order of their creation, at most `count`. Within a transaction of the caller. */
  async within(trx: Database, filter: AccountFilter, count: number): Promise<readonly Account[]> {
    const ids = sql`SELECT id FROM ${FILTERED} WHERE ${all(this.#conditions(filter))} ORDER BY created_at, id LIMIT ${count}`;
    const found = sql<AccountRow>`SELECT * FROM accounts WHERE id IN (${ids}) ORDER BY created_at, id`;
    return (await found.execute(trx)).rows.map(toAccount);
  }

  #conditions({ search, state, plan, ids }: AccountFilter): readonly Condition[] {
    return [
      stateCondition(state),
      ...(plan === undefined ? [] : [planCondition(plan, this.#settings())]),
      ...(ids === undefined ? [] : [idsCondition(ids)]),
      // What costs most comes last.
      ...(search === undefined ? [] : [sql`instr(search, lower(${search})) > 0`]),
    ];
  }
}

/** Where an account stands in an order. */
export function placeOf(account: Account, sort: AccountSort): Place {
  const values = { created: account.createdAtMs, name: account.name, seen: account.seenAtMs ?? 0 };
  return { value: values[orderOf(sort)], id: account.id };
}

/** Whether a place can be one in this order. */
export function isPlaceIn(sort: AccountSort, value: unknown): value is Place["value"] {
  return orderOf(sort) === "name" ? typeof value === "string" : Number.isSafeInteger(value);
}

function orderOf(sort: AccountSort): keyof typeof ORDERS {
  // Every sort is an order with or without its sign.
  return sort.replace("-", "") as keyof typeof ORDERS;
}

/** Not as `(a, id) > (?, ?)`: SQLite searches no index of an expression or collation by that. */
function behind(by: Condition, { value, id }: Place, isDown: boolean): Condition {
  return isDown
    ? sql`${by} <= ${value} AND (${by} < ${value} OR id < ${id})`
    : sql`${by} >= ${value} AND (${by} > ${value} OR id > ${id})`;
}

function sourceOf({ search, state, plan, ids }: AccountFilter): Condition {
  const isEvery = [search, state, plan, ids].every((value) => value === undefined);
  return isEvery ? EVERY : FILTERED;
}

function stateCondition(state: AccountFilter["state"]): Condition {
  if (state === undefined) return sql`deleted_ms IS NULL`;
  return state === "deleted" ? sql`deleted_ms IS NOT NULL` : sql`deleted_ms IS NULL AND state = ${state}`;
}

function planCondition(plan: string, { plans, defaultPlan }: Settings): Condition {
  if (plan !== defaultPlan) return sql`plan = ${plan}`;
  const others = Object.keys(plans).filter((other) => other !== defaultPlan);
  return sql`(plan IS NULL OR plan NOT IN (SELECT value FROM json_each(${JSON.stringify(others)})))`;
}

function idsCondition(ids: readonly string[]): Condition {
  const list = sql`(SELECT value FROM json_each(${JSON.stringify(ids)}))`;
  return sql`(id IN ${list} OR external_id IN ${list})`;
}

function all(conditions: readonly Condition[]): Condition {
  return sql.join([...conditions], sql` AND `);
}
