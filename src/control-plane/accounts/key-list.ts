/** Lists of API keys, and the secrets of theirs that are replaced. Main thread; reads only. */
import { type SelectQueryBuilder, sql } from "kysely";
import type { Database } from "#control-plane/store/database.ts";
import type { Tables } from "#control-plane/store/tables.ts";
import { type ApiKey, type OldSecret, toApiKey } from "./api-key.ts";

export const KEY_STATES = ["active", "disabled", "expired", "revoked"] as const;
export type KeyState = (typeof KEY_STATES)[number];

/** What is left out does not matter. */
export interface KeyFilter {
  readonly accountId?: string | undefined;
  readonly state?: KeyState | undefined;
  /** Part of the name, in any case of its ASCII letters, or the beginning of what lists show of the secret, or the id. */
  readonly search?: string | undefined;
}

/** The weightiest of what is true of a key: revoked, then expired, then switched off. */
export function keyState({ revoked, expiresAtMs, enabled }: ApiKey, nowMs: number): KeyState {
  if (revoked) return "revoked";
  if (expiresAtMs !== null && expiresAtMs <= nowMs) return "expired";
  return enabled ? "active" : "disabled";
}

type KeyQuery<O> = SelectQueryBuilder<Tables, "api_keys", O>;

/** Those the filter lets through; states as they are at `nowMs`. */
function filtered<O>(query: KeyQuery<O>, filter: KeyFilter, nowMs: number): KeyQuery<O> {
  const { accountId, state, search } = filter;
  let wanted = accountId === undefined ? query : query.where("account_id", "=", accountId);
  if (state !== undefined) wanted = inState(wanted, state, nowMs);
  if (search !== undefined) wanted = wanted.where(found(search));
  return wanted;
}

function inState<O>(query: KeyQuery<O>, state: KeyState, nowMs: number): KeyQuery<O> {
  if (state === "revoked") return query.where("revoked_at", "is not", null);
  const held = query.where("revoked_at", "is", null);
  if (state === "expired") return held.where("expires_at", "<=", nowMs);
  return held
    .where((where) => where.or([where("expires_at", "is", null), where("expires_at", ">", nowMs)]))
    .where("enabled", "=", state === "active" ? 1 : 0);
}

/** `instr` knows no wildcards, so that nothing in the text has a meaning of its own. */
function found(search: string) {
  return sql<boolean>`(instr(lower(coalesce(name, '')), lower(${search})) > 0 OR instr(masked, ${search}) = 1 OR id = ${search})`;
}

/** Those replaced secrets that are still good, by key, the first to retire first. */
export async function oldSecretsOf(
  db: Database,
  ids: readonly string[],
  nowMs: number,
): Promise<ReadonlyMap<string, readonly OldSecret[]>> {
  const query = db.selectFrom("api_key_old_secrets").select(["key", "masked", "retires_ms"]);
  const good = query.where("key", "in", ids).where("retires_ms", ">", nowMs);
  const secrets = new Map<string, OldSecret[]>();
  if (ids.length === 0) return secrets;
  for (const { key, masked, retires_ms } of await good.orderBy("retires_ms").execute()) {
    const known = secrets.get(key) ?? [];
    secrets.set(key, [...known, { masked, retiresAtMs: retires_ms }]);
  }
  return secrets;
}

/** A page in order of creation; `after` is the last one of the page before. */
export async function keyPage(
  db: Database,
  filter: KeyFilter,
  count: number,
  { after, nowMs }: { readonly after: ApiKey | null; readonly nowMs: number },
): Promise<readonly ApiKey[]> {
  const all = db.selectFrom("api_keys").selectAll();
  let query = filtered(all, filter, nowMs).orderBy("created_at").orderBy("id").limit(count);
  if (after !== null) {
    // One comparison of pairs: SQLite then begins there in the index, where with OR it reads all that comes before.
    query = query.where(({ eb, refTuple, tuple }) =>
      eb(refTuple("created_at", "id"), ">", tuple(after.createdAtMs, after.id)),
    );
  }
  return (await query.execute()).map((row) => toApiKey(row));
}
