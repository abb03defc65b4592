/** A user as the store has them. Main thread, pure. */
import type { Selectable } from "kysely";
import type { UserRecord } from "#shared/principals.ts";
import type { UsersTable } from "#control-plane/store/identity-tables.ts";

export interface User extends Omit<UserRecord, "deniedSessions" | "members"> {
  /** In lower case. */
  readonly email: string | null;
  readonly name: string | null;
  readonly createdAtMs: number;
  readonly seenAtMs: number | null;
}

/** Ids as ours are: a user known by one from outside could pass for another. Those of Clerk begin alike and are longer. */
export function isReservedUser(externalId: string): boolean {
  return /^user_[0-9A-Za-z]{22}$/.test(externalId);
}

export function toUser(row: Selectable<UsersTable>): User {
  return {
    id: row.id,
    externalId: row.external_id,
    email: row.email,
    name: row.name,
    state: row.state,
    notBeforeMs: row.not_before_ms,
    createdAtMs: row.created_ms,
    seenAtMs: row.seen_ms,
  };
}
