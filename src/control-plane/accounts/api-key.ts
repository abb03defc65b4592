/** An API key as the store has it, and what it is made of and changed by. Main thread, pure. */
import type { Selectable } from "kysely";
import { rfc3339 } from "#core/clock.ts";
import type { KeyEnvironment } from "#core/key-format.ts";
import type { KeyNarrowing, KeyRecord, OwnLimits } from "#shared/principals.ts";
import type { ApiKeysTable } from "#control-plane/store/identity-tables.ts";

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
  /** Its secret is kept, sealed, and can be shown again. */
  readonly retrievable: boolean;
}

export interface NewApiKey {
  readonly accountId: string;
  readonly name: string | null;
  readonly env: KeyEnvironment;
  readonly roles: readonly string[];
  readonly scopes: readonly string[] | null;
  readonly expiresAtMs: number | null;
  readonly narrowing: KeyNarrowing;
  readonly limits: OwnLimits | null;
}

/** What is left out stays as it is; null lifts. */
export interface KeyChange extends Partial<KeyNarrowing> {
  readonly name?: string | null;
  readonly enabled?: boolean;
  readonly expiresAtMs?: number | null;
  readonly limits?: OwnLimits | null;
}

/** A secret that a rotation replaced. */
export interface OldSecret {
  readonly masked: string;
  readonly retiresAtMs: number;
}

/** The key with another name, life and so on. */
export function changedKey(key: ApiKey, change: KeyChange): ApiKey {
  const { routes, methods, addresses } = key.narrowing;
  return {
    ...key,
    name: change.name === undefined ? key.name : change.name,
    enabled: change.enabled ?? key.enabled,
    expiresAtMs: change.expiresAtMs === undefined ? key.expiresAtMs : change.expiresAtMs,
    limits: change.limits === undefined ? key.limits : change.limits,
    narrowing: {
      routes: change.routes === undefined ? routes : change.routes,
      methods: change.methods === undefined ? methods : change.methods,
      addresses: change.addresses === undefined ? addresses : change.addresses,
    },
  };
}

/** What the audit log tells of a key. */
export function keyFacts(key: Omit<NewApiKey, "accountId">): Readonly<Record<string, unknown>> {
  const { name, env, roles, scopes, expiresAtMs, narrowing, limits } = key;
  const expiresAt = expiresAtMs === null ? null : rfc3339(expiresAtMs);
  return { name, env, roles, scopes, expiresAt, ...narrowing, limits };
}

/** As `toApiKey` reads them. */
export function narrowingColumns({ routes, methods, addresses }: KeyNarrowing) {
  return { routes: jsonOrNull(routes), methods: jsonOrNull(methods), addresses: jsonOrNull(addresses) };
}

export function jsonOrNull(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

/** `retiresAtMs`: the row was found by a secret that is replaced. */
export function toApiKey(row: Selectable<ApiKeysTable>, retiresAtMs: number | null = null): ApiKey {
  return {
    id: row.id,
    accountId: row.account_id,
    roles: listOf(row.roles),
    scopes: listOrNull(row.scopes),
    expiresAtMs: row.expires_at,
    revoked: row.revoked_at !== null,
    enabled: row.enabled === 1,
    retiresAtMs,
    narrowing: {
      routes: listOrNull(row.routes),
      methods: listOrNull(row.methods),
      addresses: listOrNull(row.addresses),
    },
    // Written from an OwnLimits.
    limits: row.limits === null ? null : (JSON.parse(row.limits) as OwnLimits),
    masked: row.masked,
    name: row.name,
    env: row.env,
    createdAtMs: row.created_at,
    revokedAtMs: row.revoked_at,
    createdBy: row.created_by,
    usedAtMs: row.used_ms,
    usedFrom: row.used_ip,
    retrievable: row.sealed !== null,
  };
}

function listOrNull(json: string | null): readonly string[] | null {
  return json === null ? null : listOf(json);
}

function listOf(json: string): readonly string[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
