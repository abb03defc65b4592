/** Plans with every default filled. Main thread. */
import type { WindowKind, WindowSpec } from "#core/windows.ts";
import { ratesWith, type WrittenRate } from "./normalize-limits.ts";
import { durationMs, mapValues } from "./normalize-values.ts";
import type { WrittenFigures } from "./rules-limits.ts";
import { quotaList, type QuotaPart } from "./rules-plans.ts";
import type { GatewayFile } from "./schema.ts";
import type { PlanCredits, PlanSettings, QuotaSettings, RateFigures } from "./settings.ts";
import type { PlanPart } from "./view.ts";

const THRESHOLDS = [80, 90, 100];

/** The plans and the name of the default one; a file without plans has one unlimited plan `default`. */
export function normalizePlans(config: GatewayFile): {
  readonly plans: Readonly<Record<string, PlanSettings>>;
  readonly defaultPlan: string;
} {
  const written = Object.entries(config.plans ?? {});
  if (written.length === 0) return { plans: { default: unlimited() }, defaultPlan: "default" };
  const [defaultPlan] = written.find(([, plan]) => plan.default === true) ?? written[0] ?? ["default"];
  return { plans: mapValues(config.plans ?? {}, (plan, id) => normalizePlan(config, plan, id)), defaultPlan };
}

function unlimited(): PlanSettings {
  return {
    id: "default",
    name: "Default",
    default: true,
    price: null,
    quotas: {},
    rates: {},
    concurrency: {},
    credits: null,
    features: [],
  };
}

function normalizePlan(config: GatewayFile, plan: PlanPart, id: string): PlanSettings {
  const timeZone = config.timeZone ?? "UTC";
  return {
    id,
    name: plan.name ?? id,
    default: plan.default ?? false,
    price:
      plan.price === undefined
        ? null
        : { monthly: plan.price.monthly ?? null, yearly: plan.price.yearly ?? null, currency: plan.price.currency },
    quotas: mapValues(plan.quotas ?? {}, (quotas, meter) =>
      quotaList(quotas).map((quota) => normalizeQuota(quota, meter, timeZone)),
    ),
    rates: planRates(config, plan),
    concurrency: plan.concurrency ?? {},
    credits: plan.credits === undefined ? null : normalizeCredits(plan.credits, timeZone),
    features: plan.features ?? [],
  };
}

function normalizeQuota(quota: QuotaPart, meter: string, timeZone: string): QuotaSettings {
  const { limit, throttle, overage } = quota;
  return {
    meter,
    limit,
    by: quota.by ?? "account",
    window: windowSpec(quota, timeZone),
    exceed: quota.exceed ?? "block",
    status: quota.status ?? (quota.exceed === "credits" ? 402 : 429),
    shadow: quota.shadow ?? false,
    grace: quota.grace ?? 0,
    price: overage === undefined ? null : { price: overage.price, per: overage.per ?? 1 },
    throttle:
      throttle === undefined || limit === null
        ? null
        : {
            limit: throttle.limit,
            perMs: durationMs(throttle.per),
            burst: throttle.burst ?? throttle.limit,
            fromUnits: Math.ceil((limit * (throttle.from ?? 100)) / 100),
          },
    creditsPerUnit: quota.credits ?? 1,
    thresholds: (quota.thresholds ?? THRESHOLDS).toSorted((one, other) => one - other),
  };
}

interface WindowPart {
  readonly per: WindowKind;
  readonly timeZone?: string;
  readonly day?: number;
}

function windowSpec({ per, timeZone, day }: WindowPart, standard: string): WindowSpec {
  return { kind: per, timeZone: timeZone ?? standard, day: day ?? 1 };
}

function normalizeCredits(credits: NonNullable<PlanPart["credits"]>, timeZone: string): PlanCredits {
  return {
    amount: credits.amount,
    priority: credits.priority ?? 50,
    window: windowSpec(credits, timeZone),
    rollover: credits.rollover ?? null,
  };
}

/** The plan's figures for the rates it changes, by name or by `rateMultiplier`. */
function planRates(config: GatewayFile, plan: PlanPart): Readonly<Record<string, RateFigures>> {
  const own = Object.entries(plan.rates ?? {});
  const names = plan.rateMultiplier === undefined ? own.map(([name]) => name) : Object.keys(config.rates ?? {});
  return Object.fromEntries(names.flatMap((name) => planRate(config.rates?.[name], plan, name)));
}

function planRate(
  rate: WrittenRate | undefined,
  plan: PlanPart,
  name: string,
): readonly (readonly [string, RateFigures])[] {
  // `rules-plans.ts` holds that the rate exists.
  if (rate === undefined) return [];
  const own: WrittenFigures & { readonly multiplier?: number | undefined } = plan.rates?.[name] ?? {
    multiplier: plan.rateMultiplier,
  };
  const figures =
    own.limit === undefined
      ? ratesWith(rate, own.multiplier ?? 1)
      : { limit: own.limit, perMs: durationMs(own.per ?? rate.per), burst: own.burst ?? own.limit };
  return [[name, figures]];
}
