/** Refusals by rates and concurrency limits. Worker thread, pure. Those by quotas: `shared/quota-refusals.ts`. */
import type { Refusal } from "#core/errors.ts";
import type { LiveRate } from "./rates.ts";
import type { LiveConcurrency } from "./slots.ts";

/** `waitNs` until it fits. */
export function rateRefusal({ name, figures }: LiveRate, waitNs: bigint): Refusal {
  const retryAfter = Math.max(1, Math.ceil(Number(waitNs) / 1e9));
  return {
    code: "rate_limited",
    rule: `rate:${name}`,
    detail: `More than ${figures.limit} requests per ${figures.perMs / 1000} s`,
    fields: { limit: figures.limit, remaining: 0, retry_after: retryAfter },
    headers: ["Retry-After", String(retryAfter)],
  };
}

export function concurrencyRefusal({ settings, limit }: LiveConcurrency): Refusal {
  return {
    code: "concurrency_exceeded",
    rule: `concurrency:${settings.name}`,
    detail: `${limit} requests are under way already`,
    fields: { limit, remaining: 0, retry_after: 1 },
    headers: ["Retry-After", "1"],
  };
}
