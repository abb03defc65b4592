/**
 * Invitations to an account: whoever has the token may become a member, once. Main thread. The token is shown at creation and kept
 * only as its HMAC; it is for one use and runs out.
 */
import type { Selectable } from "kysely";
import { rfc3339, wallMs } from "#core/clock.ts";
import { newId, randomBase62 } from "#core/ids.ts";
import { keyHash } from "#core/key-hash.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { InvitationsTable } from "#control-plane/store/identity-tables.ts";
import { listOf } from "#control-plane/store/json-columns.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Member, Members } from "./members.ts";
import type { User } from "./user.ts";
import { invitationRevoked } from "./user-removal.ts";

/** 190 bits. */
const TOKEN_LENGTH = 32;
/** Open ones of an account: they are listed as a whole. */
const OPEN_MAX = 1000;

export interface Invitation {
  readonly id: string;
  readonly account: string;
  /** In lower case; only who has it may accept. null: whoever has the token. */
  readonly email: string | null;
  readonly roles: readonly string[];
  /** `users.external_id` or a key's id; null: an operator. */
  readonly createdBy: string | null;
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export type NewInvitation = Omit<Invitation, "id" | "createdAtMs">;

/** Why a token lets this user in nowhere: there is no open invitation of it, or it is for another e-mail. */
export type Unaccepted = "unknown" | "email";

export interface InvitationsParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
  readonly members: Members;
  readonly pepper: Uint8Array;
}

export class Invitations {
  readonly #parts: InvitationsParts;

  constructor(parts: InvitationsParts) {
    this.#parts = parts;
  }

  /** The token is nowhere else. Throws `ConflictError` when the account has as many open ones as it may have. */
  async create(wanted: NewInvitation): Promise<{ readonly invitation: Invitation; readonly token: string }> {
    const { db, audit, pepper } = this.#parts;
    const token = `invite_${randomBase62(TOKEN_LENGTH)}`;
    const { account, email, roles, createdBy, expiresAtMs } = wanted;
    const row = { id: newId("inv"), account, email, roles: JSON.stringify(roles), hash: keyHash(token, pepper) };
    const times = { created_ms: wallMs(), created_by: createdBy, expires_ms: expiresAtMs };
    await db.transaction().execute(async (trx) => {
      const ids = open(trx).clearSelect().select("id").where("account", "=", account).limit(OPEN_MAX);
      if ((await ids.execute()).length === OPEN_MAX)
        throw new ConflictError(`The account has ${OPEN_MAX} open invitations: take some back first`);
      await trx
        .insertInto("invitations")
        .values({ ...row, ...times })
        .execute();
      const deed = { action: "invitation.created", target: row.id, account, before: null };
      await audit.write(trx, { ...deed, after: { email, roles, expiresAt: rfc3339(expiresAtMs) } });
    });
    return { invitation: { ...wanted, id: row.id, createdAtMs: times.created_ms }, token };
  }

  /** The open ones, the first first. */
  async open(account: string): Promise<readonly Invitation[]> {
    const rows = await open(this.#parts.db)
      .where("account", "=", account)
      .orderBy("created_ms")
      .orderBy("id")
      .execute();
    return rows.map(toInvitation);
  }

  /** false: the account has no such open invitation. */
  async revoke(account: string, id: string): Promise<boolean> {
    const { db, audit } = this.#parts;
    return db.transaction().execute(async (trx) => {
      const row = await open(trx).where("account", "=", account).where("id", "=", id).executeTakeFirst();
      if (row === undefined) return false;
      await trx.updateTable("invitations").set({ revoked_ms: wallMs() }).where("id", "=", id).execute();
      await audit.write(trx, invitationRevoked(row));
      return true;
    });
  }

  /** Makes the user a member. Two at once: one gets it. Throws `ConflictError`, and keeps the invitation, when they are one already. */
  async accept(token: string, user: User): Promise<Member | Unaccepted> {
    const { db, announce } = this.#parts;
    const outcome = await db.transaction().execute((trx) => this.#accept(trx, token, user));
    if (typeof outcome !== "string") await announce({ kind: "user", id: user.id, externalId: user.externalId });
    return outcome;
  }

  async #accept(trx: Database, token: string, user: User): Promise<Member | Unaccepted> {
    const { audit, members, pepper } = this.#parts;
    const row = await open(trx).where("hash", "=", keyHash(token, pepper)).executeTakeFirst();
    if (row === undefined || !(await isLive(trx, row.account))) return "unknown";
    if (row.email !== null && row.email !== user.email) return "email";
    const accepted = { accepted_ms: wallMs(), accepted_by: user.id };
    await trx.updateTable("invitations").set(accepted).where("id", "=", row.id).execute();
    const deed = { action: "invitation.accepted", target: row.id, account: row.account, before: null };
    await audit.write(trx, { ...deed, after: { user: user.id } });
    return members.addIn(trx, row.account, user.id, { roles: listOf(row.roles), limits: null, isJoining: true });
  }
}

/** Neither used, revoked nor over. */
function open(db: Database) {
  return db
    .selectFrom("invitations")
    .selectAll()
    .where("accepted_ms", "is", null)
    .where("revoked_ms", "is", null)
    .where("expires_ms", ">", wallMs());
}

async function isLive(db: Database, account: string): Promise<boolean> {
  const found = db.selectFrom("accounts").select("id").where("id", "=", account).where("deleted_ms", "is", null);
  return (await found.executeTakeFirst()) !== undefined;
}

function toInvitation(row: Selectable<InvitationsTable>): Invitation {
  return {
    id: row.id,
    account: row.account,
    email: row.email,
    roles: listOf(row.roles),
    createdBy: row.created_by,
    createdAtMs: row.created_ms,
    expiresAtMs: row.expires_ms,
  };
}
