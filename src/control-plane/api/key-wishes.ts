/** From the body of a key request to a key: defaults, and nobody hands out more than they have. Main thread. */
import type { Static } from "typebox";
import { parseDuration } from "#core/units.ts";
import { wallMs } from "#core/clock.ts";
import type { Settings } from "#config/settings.ts";
import type { ApiKey, NewApiKey } from "#control-plane/accounts/api-keys.ts";
import type { Caller } from "./caller.ts";
import { limitsWithin, readOwnLimits } from "./own-limits.ts";
import { reject } from "./problems.ts";
import type { OwnKeyBody } from "./key-schemas.ts";

/** Who asks for a key through the self-service endpoints. */
export interface KeyOwner {
  readonly accountId: string;
  readonly roles: readonly string[];
  /** null: not narrowed. */
  readonly scopes: readonly string[] | null;
  /** The key the request was made with; null: a token. */
  readonly key: ApiKey | null;
}

/** A person (token) may revoke any key of the account; a key itself, and those that may no more than it does. */
export function mayRevoke(caller: Caller, key: ApiKey): boolean {
  if (caller.keyId === null || caller.keyId === key.id) return true;
  const { scopes } = caller;
  const withinScopes = scopes === null || (key.scopes !== null && key.scopes.every((scope) => scopes.includes(scope)));
  return withinScopes && key.roles.every((role) => caller.roles.includes(role));
}

type Body = Static<typeof OwnKeyBody>;

/** A key as an operator asks for it: any known role. */
export function operatorKey(body: Body, accountId: string, settings: Settings): NewApiKey {
  const roles = body.roles ?? [];
  const unknown = roles.find((role) => !Object.hasOwn(settings.roles, role));
  if (unknown !== undefined) {
    reject(
      "malformed_request",
      "key:role",
      `Role ${unknown} is not in the configuration; there are ${Object.keys(settings.roles).join(", ") || "none"}`,
    );
  }
  return { ...common(body, settings), accountId, roles, scopes: body.scopes ?? null };
}

/** A key as a customer asks for it: roles, scopes, life and limits at most the caller's own. */
export function ownKey(body: Body, owner: KeyOwner, settings: Settings): NewApiKey {
  const known = owner.roles.filter((role) => Object.hasOwn(settings.roles, role));
  const beyond = body.roles?.find((role) => !known.includes(role));
  if (beyond !== undefined) reject("permission_denied", "key:role", `Role ${beyond} is not yours to give`);
  const scopes = body.scopes ?? owner.scopes;
  const outside = owner.scopes === null ? undefined : scopes?.find((scope) => !owner.scopes?.includes(scope));
  if (outside !== undefined) reject("permission_denied", "key:scope", `Scope ${outside} is not yours to give`);
  const wanted = common(body, settings);
  const last = owner.key?.expiresAtMs ?? null;
  if (last !== null && wanted.expiresAtMs !== null && wanted.expiresAtMs > last) {
    reject("permission_denied", "key:expires", "A key cannot outlive the key that makes it");
  }
  return {
    ...wanted,
    accountId: owner.accountId,
    roles: body.roles ?? known,
    scopes,
    expiresAtMs: wanted.expiresAtMs ?? last,
    limits: limitsWithin(wanted.limits, owner.key?.limits ?? null),
  };
}

function common(body: Body, settings: Settings): Pick<NewApiKey, "name" | "env" | "expiresAtMs" | "limits"> {
  const lifetimeMs = body.expires === undefined ? null : parseDuration(body.expires);
  return {
    name: body.name ?? null,
    env: body.env ?? "live",
    expiresAtMs: lifetimeMs === null ? null : wallMs() + lifetimeMs,
    limits: readOwnLimits(body.limits, "key", settings),
  };
}
