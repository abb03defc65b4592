/**
 * The operations of the admin API, and what a principal must be permitted who calls one on the traffic listener
 * (`server.adminOnListen`). The control API serves exactly these, and `docs/endpoints.md` lists them (tests hold the three equal).
 * Whoever has the admin token, or the data folder, needs no permission.
 */
import type { HttpMethod } from "./settings.ts";

export interface AdminRoute {
  readonly name: string;
  readonly method: HttpMethod;
  readonly path: string;
  /** No other operation has it, so that each can be given alone; `tollgate:accounts:*` is a group. null: never on `listen`. */
  readonly permission: string | null;
}

export const ADMIN_ROUTES: readonly AdminRoute[] = [
  on("accounts.list", "GET", "/admin/accounts", "accounts:list"),
  on("accounts.create", "POST", "/admin/accounts", "accounts:create"),
  on("accounts.bulk", "POST", "/admin/accounts/bulk", "accounts:bulk"),
  on("accounts.show", "GET", "/admin/accounts/{id}", "accounts:read"),
  on("accounts.update", "PATCH", "/admin/accounts/{id}", "accounts:update"),
  on("accounts.delete", "DELETE", "/admin/accounts/{id}", "accounts:delete"),
  on("accounts.restore", "POST", "/admin/accounts/{id}/restore", "accounts:restore"),
  // Not one of what `accounts:update` changes: the keys of an account reach apps under this id.
  on("accounts.external-id", "PUT", "/admin/accounts/{id}/external-id", "accounts:external-id"),
  on("accounts.suspend", "POST", "/admin/accounts/{id}/suspend", "accounts:suspend"),
  on("accounts.activate", "POST", "/admin/accounts/{id}/activate", "accounts:activate"),
  on("accounts.clear-limits", "POST", "/admin/accounts/{id}/clear-limits", "accounts:clear-limits"),
  on("accounts.usage", "GET", "/admin/accounts/{id}/usage", "usage:read"),
  on("accounts.usage.timeseries", "GET", "/admin/accounts/{id}/usage/timeseries", "usage:timeseries"),
  on("accounts.usage.forecast", "GET", "/admin/accounts/{id}/usage/forecast", "usage:forecast"),
  on("credits.list", "GET", "/admin/accounts/{id}/credits", "credits:list"),
  on("credits.grant", "POST", "/admin/accounts/{id}/credits", "credits:grant"),
  on("credits.void", "DELETE", "/admin/credits/{id}", "credits:void"),
  on("spend-cap.show", "GET", "/admin/accounts/{id}/spend-cap", "spend-cap:read"),
  on("spend-cap.set", "PUT", "/admin/accounts/{id}/spend-cap", "spend-cap:write"),
  // The same as on `/usage/events`, where whoever holds it may name any account too.
  on("usage.events", "POST", "/admin/usage/events", "usage:write"),
  on("keys.list", "GET", "/admin/keys", "keys:list"),
  on("keys.create", "POST", "/admin/keys", "keys:create"),
  on("keys.import", "POST", "/admin/keys/import", "keys:import"),
  on("keys.lookup", "POST", "/admin/keys/lookup", "keys:lookup"),
  on("keys.show", "GET", "/admin/keys/{id}", "keys:read"),
  on("keys.update", "PATCH", "/admin/keys/{id}", "keys:update"),
  on("keys.rotate", "POST", "/admin/keys/{id}/rotate", "keys:rotate"),
  on("keys.reveal", "POST", "/admin/keys/{id}/reveal", "keys:reveal"),
  on("keys.revoke", "DELETE", "/admin/keys/{id}", "keys:revoke"),
  on("users.list", "GET", "/admin/users", "users:list"),
  on("users.create", "POST", "/admin/users", "users:create"),
  on("users.bulk", "POST", "/admin/users/bulk", "users:bulk"),
  on("users.show", "GET", "/admin/users/{id}", "users:read"),
  on("users.usage", "GET", "/admin/users/{id}/usage", "users:usage"),
  on("users.update", "PATCH", "/admin/users/{id}", "users:update"),
  on("users.delete", "DELETE", "/admin/users/{id}", "users:delete"),
  on("users.impersonate", "POST", "/admin/users/{id}/impersonate", "users:impersonate"),
  on("accounts.import", "POST", "/admin/accounts/import", "accounts:import"),
  on("users.import", "POST", "/admin/users/import", "users:import"),
  on("sessions.list", "GET", "/admin/users/{id}/sessions", "sessions:list"),
  on("sessions.revoke-all", "DELETE", "/admin/users/{id}/sessions", "sessions:revoke-all"),
  on("sessions.revoke", "DELETE", "/admin/users/{id}/sessions/{session}", "sessions:revoke"),
  on("sessions.deny", "POST", "/admin/users/{id}/sessions/deny", "sessions:deny"),
  on("account-members.list", "GET", "/admin/accounts/{id}/members", "account-members:list"),
  on("account-members.add", "POST", "/admin/accounts/{id}/members", "account-members:add"),
  on("account-members.update", "PATCH", "/admin/accounts/{id}/members/{user}", "account-members:update"),
  on("account-members.remove", "DELETE", "/admin/accounts/{id}/members/{user}", "account-members:remove"),
  on("key-sets.show", "GET", "/admin/key-sets", "key-sets:read"),
  on("usage.ledger", "GET", "/admin/usage", "usage:ledger"),
  on("stats.show", "GET", "/admin/stats", "stats:read"),
  on("events.list", "GET", "/admin/events", "events:list"),
  on("resources.list", "GET", "/admin/resources", "resources:list"),
  on("resources.import", "POST", "/admin/resources/import", "resources:import"),
  on("resources.show", "GET", "/admin/resources/{kind}/{id}", "resources:read"),
  on("resources.set", "PUT", "/admin/resources/{kind}/{id}", "resources:write"),
  on("resources.remove", "DELETE", "/admin/resources/{kind}/{id}", "resources:remove"),
  on("resource-grants.list", "GET", "/admin/resources/{kind}/{id}/grants", "resource-grants:list"),
  on("resource-grants.show", "GET", "/admin/resources/{kind}/{id}/grants/{account}", "resource-grants:read"),
  on("resource-grants.set", "PUT", "/admin/resources/{kind}/{id}/grants/{account}", "resource-grants:write"),
  on("resource-grants.remove", "DELETE", "/admin/resources/{kind}/{id}/grants/{account}", "resource-grants:remove"),
  on("audit.list", "GET", "/admin/audit", "audit:list"),
  on("audit.verify", "GET", "/admin/audit/verify", "audit:verify"),
  on("upstream-credentials.list", "GET", "/admin/accounts/{id}/upstream-credentials", "upstream-credentials:list"),
  on(
    "upstream-credentials.set",
    "PUT",
    "/admin/accounts/{id}/upstream-credentials/{upstream}/{header}",
    "upstream-credentials:set",
  ),
  on(
    "upstream-credentials.remove",
    "DELETE",
    "/admin/accounts/{id}/upstream-credentials/{upstream}/{header}",
    "upstream-credentials:remove",
  ),
  on("secrets.list", "GET", "/admin/secrets", "secrets:list"),
  on("secrets.rotate", "POST", "/admin/secrets/rotate", "secrets:rotate"),
  on("reconcile.show", "GET", "/admin/reconcile", "reconcile:read"),
  // It writes where it is told to on this machine.
  { name: "backup", method: "POST", path: "/admin/backup", permission: null },
];

const served = new Set(
  ADMIN_ROUTES.flatMap(({ method, path, permission }) => (permission === null ? [] : [`${method} ${path}`])),
);

/** Whether principals may be served it; `path` has its parameters as `:id` or `{id}`. HEAD is as GET. */
export function isAdminOperation(method: string, path: string): boolean {
  return served.has(`${method === "HEAD" ? "GET" : method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
}

function on(name: string, method: HttpMethod, path: string, permission: string): AdminRoute {
  return { name, method, path, permission: `tollgate:${permission}` };
}
