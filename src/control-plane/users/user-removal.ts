/** What goes with a user who is deleted. Main thread; within one transaction of the caller's, who announces. */
import { type RawBuilder, sql } from "kysely";
import { wallMs } from "#core/clock.ts";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";
import { listOf } from "#control-plane/store/json-columns.ts";
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
  await revokeInvitations(
    trx,
    audit,
    sql`created_by = ${user.externalId} OR created_by IN (${madeBy(user.externalId)})`,
  );
  return { user: { ...user, state: "deleted", email: null }, keys: await revokeKeys(trx, audit, user.externalId) };
}

async function leaveAll(trx: Database, audit: AuditLog, { id }: User): Promise<void> {
  const open = trx.selectFrom("members").select(["account", "roles"]).where("user", "=", id);
  const left = await open.where("removed_ms", "is", null).execute();
  await trx.updateTable("members").set({ removed_ms: wallMs() }).where("user", "=", id).execute();
  for (const { account, roles } of left) {
    const before = { user: id, roles: JSON.parse(roles) };
    await audit.write(trx, { action: "member.removed", target: id, account, before, after: null });
  }
}

/** Open invitations of a member to the account they leave: whoever is out lets nobody in. */
export async function revokeOwnInvitations(
  trx: Database,
  audit: AuditLog,
  { account, externalUser }: { readonly account: string; readonly externalUser: string },
): Promise<void> {
  await revokeInvitations(trx, audit, sql`created_by = ${externalUser} AND account = ${account}`);
}

async function revokeInvitations(trx: Database, audit: AuditLog, which: RawBuilder<unknown>): Promise<void> {
  const nowMs = wallMs();
  const { rows } = await sql<RevokedInvitation>`UPDATE invitations SET revoked_ms = ${nowMs}
    WHERE accepted_ms IS NULL AND revoked_ms IS NULL AND expires_ms > ${nowMs} AND (${which})
    RETURNING id, account, email, roles`.execute(trx);
  await audit.writeAll(trx, rows.map(invitationRevoked));
}

export interface RevokedInvitation {
  readonly id: string;
  readonly account: string;
  readonly email: string | null;
  /** JSON. */
  readonly roles: string;
}

/** As the audit log has it. */
export function invitationRevoked({ id, account, email, roles }: RevokedInvitation): Deed {
  const before = { email, roles: listOf(roles) };
  return { action: "invitation.revoked", target: id, account, before, after: null };
}

/** Ids of keys the user made, and of those that these made, and so on. */
function madeBy(creator: string) {
  return sql`WITH RECURSIVE made (id) AS (
      SELECT id FROM api_keys WHERE created_by = ${creator}
      UNION SELECT k.id FROM api_keys k JOIN made ON k.created_by = made.id
    ) SELECT id FROM made`;
}

async function revokeKeys(trx: Database, audit: AuditLog, creator: string): Promise<readonly string[]> {
  const { rows } = await sql<{ readonly id: string; readonly account: string }>`
    SELECT id, account_id AS account FROM api_keys
    WHERE revoked_at IS NULL AND id IN (${madeBy(creator)})`.execute(trx);
  const deed = { action: "key.revoked", before: { revoked: false }, after: { revoked: true } };
  for (const { id, account } of rows) {
    await trx.updateTable("api_keys").set({ revoked_at: wallMs() }).where("id", "=", id).execute();
    await audit.write(trx, { ...deed, target: id, account });
  }
  return rows.map(({ id }) => id);
}
