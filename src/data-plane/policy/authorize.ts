/**
 * Phase 4, authorize: may this principal use this route? Worker thread, pure. Account state first, then roles, permissions,
 * scopes, plan features, tenant and owner. What the route does not ask for is not checked; no principal passes only where the
 * route asks for nothing.
 */
import type { RequestPlace } from "#config/access-settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { grantOf } from "#core/permissions.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import { type Asked, namedValue } from "./named-value.ts";
import { checkOwn, isOwnOnly } from "./own-things.ts";

/** null: allowed. */
export function authorize(principal: Principal | null, asked: Asked): Refusal | null {
  const { route } = asked;
  if (principal === null) return asksNothing(route) ? null : anonymousRefusal(route);
  if (principal.account.state === "suspended")
    return refuse("account_suspended", "account:suspended", "Account is suspended");
  return (
    checkGrants(principal, route) ??
    checkTenant(principal, asked) ??
    checkCredentials(principal, route) ??
    (isOwnOnly(principal, route) ? checkOwn(principal, asked) : null)
  );
}

/** An app that expects the account's credential must not get the client's own instead. */
function checkCredentials({ account }: Principal, { builtin, upstream }: CompiledRoute): Refusal | null {
  const { upstreamHeaders } = account;
  const { name } = upstream;
  if (upstreamHeaders === undefined || builtin || upstreamHeaders[name] !== null) return null;
  return refuse("secret_unavailable", `upstream:${name}`, "The account's credential for this upstream cannot be read");
}

/** Whether the decision on a principal depends on more than the route: on the path's values, the query or the header section. */
export function dependsOnRequest({ require }: CompiledRoute): boolean {
  return require.account !== null || require.owner !== null || require.own !== null;
}

function asksNothing({ require }: CompiledRoute): boolean {
  const lists = [require.roles, require.permissions, require.scopes, require.features];
  const things = [require.account, require.owner, require.own, require.resource];
  return lists.every((list) => list.length === 0) && things.every((thing) => thing === null);
}

function anonymousRefusal(route: CompiledRoute): Refusal {
  return refuse(
    "credentials_missing",
    `route:${route.name}`,
    "This route needs something of its caller, who is nobody",
  );
}

function checkGrants(principal: Principal, route: CompiledRoute): Refusal | null {
  const { require } = route;
  const rule = `route:${route.name}`;
  if (require.roles.length > 0 && !require.roles.some((role) => principal.roles.includes(role))) {
    return {
      ...refuse("permission_denied", rule, `Needs the role ${require.roles.join(" or ")}`),
      fields: { required_roles: require.roles },
    };
  }
  const permission = require.permissions.find((wanted) => !isEnough(grantOf(principal.permissions, wanted), route));
  if (permission !== undefined) {
    return {
      ...refuse("permission_denied", rule, `Needs the permission ${permission}`),
      fields: { required_permission: permission },
    };
  }
  const { scopes } = principal;
  const scope = scopes === null ? undefined : require.scopes.find((wanted) => !scopes.includes(wanted));
  if (scope !== undefined)
    return { ...refuse("permission_denied", rule, `Needs the scope ${scope}`), fields: { required_scope: scope } };
  const feature = require.features.find((wanted) => !principal.plan.features.includes(wanted));
  if (feature === undefined) return null;
  return {
    ...refuse("feature_not_in_plan", rule, `Plan ${principal.plan.id} does not have ${feature}`),
    fields: { feature, plan: principal.plan.id },
  };
}

/** What is granted on the caller's own things is worth something only where the route says which those are. */
function isEnough(grant: ReturnType<typeof grantOf>, { require }: CompiledRoute): boolean {
  return grant === "full" || (grant === "own" && require.own !== null);
}

function checkTenant(principal: Principal, asked: Asked): Refusal | null {
  const { account, owner } = asked.route.require;
  return (
    (account === null ? null : mustBe(account, principal.publicAccount, "account", asked)) ??
    (owner === null ? null : mustBe(owner, principal.user, "user", asked))
  );
}

/** Nothing there is nobody's: it passes for no one. */
function mustBe(place: RequestPlace, id: string | null, whose: "account" | "user", asked: Asked): Refusal | null {
  const value = namedValue(place, asked);
  if (typeof value === "object" && value !== null) return value;
  if (value !== null && value === id) return null;
  const rule = `route:${asked.route.name}`;
  const detail = value === null ? `Names no ${whose} in ${place.in}.${place.name}` : `Belongs to another ${whose}`;
  return refuse("tenant_mismatch", rule, detail);
}
