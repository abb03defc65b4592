/** Plans with every default filled. Main thread. */
import { durationMs, mapValues } from "./normalize-values.ts";
import type { GatewayFile } from "./schema.ts";
import type { PlanSettings } from "./settings.ts";
import type { PlanPart } from "./view.ts";

/** The plans and the name of the default one; a file without plans has one unlimited plan `default`. */
export function normalizePlans(config: GatewayFile): {
  readonly plans: Settings["plans"];
  readonly defaultPlan: string;
} {
  const written = Object.entries(config.plans ?? {});
  if (written.length === 0) return { plans: { default: unlimited() }, defaultPlan: "default" };
  const [defaultPlan] = written.find(([, plan]) => plan.default === true) ?? written[0] ?? ["default"];
  return { plans: mapValues(config.plans ?? {}, (plan, id) => normalizePlan(config, plan, id)), defaultPlan };
}

type Settings = { readonly plans: Readonly<Record<string, PlanSettings>> };

function unlimited(): PlanSettings {
  return { id: "default", name: "Default", default: true, price: null, quotas: {}, rates: {}, features: [] };
}

function normalizePlan(config: GatewayFile, plan: PlanPart, id: string): PlanSettings {
  return {
    id,
    name: plan.name ?? id,
    default: plan.default ?? false,
    price:
      plan.price === undefined
        ? null
        : { monthly: plan.price.monthly ?? null, yearly: plan.price.yearly ?? null, currency: plan.price.currency },
    quotas: mapValues(plan.quotas ?? {}, (quota, meter) => ({
      meter,
      limit: quota.limit,
      per: quota.per,
      exceed: quota.exceed ?? "block",
      status: quota.status ?? 429,
      shadow: quota.shadow ?? false,
    })),
    rates: mapValues(plan.rates ?? {}, (rate, name) => ({
      limit: rate.limit,
      // `rules-plans.ts` holds that the rate exists.
      perMs: durationMs(rate.per ?? config.rates?.[name]?.per ?? ""),
      burst: rate.burst ?? rate.limit,
    })),
    features: plan.features ?? [],
  };
}
