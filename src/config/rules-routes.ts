/** Rules for `routes`: each on its own, then against each other. Main thread. */
import type { Path } from "./locate.ts";
import { parseTemplate, type TemplateSegment, templateShape } from "./path-template.ts";
import type { Report } from "./report.ts";
import { checkRequire } from "./rules-require.ts";
import { STANDARD } from "./standard.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, MeterPart, PlanPart, RatePart, RoutePart, View } from "./view.ts";

/** Names that exist, templates that can be matched, demands that can be met. */
export function checkRoutes(view: View, report: Report): void {
  const names = namesOf(view);
  for (const route of view.routes) {
    const { path, value } = route;
    const known = (word: string, what: keyof Names, at: Path) => {
      if (names[what].has(word)) return;
      const list = [...names[what]];
      report.value(at, `Unknown ${what} ${JSON.stringify(word)}`, meanOrList(word, list, `${what}s`));
    };
    known(value.upstream, "upstream", [...path, "upstream"]);
    for (const [index, rate] of (value.rates ?? []).entries()) {
      if (typeof rate === "string") known(rate, "rate", [...path, "rates", index]);
      else known(rate.rate, "rate", [...path, "rates", index, "rate"]);
    }
    for (const [index, name] of (value.concurrency ?? []).entries())
      known(name, "concurrency limit", [...path, "concurrency", index]);
    checkRateCosts(view, route, report);
    for (const [index, role] of (value.require?.roles ?? []).entries())
      known(role, "role", [...path, "require", "roles", index]);
    checkMeters(view, route, report);
    checkFeatures(view, route, report);
    checkRequire(view, route, report);
    checkAuth(view, route, report);
    checkTemplate(view, route, report);
  }
}

/** Names and matches that two routes share. */
export function checkRoutePairs({ routes }: View, report: Report): void {
  const byName = new Map<string, Item<RoutePart>>();
  const byMatch = new Map<string, Item<RoutePart>>();
  for (const route of routes) {
    const { path, value } = route;
    if (byName.has(value.name))
      report.value([...path, "name"], `Expected another name: the route ${JSON.stringify(value.name)} exists already`);
    else byName.set(value.name, route);
    const twin = firstTwin(byMatch, route);
    if (twin === null) continue;
    const pair = `${JSON.stringify(twin.value.name)} and ${JSON.stringify(value.name)}`;
    report.value(
      [...path, "match", "path"],
      `The routes ${pair} match the same requests`,
      "differ in host, path or methods",
    );
  }
}

type Names = Readonly<Record<"upstream" | "rate" | "role" | "concurrency limit", ReadonlySet<string>>>;

function namesOf({ names }: View): Names {
  return {
    upstream: new Set(names.upstreams),
    rate: new Set(names.rates),
    role: new Set(names.roles),
    "concurrency limit": new Set(names.concurrency),
  };
}

function checkMeters({ names, meters }: View, { path, value }: Item<RoutePart>, report: Report): void {
  for (const [meter, units] of Object.entries(value.meters ?? {})) {
    const at = [...path, "meters", meter];
    if (!names.meters.includes(meter))
      report.key(at, `Unknown meter ${JSON.stringify(meter)}`, meanOrList(meter, names.meters, "meters"));
    const part = meters.find(({ key }) => key === meter)?.value;
    if (part !== undefined) checkUnits(units, part, at, report);
  }
}

function checkUnits(units: number | "measured", meter: MeterPart, path: Path, report: Report): void {
  const isGauge = meter.aggregate === "last";
  if (units === "measured") {
    if (meter.from === undefined)
      report.value(
        path,
        "Expected a number of units: the meter has no from",
        "add from to the meter, such as from: duration",
      );
  } else if (isGauge && meter.from !== undefined) {
    report.value(
      path,
      "Expected measured: this gauge is set by what from says",
      "a gauge without from goes up and down by numbers",
    );
  } else if (units < 0 && !isGauge) {
    report.value(path, `Expected units of 0 or more, got ${units}`, "only a gauge (aggregate: last) is given back");
  }
}

/** A request that costs more than a rate ever allows at once would never pass. */
function checkRateCosts({ rates, plans }: View, { path, value }: Item<RoutePart>, report: Report): void {
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

function checkFeatures({ plans, partial }: View, { path, value }: Item<RoutePart>, report: Report): void {
  if (partial.plans) return;
  for (const [index, feature] of (value.require?.features ?? []).entries()) {
    if (plans.some((plan) => plan.value.features?.includes(feature))) continue;
    const known = [...new Set(plans.flatMap((plan) => plan.value.features ?? []))];
    const hint = meanOrList(feature, known, "features");
    report.value([...path, "require", "features", index], `No plan has the feature ${JSON.stringify(feature)}`, hint);
  }
}

function checkAuth({ issuers, partial }: View, { path, value }: Item<RoutePart>, report: Report): void {
  if (value.auth === "none") {
    if (value.require !== undefined)
      report.key([...path, "require"], "Expected no require with auth: none", "nobody is identified");
    const isCharged = Object.values(value.meters ?? {}).some((units) => units !== 0);
    if (isCharged) report.key([...path, "meters"], "Expected no meters with auth: none", "nobody can be charged");
    return;
  }
  const wantsTokens = value.schemes !== undefined && !value.schemes.includes("key");
  if (wantsTokens && issuers.length === 0 && !partial.issuers) {
    report.value(
      [...path, "schemes"],
      "Expected an issuer for schemes: [jwt], got none",
      "add one under identity.issuers",
    );
  }
}

function checkTemplate({ server }: View, { path, value }: Item<RoutePart>, report: Report): void {
  const at = [...path, "match", "path"];
  const template = parseTemplate(value.match.path);
  if (template.kind === "fault") return report.value(at, template.message, template.hint);
  const prefix = (server.prefix ?? STANDARD.prefix).split("/").slice(1);
  const isOwn = prefix.every((text, index) => isLiteral(template.segments[index], text));
  if (isOwn)
    report.value(
      at,
      `Expected a path outside server.prefix, got ${JSON.stringify(value.match.path)}`,
      "the gateway's own endpoints live there",
    );
}

function isLiteral(segment: TemplateSegment | undefined, text: string): boolean {
  return segment?.kind === "literal" && segment.text === text;
}

/** An earlier route with the same host and template and a method in common; the route is entered for the next ones. */
function firstTwin(byMatch: Map<string, Item<RoutePart>>, route: Item<RoutePart>): Item<RoutePart> | null {
  const { host = "", path, methods } = route.value.match;
  const template = parseTemplate(path);
  if (template.kind === "fault") return null;
  let twin: Item<RoutePart> | null = null;
  for (const method of withHead(methods) ?? ALL_METHODS) {
    const match = `${method} ${host}${templateShape(template.segments)}`;
    twin ??= byMatch.get(match) ?? null;
    if (!byMatch.has(match)) byMatch.set(match, route);
  }
  return twin;
}

const ALL_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;
type Method = (typeof ALL_METHODS)[number];

/** `HEAD` is answered wherever `GET` is. */
export function withHead(methods: readonly Method[] | undefined): readonly Method[] | null {
  if (methods === undefined) return null;
  return methods.includes("GET") && !methods.includes("HEAD") ? [...methods, "HEAD"] : methods;
}
