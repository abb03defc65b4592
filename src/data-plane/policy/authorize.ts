/**
 * Phase 4, authorize: may this principal use this route? Worker thread, pure. Account state first, then roles, permissions,
 * scopes, plan features, tenant and owner. What the route does not ask for is not checked; no principal passes only where the
 * route asks for nothing.
 */
import { type Refusal, refuse } from "#core/errors.ts";
import { isGranted } from "#core/permissions.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";

/** null: allowed. `values` are the path parameters, in the order of `route.parameters`, as they stand in the path. */
export function authorize(
  principal: Principal | null,
  route: CompiledRoute,
  values: readonly string[],
): Refusal | null {
  if (principal === null) return asksNothing(route) ? null : anonymousRefusal(route);
  if (principal.account.state === "suspended")
    return refuse("account_suspended", "account:suspended", "Account is suspended");
  return checkGrants(principal, route) ?? checkTenant(principal, route, values);
}

/** Whether the decision on a principal depends on the path's values. */
export function dependsOnPath({ require }: CompiledRoute): boolean {
  return require.accountParam !== null || require.ownerParam !== null;
}

function asksNothing({ require }: CompiledRoute): boolean {
  const lists = [require.roles, require.permissions, require.scopes, require.features];
  return lists.every((list) => list.length === 0) && require.accountParam === null && require.ownerParam === null;
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
  const permission = require.permissions.find((wanted) => !isGranted(principal.permissions, wanted));
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

function checkTenant(principal: Principal, route: CompiledRoute, values: readonly string[]): Refusal | null {
  const { accountParam, ownerParam } = route.require;
  if (accountParam !== null && parameter(route, values, accountParam) !== principal.publicAccount) {
    return refuse("tenant_mismatch", `route:${route.name}`, "Belongs to another account");
  }
  if (ownerParam !== null && parameter(route, values, ownerParam) !== principal.user) {
    return refuse("tenant_mismatch", `route:${route.name}`, "Belongs to another user");
  }
  return null;
}

/** The decoded value; the path was checked to be valid UTF-8. Undefined equals nobody's id. */
function parameter(route: CompiledRoute, values: readonly string[], name: string): string | undefined {
  const value = values[route.parameters.indexOf(name)];
  return value === undefined ? undefined : decodeURIComponent(value);
}
