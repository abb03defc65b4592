/** What workers are told of a user: state, cut-off, sessions that are refused, and memberships. Main thread. */
import type { MemberRecord, OwnLimits, UserRecord } from "#shared/principals.ts";
import type { Database } from "#control-plane/store/database.ts";
import { listOf } from "#control-plane/store/json-columns.ts";
import { forgottenMs } from "./sessions.ts";
import { toUser } from "./user.ts";

/** null: nobody has seen them. */
export async function userRecord(db: Database, externalId: string): Promise<UserRecord | null> {
  const row = await db.selectFrom("users").selectAll().where("external_id", "=", externalId).executeTakeFirst();
  if (row === undefined) return null;
  const { id, state, notBeforeMs } = toUser(row);
  const [deniedSessions, members] = [await deniedOf(db, id), await membersOf(db, id)];
  return { id, externalId, state, notBeforeMs, deniedSessions, members };
}

async function deniedOf(db: Database, user: string): Promise<readonly string[]> {
  const rows = await db
    .selectFrom("sessions")
    .select("id")
    .where("user", "=", user)
    .where("denied_ms", "is not", null)
    .where("expires_ms", ">=", forgottenMs())
    .execute();
  return rows.map(({ id }) => id);
}

async function membersOf(db: Database, user: string): Promise<UserRecord["members"]> {
  const rows = await db
    .selectFrom("members")
    .innerJoin("accounts", "accounts.id", "members.account")
    .select(["members.account", "members.roles", "members.limits", "members.removed_ms", "accounts.external_id"])
    .where("members.user", "=", user)
    .execute();
  return Object.fromEntries(
    rows.map(({ account, roles, limits, removed_ms, external_id }) => [
      account,
      removed_ms === null ? memberRecord(external_id, roles, limits) : null,
    ]),
  );
}

function memberRecord(externalAccount: string | null, roles: string, limits: string | null): MemberRecord {
  // Written by `Members` from an OwnLimits.
  return { externalAccount, roles: listOf(roles), limits: limits === null ? null : (JSON.parse(limits) as OwnLimits) };
}
