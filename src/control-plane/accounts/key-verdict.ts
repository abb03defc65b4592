/**
 * Whether a key is good for something, for services that ask instead of standing behind the gateway. Main thread, pure. The same rules in
 * the same order as for a request (`data-plane/identity`, `data-plane/policy/authorize.ts`), but for those that look at one: tenant,
 * owner, rates and quotas.
 */
import { addressSet, isInSet } from "#core/addresses.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { isGranted } from "#core/permissions.ts";
import { NOTHING_REQUIRED } from "#config/access-settings.ts";
import type { RouteSettings, Settings } from "#config/settings.ts";
import { keyFault } from "#shared/key-state.ts";
import type { Account } from "./account.ts";
import { planOf } from "./account-plan.ts";
import type { ApiKey } from "./api-key.ts";

/** What the key is to be good for; null: not asked. */
export interface KeyUse {
  readonly permissions: readonly string[];
  readonly scopes: readonly string[];
  readonly route: RouteSettings | null;
  readonly method: string | null;
  /** Canonical. */
  readonly address: string | null;
}

/** Patterns that the key's roles grant. */
export function permissionsOf(key: ApiKey, { roles }: Settings): readonly string[] {
  return [...new Set(key.roles.flatMap((role) => (Object.hasOwn(roles, role) ? (roles[role] ?? []) : [])))];
}

/** null: it is good for that. `account` null: there is none. */
export function keyRefusal(
  key: ApiKey,
  account: Account | null,
  use: KeyUse,
  settings: Settings,
  nowMs: number,
): Refusal | null {
  return (
    keyFault(key, nowMs) ??
    accountRefusal(account) ??
    narrowingRefusal(key, use) ??
    needRefusal(key, account, use, settings)
  );
}

function accountRefusal(account: Account | null): Refusal | null {
  if (account === null || account.state === "deleted")
    return refuse("key_revoked", "account:deleted", "Account has been deleted");
  return account.state === "suspended"
    ? refuse("account_suspended", "account:suspended", "Account is suspended")
    : null;
}

function narrowingRefusal({ narrowing }: ApiKey, { route, method, address }: KeyUse): Refusal | null {
  const { addresses, routes, methods } = narrowing;
  if (address !== null && addresses !== null && !isInSet(addressSet(addresses), address))
    return denied("key:address", "API key is not good for requests from this address");
  if (route !== null && routes !== null && !routes.includes(route.name))
    return denied("key:route", `API key is not good for the route ${route.name}`);
  // Who may GET may HEAD.
  const named = method === "HEAD" ? ["HEAD", "GET"] : [method ?? ""];
  if (method !== null && methods !== null && !named.some((name) => methods.includes(name)))
    return denied("key:method", `API key is not good for ${method} requests`);
  return null;
}

function needRefusal(key: ApiKey, account: Account | null, use: KeyUse, settings: Settings): Refusal | null {
  if (use.route !== null && !use.route.schemes.includes("key"))
    return denied("route:schemes", `Route ${use.route.name} takes no API keys`);
  const need = use.route?.require ?? NOTHING_REQUIRED;
  if (need.roles.length > 0 && !need.roles.some((role) => key.roles.includes(role)))
    return denied("key:role", `Needs the role ${need.roles.join(" or ")}`);
  const granted = permissionsOf(key, settings);
  const permission = [...need.permissions, ...use.permissions].find((wanted) => !isGranted(granted, wanted));
  if (permission !== undefined) return denied("key:permission", `Needs the permission ${permission}`);
  const scope = [...need.scopes, ...use.scopes].find((wanted) => key.scopes?.includes(wanted) === false);
  if (scope !== undefined) return denied("key:scope", `Needs the scope ${scope}`);
  const plan = planOf(settings, account?.plan ?? null);
  const feature = need.features.find((wanted) => !plan.features.includes(wanted));
  if (feature === undefined) return null;
  return refuse("feature_not_in_plan", "key:feature", `Plan ${plan.id} does not have ${feature}`);
}

function denied(rule: string, detail: string): Refusal {
  return refuse("permission_denied", rule, detail);
}
