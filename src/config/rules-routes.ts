/** Rules for `routes`: each on its own, then against each other. Main thread. */
import type { Path } from "./locate.ts";
import { parseTemplate, type TemplateSegment, templateShape } from "./path-template.ts";
import type { Report } from "./report.ts";
import { checkPermissions } from "./rules-plans.ts";
import { STANDARD } from "./standard.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, RoutePart, View } from "./view.ts";

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
    for (const [index, rate] of (value.rates ?? []).entries()) known(rate, "rate", [...path, "rates", index]);
    for (const [index, role] of (value.require?.roles ?? []).entries())
      known(role, "role", [...path, "require", "roles", index]);
    checkMeters(view, route, report);
    checkFeatures(view, route, report);
    checkPermissions(value.require?.permissions ?? [], [...path, "require", "permissions"], report);
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

type Names = Readonly<Record<"upstream" | "rate" | "role", ReadonlySet<string>>>;

function namesOf({ names }: View): Names {
  return { upstream: new Set(names.upstreams), rate: new Set(names.rates), role: new Set(names.roles) };
}

function checkMeters({ names }: View, { path, value }: Item<RoutePart>, report: Report): void {
  for (const meter of Object.keys(value.meters ?? {})) {
    if (names.meters.includes(meter)) continue;
    report.key(
      [...path, "meters", meter],
      `Unknown meter ${JSON.stringify(meter)}`,
      meanOrList(meter, names.meters, "meters"),
    );
  }
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
    const isCharged = Object.values(value.meters ?? {}).some((units) => units > 0);
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
  const parameters = template.segments.flatMap((segment) => (segment.kind === "parameter" ? [segment.name] : []));
  for (const key of ["account", "owner"] as const) {
    const name = value.require?.[key]?.slice("path.".length);
    if (name === undefined || parameters.includes(name)) continue;
    const hint =
      parameters.length === 0 ? `the path has none; write {${name}}` : meanOrList(name, parameters, "parameters");
    report.value([...path, "require", key], `Unknown path parameter ${JSON.stringify(name)}`, hint);
  }
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
