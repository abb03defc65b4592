/**
 * Refusals by quotas, credits and spend caps, with everything a client needs to go on: when to retry, what is left, which plan has
 * more. Pure; both planes.
 */
import type { PlanSettings, QuotaSettings, Settings } from "#config/settings.ts";
import { rfc3339 } from "#core/clock.ts";
import type { Refusal } from "#core/errors.ts";
import { fits } from "#core/limits.ts";
import type { CounterKey } from "./counter-table.ts";
import { type QuotaCounter, refusingQuota } from "./quota-limits.ts";

/** What a refusal tells of the request. */
interface Asked {
  readonly settings: Settings;
  /** null: nobody. */
  readonly limits: { readonly principal: { readonly plan: Pick<PlanSettings, "id"> } | null };
  readonly atMs: number;
}

/** `quota` is the one that refuses. */
export function quotaRefusal(place: QuotaCounter, used: number, ask: Asked, quota = refusingQuota(place)): Refusal {
  const { counter } = place;
  // A spend cap is on the plan's own quota.
  const capped = place.capped && quota !== place.own;
  if (quota === null) throw new Error("A counter without a quota refuses nobody");
  const { principal } = ask.limits;
  const { window } = counter;
  const whose = quota.by === "account" ? "" : ` of this ${quota.by}`;
  const detail = capped
    ? `The spend cap is reached: used ${used} of ${quota.limit} ${quota.meter} this ${window.kind}`
    : `Used ${used} of ${quota.limit} ${quota.meter} this ${window.kind}${whose}`;
  const retryAfter = retryAfterEnd(counter, ask.atMs);
  return {
    code: "quota_exceeded",
    rule: `${capped ? "spend-cap" : "quota"}:${quota.meter}`,
    detail,
    status: quota.status,
    fields: {
      ...usageFields(quota, used, counter),
      plan: principal?.plan.id ?? null,
      next_plan: principal === null ? null : largerPlan(ask.settings, principal.plan.id, quota),
      retry_after: retryAfter,
      ...upgradeField(ask),
    },
    headers: ["Retry-After", String(retryAfter)],
  };
}

/** Where to get more, if the file says so. */
function upgradeField({ settings: { errors } }: Asked) {
  return errors.upgradeUrl === null ? {} : { upgrade_url: errors.upgradeUrl };
}

/** `wanted` credits are not there. */
export function creditsRefusal({ quota, counter }: QuotaCounter, wanted: number, balance: number, ask: Asked): Refusal {
  return {
    code: "credits_exhausted",
    rule: `credits:${quota?.meter ?? ""}`,
    detail: `Needs ${wanted} credits, ${balance} are left`,
    ...(quota === null ? {} : { status: quota.status }),
    fields: {
      meter: quota?.meter ?? null,
      credits_needed: wanted,
      credits_left: balance,
      plan: ask.limits.principal?.plan.id ?? null,
      window: windowField(counter),
      ...upgradeField(ask),
    },
    ...(quota?.status === 429 ? { headers: ["Retry-After", String(retryAfterEnd(counter, ask.atMs))] } : {}),
  };
}

/** Costs are minor units of money. */
export function moneyRefusal(cost: number, cap: number, ask: Asked): Refusal {
  return {
    code: "quota_exceeded",
    rule: "spend-cap:money",
    detail: `The spend cap of ${cap} is reached`,
    status: 402,
    fields: { limit: cap, cost, remaining: 0, plan: ask.limits.principal?.plan.id ?? null, ...upgradeField(ask) },
  };
}

function usageFields(quota: QuotaSettings, used: number, counter: CounterKey) {
  return {
    meter: quota.meter,
    used,
    limit: quota.limit,
    remaining: Math.max(0, (quota.limit ?? 0) - used),
    window: windowField(counter),
  };
}

function windowField({ window }: CounterKey) {
  return { kind: window.kind, start: rfc3339(window.startMs), end: rfc3339(window.endMs) };
}

/** Seconds until the window ends; for one that never does, a day. */
function retryAfterEnd({ window }: CounterKey, atMs: number): number {
  const seconds = Math.ceil((window.endMs - atMs) / 1000);
  return window.kind === "lifetime" ? 86_400 : Math.max(1, seconds);
}

/** The first plan of the file that allows more of this meter by the same holder. */
function largerPlan(settings: Settings, current: string, quota: QuotaSettings): string | null {
  const larger = Object.values(settings.plans).find(({ id, quotas }) => {
    const others = (quotas[quota.meter] ?? []).filter(({ by }) => by === quota.by);
    return (
      id !== current && others.every((other) => other.exceed !== "block" || fits(quota.limit ?? 0, 1, other.limit))
    );
  });
  return larger?.id ?? null;
}

/** The shared table has no place for a new counter: better to refuse than to serve uncounted. */
export function overloadedRefusal(rule: string): Refusal {
  return {
    code: "overloaded",
    rule,
    detail: "No room for another limit",
    fields: { retry_after: 1 },
    headers: ["Retry-After", "1"],
  };
}
