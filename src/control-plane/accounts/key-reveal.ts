/**
 * Secrets of keys that can be shown again (`identity.keys.storage: retrievable`): sealed when they are made, opened when somebody who may
 * asks, which the audit log tells. Main thread. Keys made while secrets were not kept stay unreadable.
 */
import type { Settings } from "#config/settings.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { keySecretPlace } from "#control-plane/secrets/sealed-columns.ts";
import type { Secrets } from "#control-plane/secrets/secrets.ts";
import type { Database } from "#control-plane/store/database.ts";
import { type ApiKey, toApiKey } from "./api-key.ts";
import { ConflictError } from "./conflict.ts";

/** What is kept of a new secret of the key with this id, within the transaction that stores it; null: nothing. */
export type KeepSecret = (secret: string, id: string) => string | null;

export function keepSecrets(settings: () => Settings, secrets: Secrets): KeepSecret {
  return (secret, id) =>
    settings().identity.keys.storage === "retrievable" ? secrets.seal(secret, keySecretPlace(id)) : null;
}

export class KeyReveal {
  readonly #db: Database;
  readonly #audit: AuditLog;
  readonly #secrets: Secrets;

  constructor(db: Database, audit: AuditLog, secrets: Secrets) {
    this.#db = db;
    this.#audit = audit;
    this.#secrets = secrets;
  }

  /**
   * The key's secret; null when there is no such key, undefined when the secret cannot be opened. `permit` throws to refuse. Throws
   * `ConflictError` when the secret is not kept or the key is revoked.
   */
  async reveal(id: string, permit: (key: ApiKey) => void): Promise<string | null | undefined> {
    return this.#db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom("api_keys").selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) return null;
      permit(toApiKey(row));
      if (row.revoked_at !== null) throw new ConflictError("A revoked key is not shown any more");
      if (row.sealed === null) throw new ConflictError("The secret of this key is not kept: rotate the key to get one");
      const secret = this.#secrets.open(row.sealed, keySecretPlace(id));
      if (secret === null) return undefined;
      const deed = { action: "key.revealed", target: id, account: row.account_id };
      await this.#audit.write(trx, { ...deed, before: null, after: { masked: row.masked } });
      return secret;
    });
  }
}
