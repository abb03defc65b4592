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

/** A page; `after` is the last one of the page before. */
export async function listUsers(
  db: Database,
  { search, state, account, sort }: UserFilter,
  count: number,
  after: User | null,
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
    if (after !== null) query = query.where(sql<boolean>`(created_ms, id) > (${after.createdAtMs}, ${after.id})`);
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
function seenBefore({ seenAtMs, id }: User) {
  if (seenAtMs === null) return sql<boolean>`(seen_ms IS NULL AND id < ${id})`;
  return sql<boolean>`(seen_ms IS NULL OR (seen_ms, id) < (${seenAtMs}, ${id}))`;
}
