/**
 * API keys: made, changed, rotated, revoked. Main thread. A secret is returned once, by what makes it, and kept only as its HMAC,
 * unless the file wants keys that can be shown again (`key-reveal.ts`).
 * Each change is one transaction with its entry in the audit log, and announced to the workers before it is answered.
 */
import { rfc3339, wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { type KeyFormat, maskedKey, newKey } from "#core/key-format.ts";
import { keyHash } from "#core/key-hash.ts";
import { currentActor } from "#control-plane/audit/acting.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import {
  type ApiKey,
  changedKey,
  jsonOrNull,
  type KeyChange,
  keyFacts,
  type NewApiKey,
  narrowingColumns,
  type OldSecret,
  toApiKey,
} from "./api-key.ts";
import { ConflictError } from "./conflict.ts";
import type { KeepSecret } from "./key-reveal.ts";
import { type KeyFilter, keyPage, oldSecretsOf } from "./key-list.ts";

/** What a new key begins with. */
const NEW_KEY = {
  enabled: 1,
  used_ms: null,
  used_ip: null,
} as const;

/** Replaced secrets of one key that are kept; retired ones give way to new ones. */
const OLD_SECRETS_MAX = 10;

/** A key with a secret that nobody can read again. */
export interface KeyWithSecret {
  readonly key: ApiKey;
  readonly secret: string;
}

export interface Rotation {
  readonly format: KeyFormat;
  /** How long the secrets from before stay good at most. */
  readonly overlapMs: number;
}

/** Throws to refuse; asked within the transaction, so that nothing changes between question and deed. */
export type Permit = (key: ApiKey, after: ApiKey) => void;

export interface ApiKeysParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly pepper: Uint8Array;
  readonly announce: Announce;
  readonly keep: KeepSecret;
}

export class ApiKeys {
  readonly #db: Database;
  readonly #pepper: Uint8Array;
  readonly #announce: Announce;
  readonly #audit: AuditLog;
  readonly #keep: KeepSecret;

  constructor({ db, audit, pepper, announce, keep }: ApiKeysParts) {
    this.#db = db;
    this.#audit = audit;
    this.#pepper = pepper;
    this.#announce = announce;
    this.#keep = keep;
  }

