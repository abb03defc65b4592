/**
 * Deleting users, for good: what goes with them. Main thread; within a transaction of the caller, who writes the deeds down and announces.
 * The row stays, and with it the external id: it is not given again.
 */
import type { Statement } from "better-sqlite3";
import { wallMs } from "#core/clock.ts";
import type { Deed } from "#control-plane/audit/audit-log.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import { listOf } from "#control-plane/store/json-columns.ts";
import type { User } from "./user.ts";

interface Removed {
  readonly deeds: readonly Deed[];
  /** Keys that were revoked. */
  readonly keys: readonly string[];
}

interface Creator {
  /** `users.external_id`. */
  readonly creator: string;
  readonly now: number;
}

/** Ids of keys the user made, and of those that these made, and so on. */
const MADE_BY = `WITH RECURSIVE made (id) AS (
    SELECT id FROM api_keys WHERE created_by = @creator
    UNION SELECT k.id FROM made JOIN api_keys k ON k.created_by = made.id
  ) SELECT id FROM made`;

const REVOKE_INVITATIONS = `UPDATE invitations SET revoked_ms = @now
  WHERE accepted_ms IS NULL AND revoked_ms IS NULL AND expires_ms > @now AND`;
const INVITATION = "RETURNING id, account, email, roles";

export class UserRemoval {
  readonly #delete: Statement<unknown[]>;
  readonly #leave: Statement<unknown[], { readonly account: string; readonly roles: string }>;
  readonly #revokeInvitations: Statement<Creator[], RevokedInvitation>;
  readonly #revokeOwnInvitations: Statement<unknown[], RevokedInvitation>;
  readonly #revokeKeys: Statement<Creator[], { readonly id: string; readonly account: string }>;

  constructor(db: Database) {
    const connection = connectionOf(db);
    this.#delete = connection.prepare("UPDATE users SET state = 'deleted', email = NULL WHERE id = ?");
    this.#leave = connection.prepare(
      "UPDATE members SET removed_ms = ? WHERE user = ? AND removed_ms IS NULL RETURNING account, roles",
    );
    this.#revokeInvitations = connection.prepare(
      `${REVOKE_INVITATIONS} (created_by = @creator OR created_by IN (${MADE_BY})) ${INVITATION}`,
    );
    this.#revokeOwnInvitations = connection.prepare(
      `${REVOKE_INVITATIONS} created_by = @externalUser AND account = @account ${INVITATION}`,
    );
    this.#revokeKeys = connection.prepare(
      `UPDATE api_keys SET revoked_at = @now WHERE revoked_at IS NULL AND id IN (${MADE_BY}) RETURNING id, account_id AS account`,
    );
  }

  /** The user is not deleted yet. `reason` is for the audit log alone. */
  removeWithin({ id, externalId, state, email }: User, reason: string | null): Removed {
    const now = wallMs();
    this.#delete.run(id);
    const after = { state: "deleted", email: null, ...(reason === null ? {} : { reason }) };
    const deed = { action: "user.deleted", target: id, account: null, before: { state, email }, after };
    const left = this.#leave.all(now, id).map(({ account, roles }) => removal(id, account, roles));
    const invitations = this.#revokeInvitations.all({ creator: externalId, now }).map(invitationRevoked);
    const keys = this.#revokeKeys.all({ creator: externalId, now });
    return { deeds: [deed, ...left, ...invitations, ...keys.map(revocation)], keys: keys.map((key) => key.id) };
  }

  /** Open invitations of a member to the account they leave: whoever is out lets nobody in. */
  revokeInvitationsWithin(account: string, externalUser: string): readonly Deed[] {
    return this.#revokeOwnInvitations.all({ account, externalUser, now: wallMs() }).map(invitationRevoked);
  }
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

function removal(user: string, account: string, roles: string): Deed {
  return { action: "member.removed", target: user, account, before: { user, roles: listOf(roles) }, after: null };
}

function revocation({ id, account }: { readonly id: string; readonly account: string }): Deed {
  return { action: "key.revoked", target: id, account, before: { revoked: false }, after: { revoked: true } };
}
