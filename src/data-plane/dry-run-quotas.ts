/** Quotas as `dry-run.ts` looks at them. Pure. Not here: what the gate does (`policy/quotas.ts`), which takes units, credits and caps. */
import type { QuotaSettings } from "#config/settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { fits } from "#core/limits.ts";
import { holderOf } from "#shared/counter-shapes.ts";
import type { Principal } from "#data-plane/identity/principal.ts";

/** Tells a meter's quotas apart; as `usedUnits` has them. */
export function quotaName({ meter, by, window }: Pick<QuotaSettings, "meter" | "by" | "window">): string {
  return `${meter}/${by}/${window.kind}`;
}

/** Whether there is somebody whose units it counts. */
export function holds({ by }: QuotaSettings, { keyId, user }: Principal): boolean {
  return holderOf(by, keyId ?? "", user ?? "") !== null;
}

/** What the quota says to a request of this cost; null: nothing. */
export function quotaRefusalOf(
  { meter, by, limit, grace, window, exceed, shadow, status }: QuotaSettings,
  used: number,
  cost: number,
): Refusal | null {
  if (shadow || exceed !== "block" || limit === null || fits(used, cost, limit + grace)) return null;
  const detail = `Used ${used} of ${limit} ${meter} this ${window.kind}${by === "account" ? "" : ` of this ${by}`}`;
  return { ...refuse("quota_exceeded", `quota:${meter}`, detail), status };
}