  /** The account must exist. */
  async create(format: KeyFormat, wanted: NewApiKey): Promise<KeyWithSecret> {
    const secret = newKey(format, wanted.env);
    const row = {
      id: newId("key"),
      account_id: wanted.accountId,
      hash: keyHash(secret, this.#pepper),
      masked: maskedKey(secret),
      name: wanted.name,
      env: wanted.env,
      roles: JSON.stringify(wanted.roles),
      scopes: wanted.scopes === null ? null : JSON.stringify(wanted.scopes),
      created_at: wallMs(),
      expires_at: wanted.expiresAtMs,
      revoked_at: null,
      created_by: currentActor().id,
      limits: jsonOrNull(wanted.limits),
      ...narrowingColumns(wanted.narrowing),
      ...NEW_KEY,
    };
    const { id, masked } = row;
    const deed = { action: "key.created", target: id, account: wanted.accountId };
    const sealed = await this.#db.transaction().execute(async (trx) => {
      const kept = this.#keep(secret, id);
      await trx
        .insertInto("api_keys")
        .values({ ...row, sealed: kept })
        .execute();
      await this.#audit.write(trx, { ...deed, before: null, after: { masked, ...keyFacts(wanted) } });
      return kept;
    });
    return { key: toApiKey({ ...row, sealed }), secret };
  }

  /** The key with this secret, revoked ones and replaced secrets included. */
  bySecret(secret: string): Promise<ApiKey | null> {
    return this.byHash(keyHash(secret, this.#pepper));
  }

  async byHash(hash: string): Promise<ApiKey | null> {
    const row = await this.#db.selectFrom("api_keys").selectAll().where("hash", "=", hash).executeTakeFirst();
    return row === undefined ? this.#byOldHash(hash) : toApiKey(row);
  }

  async #byOldHash(hash: string): Promise<ApiKey | null> {
    const row = await this.#db
      .selectFrom("api_key_old_secrets as old")
      .innerJoin("api_keys", "api_keys.id", "old.key")
      .selectAll("api_keys")
      .select("old.retires_ms")
      .where("old.hash", "=", hash)
      .executeTakeFirst();
    return row === undefined ? null : toApiKey(row, row.retires_ms);
  }

  async byId(id: string): Promise<ApiKey | null> {
    return byId(this.#db, id);
  }

  /** A page in order of creation; `after` is the last one of the page before. */
  list(filter: KeyFilter, count: number, after: ApiKey | null): Promise<readonly ApiKey[]> {
    return keyPage(this.#db, filter, count, { after, nowMs: wallMs() });
  }

  /** Replaced secrets that are still good, by key. */
  oldSecrets(ids: readonly string[]): Promise<ReadonlyMap<string, readonly OldSecret[]>> {
    return oldSecretsOf(this.#db, ids, wallMs());
  }

  /** null when there is no such key. In force on the next request. Throws `ConflictError` when it is revoked. */
  async change(id: string, change: KeyChange, permit: Permit): Promise<ApiKey | null> {
    const changed = await this.#db.transaction().execute(async (trx) => {
      const key = await byId(trx, id);
      if (key === null) return null;
      const after = changedKey(key, change);
      permit(key, after);
      if (key.revoked) throw new ConflictError("A revoked key cannot be changed");
      await this.#store(trx, key, after);
      return after;
    });
    if (changed !== null) await this.#announce({ kind: "key", id });
    return changed;
  }

  async #store(trx: Database, key: ApiKey, after: ApiKey): Promise<void> {
    const differs = differences(key, after);
    if (differs === null) return;
    const { name, expiresAtMs, enabled, narrowing } = after;
    const flag: 0 | 1 = enabled ? 1 : 0;
    const columns = { name, expires_at: expiresAtMs, enabled: flag, limits: jsonOrNull(after.limits) };
    const update = trx.updateTable("api_keys").set({ ...columns, ...narrowingColumns(narrowing) });
    await update.where("id", "=", key.id).execute();
    const action = key.enabled === enabled ? "key.updated" : enabled ? "key.enabled" : "key.disabled";
    await this.#audit.write(trx, { action, target: key.id, account: key.accountId, ...differs });
  }

  /**
   * The same key with a new secret. The one it had stays good for `overlapMs`, and none from before for longer. null when there is no
   * such key. Throws `ConflictError` when it is revoked, or as many old secrets are good as are kept.
   */
  async rotate(id: string, { format, overlapMs }: Rotation, permit: Permit): Promise<KeyWithSecret | null> {
    const rotated = await this.#db.transaction().execute(async (trx) => {
      const key = await byId(trx, id);
      if (key === null) return null;
      permit(key, key);
      if (key.revoked) throw new ConflictError("A revoked key cannot be rotated");
      const secret = newKey(format, key.env);
      const retiresMs = wallMs() + overlapMs;
      await this.#retire(trx, key, retiresMs);
      const masked = maskedKey(secret);
      const hash = keyHash(secret, this.#pepper);
      const sealed = this.#keep(secret, id);
      await trx.updateTable("api_keys").set({ hash, masked, sealed }).where("id", "=", id).execute();
      const after = { masked, oldRetiresAt: rfc3339(retiresMs) };
      const deed = { action: "key.rotated", target: id, account: key.accountId };
      await this.#audit.write(trx, { ...deed, before: { masked: key.masked }, after });
      return { key: { ...key, masked, retrievable: sealed !== null }, secret };
    });
    if (rotated !== null) await this.#announce({ kind: "key", id });
    return rotated;
  }

  /** Keeps the key's secret among its old ones, of which none is good for longer now. */
  async #retire(trx: Database, { id, masked }: ApiKey, retiresMs: number): Promise<void> {
    const update = trx.updateTable("api_key_old_secrets").set({ retires_ms: retiresMs });
    await update.where("key", "=", id).where("retires_ms", ">", retiresMs).execute();
    const old = trx.selectFrom("api_key_old_secrets").select(["hash", "retires_ms"]).where("key", "=", id);
    const [oldest, ...others] = await old.orderBy("retires_ms").execute();
    if (oldest !== undefined && others.length + 1 >= OLD_SECRETS_MAX) {
      if (oldest.retires_ms > wallMs())
        throw new ConflictError(
          `${OLD_SECRETS_MAX} old secrets of this key are still good: rotate with a shorter overlap`,
        );
      await trx.deleteFrom("api_key_old_secrets").where("hash", "=", oldest.hash).execute();
    }
    const { hash } = await trx.selectFrom("api_keys").select("hash").where("id", "=", id).executeTakeFirstOrThrow();
    await trx.insertInto("api_key_old_secrets").values({ hash, key: id, masked, retires_ms: retiresMs }).execute();
  }

  /** null when there is no such key (of this account, where one is named). In force on the next request; revoking twice keeps the first time. */
  async revoke(id: string, accountId: string | null): Promise<ApiKey | null> {
    const key = await this.byId(id);
    if (key === null || (accountId !== null && key.accountId !== accountId)) return null;
    await this.#db.transaction().execute(async (trx) => {
      const revoke = trx.updateTable("api_keys").set({ revoked_at: wallMs() });
      const changed = await revoke.where("id", "=", id).where("revoked_at", "is", null).executeTakeFirst();
      const deed = { action: "key.revoked", target: id, account: key.accountId };
      if (changed.numUpdatedRows === 1n)
        await this.#audit.write(trx, { ...deed, before: { revoked: false }, after: { revoked: true } });
    });
    await this.#announce({ kind: "key", id });
    return this.byId(id);
  }
}

async function byId(db: Database, id: string): Promise<ApiKey | null> {
  const row = await db.selectFrom("api_keys").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toApiKey(row);
}

/** The members that are others now, as the audit log shows them; null: none is. */
function differences(key: ApiKey, after: ApiKey) {
  const facts = (of: ApiKey) => Object.entries({ enabled: of.enabled, ...keyFacts(of) });
  const changed = new Set(
    facts(key).flatMap(([name, value], index) =>
      JSON.stringify(value) === JSON.stringify(facts(after)[index]?.[1]) ? [] : [name],
    ),
  );
  if (changed.size === 0) return null;
  const only = (of: ApiKey) => Object.fromEntries(facts(of).filter(([name]) => changed.has(name)));
  return { before: only(key), after: only(after) };
}
