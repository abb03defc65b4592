/** Rules for `roles`, `rates` and `plans`. Main thread. */
import { bucketOf } from "#core/limits.ts";
import { parseDuration } from "#core/units.ts";
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkDuration } from "./rules-server.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, PlanPart, View } from "./view.ts";

const PERIOD_MS_MAX = 366 * 86_400_000;
/** A rate's state is one 64-bit word of nanoseconds; half of it leaves room for the clock. */
const TOLERANCE_NS_MAX = 2n ** 62n;

/** Permission patterns of every role. */
export function checkRoles({ roles }: View, report: Report): void {
  for (const { path, value } of roles) checkPermissions(value, path, report);
}

/** `*` stands alone or after the last `:`. */
export function checkPermissions(permissions: readonly string[], path: Path, report: Report): void {
  for (const [index, permission] of permissions.entries()) {
    const isPlain = !permission.includes("*");
    if (isPlain || permission === "*" || /^[^*]+:\*$/.test(permission)) continue;
    report.value(
      [...path, index],
      `Expected * alone or at the end after a colon, got ${JSON.stringify(permission)}`,
      'such as "models:*"',
    );
  }
}

/** Periods and bursts that can be counted. */
export function checkRates({ rates }: View, report: Report): void {
  for (const { path, value } of rates) {
    checkDuration(value.per, PERIOD_MS_MAX, [...path, "per"], report);
    checkBurst(value.limit, value.per, value.burst, [...path, "burst"], report);
  }
}

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

function checkPlan({ names, rates }: View, { path, value }: Item<PlanPart>, report: Report): void {
  for (const meter of Object.keys(value.quotas ?? {})) {
    if (names.meters.includes(meter)) continue;
    report.key(
      [...path, "quotas", meter],
      `Unknown meter ${JSON.stringify(meter)}`,
      meanOrList(meter, names.meters, "meters"),
    );
  }
  for (const [rate, figures] of Object.entries(value.rates ?? {})) {
    const at = [...path, "rates", rate];
    if (!names.rates.includes(rate)) {
      report.key(at, `Unknown rate ${JSON.stringify(rate)}`, meanOrList(rate, names.rates, "rates"));
    }
    checkDuration(figures.per, PERIOD_MS_MAX, [...at, "per"], report);
    const per = figures.per ?? rates.find((item) => item.key === rate)?.value.per;
    checkBurst(figures.limit, per, figures.burst, [...at, "burst"], report);
  }
}

function checkBurst(
  limit: number,
  per: string | undefined,
  burst: number | undefined,
  path: Path,
  report: Report,
): void {
  const perMs = per === undefined ? null : parseDuration(per);
  if (perMs === null || perMs > PERIOD_MS_MAX || burst === undefined) return;
  if (bucketOf(limit, perMs, burst).toleranceNs > TOLERANCE_NS_MAX) {
    report.value(path, `Expected a smaller burst: ${burst} take more than a century to come back`);
  }
}
