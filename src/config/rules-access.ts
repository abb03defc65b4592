/** Rules for what routes and endpoints alike ask of their callers: roles, permissions, features, credentials, rates. Main thread. */
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkPermissions } from "./rules-roles.ts";
import { meanOrList } from "./suggest.ts";
import type { EndpointRulePart, Item, PlanPart, RatePart, RoutePart, View } from "./view.ts";

export type AccessItem = Item<RoutePart> | Item<EndpointRulePart>;

export function checkAccess(view: View, item: AccessItem, report: Report): void {
  const { path, value } = item;
  const known = (word: string, names: readonly string[], what: string, at: Path) => {
    if (!names.includes(word))
      report.value(at, `Unknown ${what} ${JSON.stringify(word)}`, meanOrList(word, names, `${what}s`));
  };
  for (const [index, rate] of (value.rates ?? []).entries()) {
    const at = [...path, "rates", index];
    if (typeof rate === "string") known(rate, view.names.rates, "rate", at);
    else known(rate.rate, view.names.rates, "rate", [...at, "rate"]);
  }
  for (const [index, role] of (value.require?.roles ?? []).entries())
    known(role, view.names.roles, "role", [...path, "require", "roles", index]);
  checkPermissions(value.require?.permissions ?? [], [...path, "require", "permissions"], report);
  checkRateCosts(view, item, report);
  checkFeatures(view, item, report);
  checkSchemes(view, item, report);
}

/** A request that costs more than a rate ever allows at once would never pass. */
function checkRateCosts({ rates, plans }: View, { path, value }: AccessItem, report: Report): void {
  for (const [index, item] of (value.rates ?? []).entries()) {
    if (typeof item === "string") continue;
    const rate = rates.find(({ key }) => key === item.rate)?.value;
    if (rate === undefined) continue;
    const smallest = Math.min(
      rate.burst ?? rate.limit,
      ...plans.map(({ value: plan }) => mostAtOnce(rate, plan, item.rate)),
    );
    if (item.cost > smallest)
      report.value(
        [...path, "rates", index, "cost"],
        `Expected at most ${smallest}, the least the rate ever allows at once, got ${item.cost}`,
      );
  }
}

/** Requests a plan lets through at once by a rate. */
function mostAtOnce(rate: RatePart, plan: PlanPart, name: string): number {
  const own = plan.rates?.[name];
  if (own?.limit !== undefined) return own.burst ?? own.limit;
  const multiplier = own === undefined ? (plan.rateMultiplier ?? 1) : (own.multiplier ?? 1);
  return Math.max(1, Math.round((rate.burst ?? rate.limit) * multiplier));
}

function checkFeatures({ plans, partial }: View, { path, value }: AccessItem, report: Report): void {
  if (partial.plans) return;
  for (const [index, feature] of (value.require?.features ?? []).entries()) {
    if (plans.some((plan) => plan.value.features?.includes(feature))) continue;
    const known = [...new Set(plans.flatMap((plan) => plan.value.features ?? []))];
    const hint = meanOrList(feature, known, "features");
    report.value([...path, "require", "features", index], `No plan has the feature ${JSON.stringify(feature)}`, hint);
  }
}

function checkSchemes({ issuers, partial }: View, { path, value }: AccessItem, report: Report): void {
  const wantsTokens = value.schemes !== undefined && !value.schemes.includes("key");
  if (!wantsTokens || issuers.length > 0 || partial.issuers) return;
  report.value(
    [...path, "schemes"],
    "Expected an issuer for schemes: [jwt], got none",
    "add one under identity.issuers",
  );
}
