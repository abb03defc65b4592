/**
 * The gateway's own endpoints on the traffic listener, below `server.prefix`. The data plane routes exactly these to the
 * control API after the same phases as any route; the control API serves exactly these (a test holds the two equal).
 */
import type { HttpMethod } from "./settings.ts";
import { ADMIN_ROUTES } from "./admin-routes.ts";

export interface BuiltinRoute {
  readonly name: string;
  readonly method: HttpMethod;
  /** Below the prefix. */
  readonly path: string;
  readonly auth: "required" | "none";
  /** What the caller must be permitted; one of the gateway's own permissions, which `*` does not grant. null: nothing. */
  readonly permission: string | null;
}

/** What apps need that report usage, theirs and that of any account. */
const USAGE_WRITE = "tollgate:usage:write";

/** What it takes to see, and to change, the members of the caller's own account. */
const MEMBERS_READ = "tollgate:members:read";
export const MEMBERS_WRITE = "tollgate:members:write";
/** What those need who share their account's things with others. */
const SHARE = "tollgate:resources:share";

export const BUILTIN_ROUTES: readonly BuiltinRoute[] = [
  open("health", "GET", "/health"),
  open("ready", "GET", "/ready"),
  open("jwks", "GET", "/.well-known/jwks.json"),
  open("openapi", "GET", "/openapi.json"),
  open("docs", "GET", "/docs"),
  own("auth.me", "GET", "/auth/me"),
  own("api-keys.list", "GET", "/api-keys"),
  own("api-keys.create", "POST", "/api-keys"),
  own("api-keys.show", "GET", "/api-keys/{id}"),
  own("api-keys.update", "PATCH", "/api-keys/{id}"),
  own("api-keys.rotate", "POST", "/api-keys/{id}/rotate"),
  own("api-keys.reveal", "POST", "/api-keys/{id}/reveal"),
  own("api-keys.revoke", "DELETE", "/api-keys/{id}"),
  permitted("keys.verify", "POST", "/keys/verify", "tollgate:keys:verify"),
  own("billing.status", "GET", "/billing/status"),
  own("billing.plans", "GET", "/billing/plans"),
  own("billing.usage", "GET", "/billing/usage"),
  own("billing.usage.timeseries", "GET", "/billing/usage/timeseries"),
  own("billing.usage.forecast", "GET", "/billing/usage/forecast"),
  own("billing.credits", "GET", "/billing/credits"),
  own("billing.spend-cap", "GET", "/billing/spend-cap"),
  own("billing.spend-cap.set", "PUT", "/billing/spend-cap"),
  permitted("usage.events", "POST", "/usage/events", USAGE_WRITE),
  permitted("usage.reserve", "POST", "/usage/reservations", USAGE_WRITE),
  permitted("usage.confirm", "POST", "/usage/reservations/{id}/confirm", USAGE_WRITE),
  permitted("usage.release", "POST", "/usage/reservations/{id}/release", USAGE_WRITE),
  own("sessions.list", "GET", "/sessions"),
  own("sessions.revoke-all", "DELETE", "/sessions"),
  own("sessions.revoke", "DELETE", "/sessions/{id}"),
  permitted("members.list", "GET", "/members", MEMBERS_READ),
  permitted("members.add", "POST", "/members", MEMBERS_WRITE),
  permitted("members.update", "PATCH", "/members/{user}", MEMBERS_WRITE),
  permitted("members.remove", "DELETE", "/members/{user}", MEMBERS_WRITE),
  permitted("invitations.list", "GET", "/invitations", MEMBERS_READ),
  permitted("invitations.create", "POST", "/invitations", MEMBERS_WRITE),
  permitted("invitations.revoke", "DELETE", "/invitations/{id}", MEMBERS_WRITE),
  own("invitations.accept", "POST", "/invitations/accept"),
  permitted("resources.grants.list", "GET", "/resources/{kind}/{id}/grants", SHARE),
  permitted("resources.grants.show", "GET", "/resources/{kind}/{id}/grants/{account}", SHARE),
  permitted("resources.grants.set", "PUT", "/resources/{kind}/{id}/grants/{account}", SHARE),
  permitted("resources.grants.remove", "DELETE", "/resources/{kind}/{id}/grants/{account}", SHARE),
];

function open(name: string, method: HttpMethod, path: string): BuiltinRoute {
  return { name: `tollgate.${name}`, method, path, auth: "none", permission: null };
}

/** For any caller, about their own account. */
function own(name: string, method: HttpMethod, path: string): BuiltinRoute {
  return { name: `tollgate.${name}`, method, path, auth: "required", permission: null };
}

function permitted(name: string, method: HttpMethod, path: string, permission: string): BuiltinRoute {
  return { name: `tollgate.${name}`, method, path, auth: "required", permission };
}

/** The admin API on the traffic listener, for callers with the permission of the operation. */
export const ADMIN_BUILTIN: readonly BuiltinRoute[] = ADMIN_ROUTES.flatMap(({ name, method, path, permission }) =>
  permission === null ? [] : [permitted(`admin.${name}`, method, path, permission)],
);

/** What is served below the prefix by these settings. */
export function builtinRoutesOf(server: { readonly adminOnListen: boolean }): readonly BuiltinRoute[] {
  return server.adminOnListen ? [...BUILTIN_ROUTES, ...ADMIN_BUILTIN] : BUILTIN_ROUTES;
}

/** The endpoint that tells callers what they may, by their roles and by their token. */
export const SHOWS_PERMISSIONS = "tollgate.auth.me";

/** Headers by which a worker tells the control API, and apps, who calls; clients cannot send them (identity phase). */
export const INTERNAL_HEADERS = {
  account: "x-tollgate-account",
  user: "x-tollgate-user",
  actor: "x-tollgate-actor",
  roles: "x-tollgate-roles",
  /** Only where they are shown (`SHOWS_PERMISSIONS`). */
  permissions: "x-tollgate-permissions",
  plan: "x-tollgate-plan",
  keyId: "x-tollgate-key-id",
  scope: "x-tollgate-scope",
  dataScope: "x-tollgate-data-scope",
  /** Until when the secret that was shown is good, milliseconds since 1970, where a rotation has replaced it; the control API's alone. */
  secretRetires: "x-tollgate-secret-retires",
} as const;
