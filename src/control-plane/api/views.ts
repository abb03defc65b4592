/** How accounts, keys and plans look in answers. Main thread, pure. Times RFC 3339, ids with their prefix, no secrets. */
import type { PlanSettings, QuotaSettings } from "#config/settings.ts";
import { rfc3339 } from "#core/clock.ts";
import type { Account } from "#control-plane/accounts/account.ts";

export function accountView(account: Account): Record<string, unknown> {
  return {
    id: account.id,
    externalId: account.externalId,
    name: account.name,
    email: account.email,
    state: account.state,
    plan: account.plan,
    planUntil: timeView(account.planUntilMs),
    planAfter: account.planAfter,
    trialUntil: timeView(account.trialUntilMs),
    billingAnchor: rfc3339(account.anchorMs),
    createdAt: rfc3339(account.createdAtMs),
    lastSeenAt: timeView(account.seenAtMs),
    deletedAt: timeView(account.deletedAtMs),
  };
}

function timeView(ms: number | null): string | null {
  return ms === null ? null : rfc3339(ms);
}

export function planView(plan: PlanSettings): Record<string, unknown> {
  const { id, name, default: isDefault, price, credits, features } = plan;
  const quotas = Object.values(plan.quotas).flat().map(quotaView);
  const granted =
    credits === null
      ? null
      : { amount: credits.amount, per: credits.window.kind, rollover: credits.rollover?.max ?? null };
  return { id, name, default: isDefault, price, quotas, credits: granted, features };
}

/** What it costs to go beyond the limit is shown where that is possible. */
function quotaView({ meter, limit, by, window, exceed, grace, price, creditsPerUnit }: QuotaSettings) {
  return {
    meter,
    limit,
    per: window.kind,
    by,
    exceed,
    ...(grace > 0 ? { grace } : {}),
    ...(price === null ? {} : { overage: price }),
    ...(exceed === "credits" ? { creditsPerUnit } : {}),
  };
}

/** A page: `items` holds one more than `limit` when there are more. */
export function pageView<T>(
  items: readonly T[],
  limit: number,
  view: (item: T) => Record<string, unknown>,
  cursorAt: (item: T) => string,
): Record<string, unknown> {
  const shown = items.slice(0, limit);
  const last = items.length > limit ? shown.at(-1) : undefined;
  return { data: shown.map(view), nextCursor: last === undefined ? null : cursorAt(last) };
}
