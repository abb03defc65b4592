/** How far units go beyond a quota's limit, and what that costs in credits. Pure; both planes. */
import type { QuotaSettings } from "#config/settings.ts";

/** Units of `units` more that lie beyond the limit when `used` are used. */
export function unitsOver(used: number, units: number, limit: number | null): number {
  return limit === null ? 0 : Math.max(0, used + units - limit) - Math.max(0, used - limit);
}

/** Credits that `units` more cost when `used` are used; 0 where nothing burns credits. */
export function creditsFor(quota: QuotaSettings | null, used: number, units: number): number {
  if (quota === null || quota.exceed !== "credits" || quota.shadow) return 0;
  return unitsOver(used, units, quota.limit) * quota.creditsPerUnit;
}

/** The limit under which units are taken: what is measured and reserves nothing needs room for one unit all the same. */
export function takeLimit(hard: number | null, units: number): number | null {
  return hard !== null && units === 0 ? hard - 1 : hard;
}
