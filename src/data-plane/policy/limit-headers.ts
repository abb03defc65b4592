/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10): one item for each rate and each quota. Worker thread, pure.
 * Rates are named by their name, quotas `meter/window`. `t` is the seconds until the limit is whole again.
 */
import type { RateTable } from "#shared/rate-table.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { AppliedQuota } from "./quotas.ts";
import type { AppliedRate } from "./rates.ts";

/** Names and values in turn; empty when nothing limits the request. */
export function limitHeaders(
  rates: readonly AppliedRate[],
  quotas: readonly AppliedQuota[],
  rateTable: RateTable,
  counters: CounterTable,
  nowNs: bigint,
  atMs: number,
): readonly string[] {
  const policies: string[] = [];
  const states: string[] = [];
  for (const { settings, figures, slot } of rates) {
    const left = rateTable.left(slot, figures.bucket, nowNs);
    const untilFull = Math.ceil(((figures.bucket.burst - left) * figures.perMs) / figures.limit / 1000);
    policies.push(`"${settings.name}";q=${figures.bucket.burst};w=${Math.max(1, Math.round(figures.perMs / 1000))}`);
    states.push(`"${settings.name}";r=${left};t=${untilFull}`);
  }
  for (const { meter, counter, quota } of quotas) {
    if (quota === null || quota.limit === null) continue;
    const { window } = counter;
    const name = `"${meter}/${window.kind}"`;
    policies.push(`${name};q=${quota.limit};w=${(window.endMs - window.startMs) / 1000}`);
    states.push(
      `${name};r=${Math.max(0, quota.limit - counters.used(counter))};t=${Math.ceil((window.endMs - atMs) / 1000)}`,
    );
  }
  return policies.length === 0 ? [] : ["RateLimit-Policy", policies.join(", "), "RateLimit", states.join(", ")];
}
