/** Refusals of the admit phase, with everything a client needs to go on: when to retry, what is left, which plan has more. Worker thread, pure. */
import type { QuotaSettings, Settings } from "#config/settings.ts";
import { rfc3339 } from "#core/clock.ts";
import type { Refusal } from "#core/errors.ts";
import { fits } from "#core/limits.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { AppliedQuota } from "./quotas.ts";
import type { AppliedRate } from "./rates.ts";

/** `waitNs` until a token is there. */
export function rateRefusal(rate: AppliedRate, waitNs: bigint): Refusal {
  const { settings, figures } = rate;
  const retryAfter = Math.max(1, Math.ceil(Number(waitNs) / 1e9));
  return {
    code: "rate_limited",
    rule: `rate:${settings.name}`,
    detail: `More than ${figures.limit} requests per ${figures.perMs / 1000} s`,
    fields: { limit: figures.limit, remaining: 0, retry_after: retryAfter },
    headers: ["Retry-After", String(retryAfter)],
  };
}

export function quotaRefusal(
  applied: AppliedQuota,
  quota: QuotaSettings,
  used: number,
  principal: Principal | null,
  settings: Settings,
  atMs: number,
): Refusal {
  const { window } = applied.counter;
  const retryAfter = Math.max(1, Math.ceil((window.endMs - atMs) / 1000));
  const nextPlan = principal === null ? null : largerPlan(settings, principal.plan.id, quota);
  return {
    code: "quota_exceeded",
    rule: `quota:${quota.meter}`,
    detail: `Used ${used} of ${quota.limit} ${quota.meter} this ${window.kind}`,
    status: quota.status,
    fields: {
      meter: quota.meter,
      used,
      limit: quota.limit,
      remaining: Math.max(0, (quota.limit ?? 0) - used),
      plan: principal?.plan.id ?? null,
      next_plan: nextPlan,
      window: { kind: window.kind, start: rfc3339(window.startMs), end: rfc3339(window.endMs) },
      retry_after: retryAfter,
    },
    headers: ["Retry-After", String(retryAfter)],
  };
}

/** The first plan of the file that allows more of this meter. */
function largerPlan(settings: Settings, current: string, quota: QuotaSettings): string | null {
  const larger = Object.values(settings.plans).find((plan) => {
    const other = plan.quotas[quota.meter];
    return plan.id !== current && (other === undefined || fits(quota.limit ?? 0, 1, other.limit));
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
