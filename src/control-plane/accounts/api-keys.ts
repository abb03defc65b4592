/** API keys: made, listed, revoked. Main thread. The secret is returned once by `create` and kept only as its HMAC. */
import { rfc3339, wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { type KeyEnvironment, maskedKey, newKey } from "#core/key-format.ts";
import { keyHash } from "#core/key-hash.ts";
import type { KeyRecord, OwnLimits } from "#shared/principals.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Tables } from "#control-plane/store/tables.ts";
import type { Selectable } from "kysely";

export interface ApiKey extends KeyRecord {
  readonly masked: string;
  readonly name: string | null;
  readonly env: KeyEnvironment;
  readonly createdAtMs: number;
  readonly revokedAtMs: number | null;
  /** `users.external_id` or the id of a key; null: an operator. */
  readonly createdBy: string | null;
  /** When and from where it was last used, within seconds; null: it was not. */
  readonly usedAtMs: number | null;
  readonly usedFrom: string | null;
}

export interface NewApiKey {
  readonly accountId: string;
  readonly name: string | null;
  readonly env: KeyEnvironment;
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | null;
  readonly expiresAtMs: number | null;
  readonly limits: OwnLimits | null;
}

/** What a new key begins with. */
const NEW_KEY = {
  enabled: 1,
  routes: null,
  methods: null,
  addresses: null,
  created_by: null,
  used_ms: null,
  used_ip: null,
  sealed: null,
} as const;

export class ApiKeys {
  readonly #db: Database;
  readonly #pepper: Uint8Array;
  readonly #announce: Announce;
  readonly #audit: AuditLog;

  constructor(db: Database, audit: AuditLog, pepper: Uint8Array, announce: Announce) {
    this.#db = db;
    this.#audit = audit;
    this.#pepper = pepper;
    this.#announce = announce;
  }

  /** The key and its secret, which nobody can read again. The account must exist. */
  async create(brand: string, wanted: NewApiKey): Promise<{ readonly key: ApiKey; readonly secret: string }> {
    const secret = newKey(brand, wanted.env);
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
      limits: wanted.limits === null ? null : JSON.stringify(wanted.limits),
      ...NEW_KEY,
    };
    const { id, masked } = row;
    const { accountId: account, name, env, roles, scopes, expiresAtMs, limits } = wanted;
    const expiresAt = expiresAtMs === null ? null : rfc3339(expiresAtMs);
    const after = { masked, name, env, roles, scopes, expiresAt, limits };
    await this.#db.transaction().execute(async (trx) => {
      await trx.insertInto("api_keys").values(row).execute();
      await this.#audit.write(trx, { action: "key.created", target: id, account, before: null, after });
    });
    return { key: toApiKey(row), secret };
  }

  /** The key with this secret, revoked ones included. */
  bySecret(secret: string): Promise<ApiKey | null> {
    return this.byHash(keyHash(secret, this.#pepper));
  }

  async byHash(hash: string): Promise<ApiKey | null> {
    const row = await this.#db.selectFrom("api_keys").selectAll().where("hash", "=", hash).executeTakeFirst();
    return row === undefined ? null : toApiKey(row);
  }

  async byId(id: string): Promise<ApiKey | null> {
    const row = await this.#db.selectFrom("api_keys").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? null : toApiKey(row);
  }

  /** A page in order of creation, of one account or (null) of all; `after` is the id of the last one of the page before. */
  async list(accountId: string | null, count: number, after: string | null): Promise<readonly ApiKey[]> {
    const cursor = after === null ? null : await this.byId(after);
    let query = this.#db.selectFrom("api_keys").selectAll().orderBy("created_at").orderBy("id").limit(count);
    if (accountId !== null) query = query.where("account_id", "=", accountId);
    if (cursor !== null) {
      // One comparison of pairs: SQLite then begins there in the index, where with OR it reads all that comes before.
      query = query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("created_at", "id"), ">", tuple(cursor.createdAtMs, cursor.id)),
      );
    }
    return (await query.execute()).map(toApiKey);
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

function toApiKey(row: Selectable<Tables["api_keys"]>): ApiKey {
  return {
    id: row.id,
    accountId: row.account_id,
    roles: listOf(row.roles),
    scopes: listOrNull(row.scopes),
    expiresAtMs: row.expires_at,
    revoked: row.revoked_at !== null,
    enabled: row.enabled === 1,
    retiresAtMs: null,
    narrowing: {
      routes: listOrNull(row.routes),
      methods: listOrNull(row.methods),
      addresses: listOrNull(row.addresses),
    },
    // Written by this class from an OwnLimits.
    limits: row.limits === null ? null : (JSON.parse(row.limits) as OwnLimits),
    masked: row.masked,
    name: row.name,
    env: row.env,
    createdAtMs: row.created_at,
    revokedAtMs: row.revoked_at,
    createdBy: row.created_by,
    usedAtMs: row.used_ms,
    usedFrom: row.used_ip,
  };
}

function listOrNull(json: string | null): readonly string[] | null {
  return json === null ? null : listOf(json);
}

function listOf(json: string): readonly string[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
