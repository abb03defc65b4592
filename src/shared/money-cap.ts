/** The one decision on a customer's spend cap in money over several meters. Pure; both planes. */
import type { QuotaSettings } from "#config/settings.ts";
import { fits } from "#core/limits.ts";
import { overageCost } from "#core/money.ts";
import { unitsOver } from "./units-over.ts";

/** Units of a priced meter in its window, without and with what is asked for. */
export interface PricedUse {
  readonly quota: Pick<QuotaSettings, "limit" | "price">;
  readonly before: number;
  readonly after: number;
}

/**
 * What all overage would cost, in minor units of money, when that is beyond the cap; null when it is not. What costs nothing more
 * passes, also when measured usage went beyond the cap before.
 */
export function costBeyondCap(cap: number, uses: readonly PricedUse[]): number | null {
  const costOf = (units: "before" | "after") =>
    uses.reduce((sum, use) => {
      const { limit, price } = use.quota;
      return price === null ? sum : sum + overageCost(unitsOver(0, use[units], limit), price);
    }, 0);
  const cost = costOf("after");
  return cost === costOf("before") || fits(0, cost, cap) ? null : cost;
}
