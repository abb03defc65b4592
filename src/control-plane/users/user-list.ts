/** Lists of users: searched, filtered, sorted, in pages. Main thread. */
import { sql } from "kysely";
import type { Database } from "#control-plane/store/database.ts";
import { toUser, type User } from "./user.ts";

export interface UserFilter {
  /** A part of e-mail, name or external id, whatever its case. */
  readonly search?: string | undefined;
  readonly state?: User["state"] | undefined;
  /** Members of this account. */
  readonly account?: string | undefined;
  /** `created`: the first ones first; `seen`: those seen last first. */
  readonly sort: "created" | "seen";
}

/** Where a user stands in an order. */
export interface UserPlace {
  readonly value: number;
  readonly id: string;
}

/** What the order goes by; who was never seen comes last. */
export function placeOf({ createdAtMs, seenAtMs }: User, sort: UserFilter["sort"]): number {
  return sort === "created" ? createdAtMs : (seenAtMs ?? NEVER);
}

const NEVER = -1;

/** A page behind that place; null: the first. */
export async function listUsers(
  db: Database,
  { search, state, account, sort }: UserFilter,
  count: number,
  after: UserPlace | null,
): Promise<readonly User[]> {
  let query = db.selectFrom("users").selectAll().limit(count);
  if (state !== undefined) query = query.where("state", "=", state);
  if (search !== undefined) query = query.where(matches(search.toLowerCase()));
  if (account !== undefined) {
    const ids = db.selectFrom("members").select("user").where("account", "=", account).where("removed_ms", "is", null);
    query = query.where("id", "in", ids);
  }
  if (sort === "created") {
    query = query.orderBy("created_ms").orderBy("id");
    if (after !== null) query = query.where(sql<boolean>`(created_ms, id) > (${after.value}, ${after.id})`);
  } else {
    query = query.orderBy("seen_ms", "desc").orderBy("id", "desc");
    if (after !== null) query = query.where(seenBefore(after));
  }
  return (await query.execute()).map(toUser);
}

function matches(text: string) {
  return sql<boolean>`(instr(lower(external_id), ${text}) > 0 OR instr(coalesce(email, ''), ${text}) > 0
    OR instr(lower(coalesce(name, '')), ${text}) > 0)`;
}

/** Users who were never seen come last, as SQLite sorts them. */
function seenBefore({ value, id }: UserPlace) {
  if (value === NEVER) return sql<boolean>`(seen_ms IS NULL AND id < ${id})`;
  return sql<boolean>`(seen_ms IS NULL OR (seen_ms, id) < (${value}, ${id}))`;
}
