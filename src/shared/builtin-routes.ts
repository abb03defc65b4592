/**
 * The gateway's own endpoints on the traffic listener, below `server.prefix`. The data plane routes exactly these to the
 * control API after the same phases as any route; the control API serves exactly these (a test holds the two equal).
 */
import type { HttpMethod } from "#config/settings.ts";

export interface BuiltinRoute {
  readonly name: string;
  readonly method: HttpMethod;
  /** Below the prefix. */
  readonly path: string;
  readonly auth: "required" | "none";
}

export const BUILTIN_ROUTES: readonly BuiltinRoute[] = [
  { name: "tollgate.health", method: "GET", path: "/health", auth: "none" },
  { name: "tollgate.ready", method: "GET", path: "/ready", auth: "none" },
  { name: "tollgate.auth.me", method: "GET", path: "/auth/me", auth: "required" },
  { name: "tollgate.api-keys.list", method: "GET", path: "/api-keys", auth: "required" },
  { name: "tollgate.api-keys.create", method: "POST", path: "/api-keys", auth: "required" },
  { name: "tollgate.api-keys.revoke", method: "DELETE", path: "/api-keys/{id}", auth: "required" },
  { name: "tollgate.billing.status", method: "GET", path: "/billing/status", auth: "required" },
  { name: "tollgate.billing.plans", method: "GET", path: "/billing/plans", auth: "required" },
  { name: "tollgate.billing.usage", method: "GET", path: "/billing/usage", auth: "required" },
];

/** Headers by which a worker tells the control API who calls; clients cannot send them (identity phase). */
export const INTERNAL_HEADERS = {
  account: "x-tollgate-account",
  user: "x-tollgate-user",
  roles: "x-tollgate-roles",
  plan: "x-tollgate-plan",
  keyId: "x-tollgate-key-id",
  scope: "x-tollgate-scope",
} as const;
