/**
 * Callers who have a permission for their own things alone (`calls:read:own`): what is theirs, and how the app is told. Worker thread, pure.
 * Only on routes that say what the caller's own is (`require.own`); nobody else has such a permission there.
 */
import { type Refusal, refuse } from "#core/errors.ts";
import { grantOf } from "#core/permissions.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import { withParameter } from "#data-plane/route/query.ts";
import { type Asked, namedValue } from "./named-value.ts";

/** Whether the principal gets in only for what is its own. */
export function isOwnOnly({ permissions }: Principal, { require }: CompiledRoute): boolean {
  return require.own !== null && require.permissions.some((wanted) => grantOf(permissions, wanted) !== "full");
}

/** For a principal that gets in only for what is its own. A key has no user, and so nothing of its own. */
export function checkOwn({ user }: Principal, asked: Asked): Refusal | null {
  const { name, require } = asked.route;
  const { own } = require;
  if (user === null) return nobody(asked.route);
  // The app heeds it, or who owns the thing is looked at behind this.
  if (own === null || own.in === "data-scope" || own.in === "resource") return null;
  const value = namedValue(own, asked);
  if (typeof value === "object" && value !== null) return value;
  // The gateway says it where the client does not.
  if (value === user || (value === null && own.in === "query")) return null;
  return refuse("tenant_mismatch", `route:${name}`, "Belongs to another user");
}

function nobody({ name, require }: CompiledRoute): Refusal {
  const [permission = ""] = require.permissions;
  const detail = `Needs the permission ${permission}; what is granted for one's own things needs a user, and a key has none`;
  return { ...refuse("permission_denied", `route:${name}`, detail), fields: { required_permission: permission } };
}

/** The target the app gets: to a caller who may see only what is its own, with the parameter that says whose. */
export function forwardedTarget(principal: Principal | null, asked: Asked): string {
  const { route, target } = asked;
  const { own } = route.require;
  if (own === null || own.in !== "query" || principal === null || !isOwnOnly(principal, route)) return target.text;
  // What stands there has been checked to be the user.
  if (namedValue(own, asked) !== null || principal.user === null) return target.text;
  return withParameter(target.text, target.query, own.name, principal.user);
}
