/** How accounts, keys and plans look in answers. Main thread, pure. Times RFC 3339, ids with their prefix, no secrets. */
import type { PlanSettings } from "#config/settings.ts";
import { rfc3339 } from "#core/clock.ts";
import type { Account } from "#control-plane/accounts/accounts.ts";
import type { ApiKey } from "#control-plane/accounts/api-keys.ts";

export function accountView(account: Account): Record<string, unknown> {
  return {
    id: account.id,
    externalId: account.externalId,
    name: account.name,
    state: account.state,
    plan: account.plan,
    createdAt: rfc3339(account.createdAtMs),
  };
}

export function keyView(key: ApiKey): Record<string, unknown> {
  return {
    id: key.id,
    account: key.accountId,
    name: key.name,
    env: key.env,
    masked: key.masked,
    roles: key.roles,
    scopes: key.scopes,
    createdAt: rfc3339(key.createdAtMs),
    expiresAt: key.expiresAtMs === null ? null : rfc3339(key.expiresAtMs),
    revokedAt: key.revokedAtMs === null ? null : rfc3339(key.revokedAtMs),
  };
}

export function planView(plan: PlanSettings): Record<string, unknown> {
  const quotas = Object.values(plan.quotas).map(({ meter, limit, per, exceed }) => ({ meter, limit, per, exceed }));
  return { id: plan.id, name: plan.name, default: plan.default, price: plan.price, quotas, features: plan.features };
}

/** A page: `items` holds one more than `limit` when there are more. */
export function pageView<T extends { readonly id: string }>(
  items: readonly T[],
  limit: number,
  view: (item: T) => Record<string, unknown>,
): Record<string, unknown> {
  const shown = items.slice(0, limit);
  return { data: shown.map(view), nextCursor: items.length > limit ? (shown.at(-1)?.id ?? null) : null };
}
