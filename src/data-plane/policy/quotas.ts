/**
 * Phase 5, admit: quotas. Worker thread. Which counters a caller's charges move on a route, and what limits them; the counters are in
 * shared memory (`shared/counter-table.ts`). Every charge moves a counter for each shape of window that any plan knows, whether the
 * caller's plan limits it or not: a change of plan then finds all usage already counted.
 */
import type { QuotaSettings } from "#config/settings.ts";
import { windowAt } from "#core/windows.ts";
import { type CounterShape, counterName, holderOf } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import { ownQuotas, tighterQuota } from "#shared/own-limits.ts";
import { type QuotaCounter, quotaCounter } from "#shared/quota-limits.ts";
import type { RateTable } from "#shared/rate-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { type LiveRate, liveRate } from "./rates.ts";

/** A counter that a line moves. */
export interface LiveCounter extends QuotaCounter {
  /** Holds from `quota.throttle.fromUnits` on. */
  readonly throttle: LiveRate | null;
  /** The quota that clients are told of: the one that is reached first. */
  readonly told: QuotaSettings | null;
  /** As clients are told of the quota: `tokens/month`, `calls/day/key`. Empty without one. */
  readonly label: string;
}

/** What the quotas of a caller need. */
export interface QuotaTables {
  readonly counters: CounterTable;
  readonly rates: RateTable;
}

/** The counters of one meter for a caller at a moment. */
export function liveCounters(
  tables: QuotaTables,
  shapes: readonly CounterShape[],
  principal: Principal,
  atMs: number,
): readonly LiveCounter[] {
  const { account, plan } = principal;
  const own = ownQuotas(shapes, principal.ownLimits);
  return shapes.flatMap((shape) => {
    const holder = holderOf(shape.by, principal.keyId ?? "", principal.user ?? "");
    if (holder === null) return [];
    const window = windowAt(shape.window, atMs, account.anchorMs);
    const counter = tables.counters.key(counterName(account.id, shape.key, holder, window), window);
    const limited = quotaCounter(counter, shape, { plan, account, own });
    const { quota } = limited;
    const throttle = quota === null ? null : throttleOf(tables.rates, quota, `${account.id}|${shape.key}|${holder}`);
    const told = tighterQuota(quota, limited.own);
    return [{ ...limited, throttle, told, label: quota === null ? "" : labelOf(quota) }];
  });
}

function labelOf({ meter, window, by }: QuotaSettings): string {
  return by === "account" ? `${meter}/${window.kind}` : `${meter}/${window.kind}/${by}`;
}

function throttleOf(table: RateTable, { meter, throttle, shadow }: QuotaSettings, text: string): LiveRate | null {
  if (throttle === null) return null;
  const settings = { name: `${meter}/throttle`, algorithm: "token-bucket", by: [], shadow, ...throttle } as const;
  return liveRate(table, { settings, cost: 1 }, throttle, `throttle|${text}`);
}
