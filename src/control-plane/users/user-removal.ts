/** What goes with a user who is deleted. Main thread; within one transaction of the caller's, who announces. */
import { sql } from "kysely";
import { wallMs } from "#core/clock.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";
import { toUser, type User } from "./user.ts";

export interface RemovedUser {
  readonly user: User;
  /** Keys that were revoked. */
  readonly keys: readonly string[];
}

/** null: there is no such user. */
export async function removeUser(trx: Database, audit: AuditLog, id: string): Promise<RemovedUser | null> {
  const row = await trx.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  if (row === undefined) return null;
  const user = toUser(row);
  if (user.state === "deleted") return { user, keys: [] };
  await trx.updateTable("users").set({ state: "deleted", email: null }).where("id", "=", id).execute();
  const before = { state: user.state, email: user.email };
  const deed = { action: "user.deleted", target: id, account: null, before };
  await audit.write(trx, { ...deed, after: { state: "deleted", email: null } });
  await leaveAll(trx, audit, user);
  return { user: { ...user, state: "deleted", email: null }, keys: await revokeKeys(trx, audit, user.externalId) };
}

async function leaveAll(trx: Database, audit: AuditLog, { id, externalId }: User): Promise<void> {
  const open = trx.selectFrom("members").select(["account", "roles"]).where("user", "=", id);
  const left = await open.where("removed_ms", "is", null).execute();
  await trx.updateTable("members").set({ removed_ms: wallMs() }).where("user", "=", id).execute();
  for (const { account, roles } of left) {
    const before = { user: id, roles: JSON.parse(roles) };
    await audit.write(trx, { action: "member.removed", target: id, account, before, after: null });
  }
  await revokeInvitations(trx, externalId, null);
}

/** Open invitations that somebody made, to one account or (null) to all: whoever is out lets nobody in. */
export async function revokeInvitations(trx: Database, createdBy: string, account: string | null): Promise<void> {
  const revoke = trx.updateTable("invitations").set({ revoked_ms: wallMs() }).where("created_by", "=", createdBy);
  const open = revoke.where("accepted_ms", "is", null).where("revoked_ms", "is", null);
  await (account === null ? open : open.where("account", "=", account)).execute();
}

/** Keys the user made, and those that these made, and so on. */
async function revokeKeys(trx: Database, audit: AuditLog, creator: string): Promise<readonly string[]> {
  const { rows } = await sql<{ readonly id: string; readonly account: string }>`
    WITH RECURSIVE made (id, account, revoked) AS (
      SELECT id, account_id, revoked_at FROM api_keys WHERE created_by = ${creator}
      UNION SELECT k.id, k.account_id, k.revoked_at FROM api_keys k JOIN made ON k.created_by = made.id
    ) SELECT id, account FROM made WHERE revoked IS NULL`.execute(trx);
  const deed = { action: "key.revoked", before: { revoked: false }, after: { revoked: true } };
  for (const { id, account } of rows) {
    await trx.updateTable("api_keys").set({ revoked_at: wallMs() }).where("id", "=", id).execute();
    await audit.write(trx, { ...deed, target: id, account });
  }
  return rows.map(({ id }) => id);
}
