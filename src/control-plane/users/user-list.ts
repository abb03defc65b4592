/**
 * Lists of users: searched, filtered, sorted, in pages. Main thread; reads only. A page without a filter is a few rows of an index, with
 * one a walk over the users.
 */
import { type RawBuilder, type Selectable, sql } from "kysely";
import type { Database } from "#control-plane/store/database.ts";
import type { UsersTable } from "#control-plane/store/identity-tables.ts";
import { toUser, type User } from "./user.ts";

/** What is left out does not matter. */
export interface UserFilter {
  /** A part of e-mail, name or external id, whatever its case. */
  readonly search?: string | undefined;
  readonly states?: readonly User["state"][] | undefined;
  /** `accounts.id`: its members. */
  readonly account?: string | undefined;
  /** Ids, ours or external. */
  readonly ids?: readonly string[] | undefined;
}

/** `created`: the first ones first; `seen`: those seen last first. */
export type UserSort = "created" | "seen";

/** Where a user stands in an order. */
export interface UserPlace {
  readonly value: number;
  readonly id: string;
}

export interface UserPage {
  readonly filter: UserFilter;
  readonly sort: UserSort;
  readonly count: number;
  /** A page behind that place; null: the first. */
  readonly after: UserPlace | null;
}

/** What the order goes by; who was never seen comes last. */
export function placeOf({ createdAtMs, seenAtMs }: User, sort: UserSort): number {
  return sort === "created" ? createdAtMs : (seenAtMs ?? NEVER);
}

const NEVER = -1;

type Condition = RawBuilder<unknown>;

export async function listUsers(db: Database, { filter, sort, count, after }: UserPage): Promise<readonly User[]> {
  const behind = sort === "created" ? createdAfter : seenBefore;
  const conditions = [...conditionsOf(filter), ...(after === null ? [] : [behind(after)])];
  const order = sort === "created" ? sql`created_ms, id` : sql`seen_ms DESC, id DESC`;
  const page = sql<
    Selectable<UsersTable>
  >`SELECT * FROM users WHERE ${all(conditions)} ORDER BY ${order} LIMIT ${count}`;
  return (await page.execute(db)).rows.map(toUser);
}

export async function countUsers(db: Database, filter: UserFilter): Promise<number> {
  const counted = sql<{ n: number }>`SELECT count(*) AS n FROM users WHERE ${all(conditionsOf(filter))}`;
  return (await counted.execute(db)).rows[0]?.n ?? 0;
}

function conditionsOf({ search, states, account, ids }: UserFilter): readonly Condition[] {
  return [
    ...(states === undefined ? [] : [sql`state IN ${listed(states)}`]),
    ...(account === undefined ? [] : [sql`id IN ${membersOf(account)}`]),
    ...(ids === undefined ? [] : [sql`(id IN ${listed(ids)} OR external_id IN ${listed(ids)})`]),
    // What costs most comes last.
    ...(search === undefined ? [] : [matches(search.toLowerCase())]),
  ];
}

function all(conditions: readonly Condition[]): Condition {
  return conditions.length === 0 ? sql`true` : sql.join([...conditions], sql` AND `);
}

function listed(values: readonly string[]): Condition {
  return sql`(SELECT value FROM json_each(${JSON.stringify(values)}))`;
}

function membersOf(account: string): Condition {
  return sql`(SELECT user FROM members WHERE account = ${account} AND removed_ms IS NULL)`;
}

function matches(text: string): Condition {
  return sql`(instr(lower(external_id), ${text}) > 0 OR instr(coalesce(email, ''), ${text}) > 0
    OR instr(lower(coalesce(name, '')), ${text}) > 0)`;
}

function createdAfter({ value, id }: UserPlace): Condition {
  return sql`(created_ms, id) > (${value}, ${id})`;
}

/** Users who were never seen come last, as SQLite sorts them. */
function seenBefore({ value, id }: UserPlace): Condition {
  if (value === NEVER) return sql`(seen_ms IS NULL AND id < ${id})`;
  return sql`(seen_ms IS NULL OR (seen_ms, id) < (${value}, ${id}))`;
}
