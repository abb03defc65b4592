/** Rules for `plans`: their quotas, their figures for rates and concurrency limits, their credits. Main thread. */
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkFigures, checkTimeZone, WINDOW_LIMIT_MAX } from "./rules-limits.ts";
import { checkDuration } from "./rules-server.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, MeterPart, PlanPart, View } from "./view.ts";

const PERIOD_MS_MAX = 366 * 86_400_000;

export type QuotaPart = Exclude<NonNullable<PlanPart["quotas"]>[string], readonly unknown[]>;

/** Quotas name meters, rates name rates, and one plan is the default. */
export function checkPlans(view: View, report: Report): void {
  for (const plan of view.plans) checkPlan(view, plan, report);
  const [first, ...others] = view.plans.filter(({ value }) => value.default === true);
  for (const { path } of others) {
    report.value([...path, "default"], `Expected one default plan, got ${JSON.stringify(first?.key)} and another`);
  }
  const isMissing = first === undefined && view.names.plans.length > 0 && !view.partial.plans;
  if (isMissing)
    report.key(["plans"], "Expected one default plan, got none", "add default: true to the plan that new accounts get");
}

function checkPlan(view: View, plan: Item<PlanPart>, report: Report): void {
  const { path, value } = plan;
  for (const [meter, quotas] of Object.entries(value.quotas ?? {})) {
    const at = [...path, "quotas", meter];
    if (!view.names.meters.includes(meter))
      report.key(at, `Unknown meter ${JSON.stringify(meter)}`, meanOrList(meter, view.names.meters, "meters"));
    const part = view.meters.find(({ key }) => key === meter)?.value;
    checkQuotas(Array.isArray(quotas) ? quotas : [quotas], Array.isArray(quotas), part, at, report);
  }
  checkPlanRates(view, plan, report);
  for (const name of Object.keys(value.concurrency ?? {})) {
    if (view.names.concurrency.includes(name)) continue;
    const hint = meanOrList(name, view.names.concurrency, "concurrency limits");
    report.key([...path, "concurrency", name], `Unknown concurrency limit ${JSON.stringify(name)}`, hint);
  }
  if (value.credits !== undefined) {
    checkTimeZone(value.credits.timeZone, [...path, "credits", "timeZone"], report);
    checkDay(value.credits, [...path, "credits"], report);
  }
}

/** A list of quotas, or one that stands alone. */
export function quotaList(quotas: QuotaPart | readonly QuotaPart[]): readonly QuotaPart[] {
  return "limit" in quotas ? [quotas] : quotas;
}

function checkQuotas(
  quotas: readonly QuotaPart[],
  isList: boolean,
  meter: MeterPart | undefined,
  path: Path,
  report: Report,
): void {
  const seen = new Set<string>();
  for (const [index, quota] of quotas.entries()) {
    const at = isList ? [...path, index] : path;
    checkQuota(quota, meter, at, report);
    const shape = `${quota.by ?? "account"}|${quota.per}|${quota.timeZone ?? ""}|${quota.day ?? 1}`;
    if (seen.has(shape)) report.value([...at, "per"], "Expected another window or holder: this quota exists already");
    seen.add(shape);
  }
}

function checkQuota(quota: QuotaPart, meter: MeterPart | undefined, path: Path, report: Report): void {
  checkTimeZone(quota.timeZone, [...path, "timeZone"], report);
  checkDay(quota, path, report);
  const exceed = quota.exceed ?? "block";
  for (const [key, wanted] of Object.entries(BELONGS_TO)) {
    if (Object.hasOwn(quota, key) && wanted !== exceed)
      report.key([...path, key], `Expected no ${key} with exceed: ${exceed}`, `it belongs to exceed: ${wanted}`);
  }
  if (exceed === "throttle") {
    if (quota.throttle === undefined)
      report.value(
        [...path, "exceed"],
        "Expected throttle with exceed: throttle",
        "add throttle: { limit: 1, per: 1s }",
      );
    checkDuration(quota.throttle?.per, PERIOD_MS_MAX, [...path, "throttle", "per"], report);
  }
  const isGauge = meter?.aggregate === "last";
  if (isGauge && quota.per !== "lifetime")
    report.value(
      [...path, "per"],
      `Expected lifetime for a gauge, got ${JSON.stringify(quota.per)}`,
      "a gauge never starts anew",
    );
  const isAdded = !isGauge && meter?.aggregate !== "max";
  if (!isAdded && (exceed === "credits" || exceed === "throttle"))
    report.value(
      [...path, "exceed"],
      `Expected block, warn or overage for aggregate: ${meter?.aggregate}, got ${exceed}`,
    );
}

/** Keys of a quota that mean something with one way of exceeding only. */
const BELONGS_TO = { grace: "block", overage: "overage", throttle: "throttle", credits: "credits" } as const;

function checkDay(quota: { readonly per: string; readonly day?: number }, path: Path, report: Report): void {
  if (quota.day !== undefined && quota.per !== "month")
    report.key([...path, "day"], `Expected no day with per: ${quota.per}`, "only months begin on a day");
}

function checkPlanRates({ names, rates }: View, { path, value }: Item<PlanPart>, report: Report): void {
  for (const [name, figures] of Object.entries(value.rates ?? {})) {
    const at = [...path, "rates", name];
    if (!names.rates.includes(name))
      report.key(at, `Unknown rate ${JSON.stringify(name)}`, meanOrList(name, names.rates, "rates"));
    checkDuration(figures.per, PERIOD_MS_MAX, [...at, "per"], report);
    const hasFigures = figures.limit !== undefined || figures.per !== undefined || figures.burst !== undefined;
    if (figures.multiplier !== undefined && hasFigures)
      report.key([...at, "multiplier"], "Expected limit or multiplier, got both");
    else if (figures.multiplier === undefined && figures.limit === undefined)
      report.key(at, "Expected limit or multiplier, got neither", "add limit: 100 or multiplier: 5");
    checkFigures(figures, rates.find((item) => item.key === name)?.value, at, report);
  }
  for (const { key, value: rate } of rates) {
    const own = value.rates?.[key];
    const multiplier = own === undefined ? value.rateMultiplier : own.multiplier;
    const isWindow = (rate.algorithm ?? "token-bucket") !== "token-bucket";
    if (multiplier === undefined || !isWindow || rate.limit * multiplier <= WINDOW_LIMIT_MAX) continue;
    const at = own === undefined ? ["rateMultiplier"] : ["rates", key, "multiplier"];
    const most = `${WINDOW_LIMIT_MAX} with algorithm: ${rate.algorithm}`;
    report.value([...path, ...at], `Expected a limit of at most ${most}, got ${rate.limit} × ${multiplier} for ${key}`);
  }
}
