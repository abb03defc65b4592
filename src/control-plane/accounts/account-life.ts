/**
 * Deleting accounts, and taking that back. Main thread. Soft: the row stays for the ledger's sake, and with it the external id, so that
 * a token of it is refused instead of making a new account. The e-mail is free again; keys and invitations are revoked for good.
 */
import type { Statement } from "better-sqlite3";
import { wallMs } from "#core/clock.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import { invitationRevoked, type RevokedInvitation } from "#control-plane/users/user-removal.ts";
import { type Account, type AccountRow, toAccount } from "./account.ts";

/** What a deletion leaves to be told to the audit log, and to the workers. */
interface Deleted {
  readonly deeds: readonly Deed[];
  readonly keys: readonly string[];
}

export class AccountLife {
  readonly #db: Database;
  readonly #audit: AuditLog;
  readonly #announce: Announce;
  readonly #delete: Statement<unknown[]>;
  readonly #revokeKeys: Statement<unknown[], { id: string }>;
  readonly #revokeInvitations: Statement<unknown[], RevokedInvitation>;

  constructor(db: Database, audit: AuditLog, announce: Announce) {
    this.#db = db;
    this.#audit = audit;
    this.#announce = announce;
    const connection = connectionOf(db);
    this.#delete = connection.prepare("UPDATE accounts SET deleted_ms = ?, email = NULL WHERE id = ?");
    this.#revokeKeys = connection.prepare(
      "UPDATE api_keys SET revoked_at = ? WHERE account_id = ? AND revoked_at IS NULL RETURNING id",
    );
    this.#revokeInvitations = connection.prepare(
      `UPDATE invitations SET revoked_ms = @now WHERE account = @id AND accepted_ms IS NULL AND revoked_ms IS NULL AND expires_ms > @now
        RETURNING id, account, email, roles`,
    );
  }

  /** null when there is no such account; twice is once. In force on the next request. */
  async delete(id: string, reason: string | null): Promise<Account | null> {
    const keys: string[] = [];
    await this.#db.transaction().execute(async (trx) => {
      const account = await this.#find(trx, id);
      if (account === null || account.state === "deleted") return;
      const deleted = this.deleteWithin(account, reason);
      keys.push(...deleted.keys);
      await this.#audit.writeAll(trx, deleted.deeds);
    });
    await this.#announce({ kind: "batch", accounts: [id], keys });
    return this.#find(this.#db, id);
  }

  /** Within a transaction of the caller, who writes the deeds down and announces. The account is not deleted yet. */
  deleteWithin({ id, state, email }: Account, reason: string | null): Deleted {
    const now = wallMs();
    this.#delete.run(now, id);
    const keys = this.#revokeKeys.all(now, id).map((row) => row.id);
    const invitations = this.#revokeInvitations.all({ now, id }).map(invitationRevoked);
    const after = { state: "deleted", ...(reason === null ? {} : { reason }) };
    const before = { state, ...(email === null ? {} : { email }) };
    const deed = { action: "account.deleted", target: id, account: id, before, after };
    return { deeds: [deed, ...keys.map((key) => revocation(key, id)), ...invitations], keys };
  }

  /** As it was, suspended say; without its e-mail, keys and invitations. null when there is no such account; one not deleted stays as it is. */
  async restore(id: string): Promise<Account | null> {
    const keys: string[] = [];
    await this.#db.transaction().execute(async (trx) => {
      const account = await this.#find(trx, id);
      if (account?.state !== "deleted") return;
      // One that was being made when the account was deleted.
      keys.push(...this.#revokeKeys.all(wallMs(), id).map((row) => row.id));
      await trx.updateTable("accounts").set({ deleted_ms: null }).where("id", "=", id).execute();
      const state = (await this.#find(trx, id))?.state;
      const deed = { action: "account.restored", target: id, account: id };
      const restored = { ...deed, before: { state: "deleted" }, after: { state } };
      await this.#audit.writeAll(trx, [restored, ...keys.map((key) => revocation(key, id))]);
    });
    await this.#announce({ kind: "batch", accounts: [id], keys });
    return this.#find(this.#db, id);
  }

  async #find(db: Database, id: string): Promise<Account | null> {
    const row: AccountRow | undefined = await db
      .selectFrom("accounts")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirst();
    return row === undefined ? null : toAccount(row);
  }
}

function revocation(key: string, account: string): Deed {
  return { action: "key.revoked", target: key, account, before: { revoked: false }, after: { revoked: true } };
}
