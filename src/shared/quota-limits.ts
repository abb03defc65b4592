/**
 * What a plan and a customer's spend cap allow of a counter. Pure; both planes. Not here: taking anything, and saying no
 * (`quota-refusals.ts`).
 */
import type { PlanSettings, QuotaSettings } from "#config/settings.ts";
import { unitsForMoney } from "#core/money.ts";
import { type Window, windowAt } from "#core/windows.ts";
import { type CounterShape, counterName, shapeKey } from "./counter-shapes.ts";
import type { CounterKey, CounterTable } from "./counter-table.ts";
import { quotaOfShape } from "./own-limits.ts";
import type { AccountRecord } from "./principals.ts";

/** A counter that charges move, and what limits it. */
export interface QuotaCounter {
  readonly counter: CounterKey;
  /** The plan's quota on this counter, else the holder's own; null: counted only. */
  readonly quota: QuotaSettings | null;
  /** The holder's own, which holds beside the plan's; null: none. */
  readonly own: QuotaSettings | null;
  /** Units at which requests are refused; null: never. */
  readonly hard: number | null;
  /** Its limit is the customer's own spend cap. */
  readonly capped: boolean;
}

/** Who says what limits a counter. */
export interface LimitSources {
  readonly plan: PlanSettings;
  readonly account: Pick<AccountRecord, "spendCap">;
  /** Quotas of the caller's key and member (`own-limits.ts`). */
  readonly own: readonly QuotaSettings[];
}

/** The counter with what the plan, the account's spend cap and the holder's own limits say of its shape. */
export function quotaCounter(counter: CounterKey, shape: CounterShape, sources: LimitSources): QuotaCounter {
  const { plan, account } = sources;
  const own = quotaOfShape(sources.own, shape);
  const ofPlan = quotaOfShape(plan.quotas[shape.meter] ?? [], shape);
  if (ofPlan === null || ofPlan.limit === null)
    return { counter, quota: own ?? ofPlan, own, hard: own?.limit ?? null, capped: false };
  const cap = capOf(ofPlan, plan, account);
  return { counter, quota: ofPlan, own, hard: smaller(hardLimit(ofPlan, cap), own), capped: cap !== null };
}

function smaller(hard: number | null, own: QuotaSettings | null): number | null {
  if (own === null || own.limit === null) return hard;
  return hard === null ? own.limit : Math.min(hard, own.limit);
}

/** The quota that refuses at `hard`. */
export function refusingQuota({ quota, own, hard }: QuotaCounter): QuotaSettings | null {
  return own !== null && hard === own.limit ? own : quota;
}

function hardLimit({ limit, exceed, grace, shadow }: QuotaSettings, cap: number | null): number | null {
  if (limit === null || shadow) return null;
  if (exceed === "block") return limit + grace;
  return exceed === "overage" && cap !== null ? limit + cap : null;
}

/** Units beyond the limit that the customer allows; null: no cap that one counter can hold. */
function capOf(quota: QuotaSettings, plan: PlanSettings, { spendCap }: Pick<AccountRecord, "spendCap">): number | null {
  if (quota.exceed !== "overage" || quota.limit === null || quota.by !== "account") return null;
  const units = spendCap.units[quota.meter] ?? null;
  const money =
    spendCap.money !== null && quota.price !== null && pricedQuotas(plan).length === 1
      ? unitsForMoney(spendCap.money, quota.price)
      : null;
  if (units === null || money === null) return units ?? money;
  return Math.min(units, money);
}

/** The quotas of a plan whose overage costs money. */
export function pricedQuotas(plan: PlanSettings): readonly QuotaSettings[] {
  return Object.values(plan.quotas)
    .flat()
    .filter(
      ({ by, exceed, limit, price }) => by === "account" && exceed === "overage" && limit !== null && price !== null,
    );
}

/** The counter of a plan's quota in the window of `atMs`. */
export function counterOfQuota(
  table: CounterTable,
  quota: QuotaSettings,
  account: Pick<AccountRecord, "id" | "anchorMs">,
  atMs: number,
): CounterKey {
  const window: Window = windowAt(quota.window, atMs, account.anchorMs);
  return table.key(counterName(account.id, shapeKey(quota.meter, quota.by, quota.window), "", window), window);
}
