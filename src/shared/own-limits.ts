/**
 * Limits of one key or one member as quotas on the counters that charges move anyway. Pure; both planes. They hold beside those of the
 * plan. Not here: rates (`data-plane/policy/caller-limits.ts`), and what may be asked for (`control-plane/api/own-limits.ts`).
 */
import type { QuotaSettings } from "#config/settings.ts";
import { type CounterShape, shapeKey } from "./counter-shapes.ts";
import type { HolderLimits } from "./principals.ts";

/** As plans' quotas have them: percent of the limit. */
const THRESHOLDS: readonly number[] = Object.freeze([80, 90, 100]);

/**
 * The quotas of these holders on meters whose shapes these are. One whose window is not counted (any more) limits nothing; of several
 * that differ in their time zone or first day the first is taken, that of `quotaWindows`.
 */
export function ownQuotas(shapes: readonly CounterShape[], own: readonly HolderLimits[]): readonly QuotaSettings[] {
  return own.flatMap(({ holder, limits }) =>
    limits.quotas.flatMap(({ meter, limit, per }) => {
      const shape = shapes.find((one) => one.meter === meter && one.by === holder && one.window.kind === per);
      return shape === undefined ? [] : [quotaOn(shape, limit)];
    }),
  );
}

function quotaOn({ meter, by, window }: CounterShape, limit: number): QuotaSettings {
  return {
    meter,
    limit,
    by,
    window,
    exceed: "block",
    status: 429,
    shadow: false,
    grace: 0,
    price: null,
    throttle: null,
    creditsPerUnit: 1,
    thresholds: THRESHOLDS,
  };
}

/** The quota on counters of this shape; null: none. */
export function quotaOfShape(quotas: readonly QuotaSettings[], shape: CounterShape): QuotaSettings | null {
  return quotas.find((quota) => shapeKey(quota.meter, quota.by, quota.window) === shape.key) ?? null;
}

/** The one of two quotas on a counter that is reached first; what a client is told of. */
export function tighterQuota(one: QuotaSettings | null, other: QuotaSettings | null): QuotaSettings | null {
  if (one === null || one.limit === null) return other ?? one;
  return other === null || other.limit === null || one.limit <= other.limit ? one : other;
}
