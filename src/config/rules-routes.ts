/** Rules for `routes`: each on its own, then against each other. Main thread. */
import type { Path } from "./locate.ts";
import { parseTemplate, type TemplateSegment, templateShape } from "./path-template.ts";
import type { Report } from "./report.ts";
import { checkAccess } from "./rules-access.ts";
import { checkRequire } from "./rules-require.ts";
import { STANDARD } from "./standard.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, MeterPart, RoutePart, View } from "./view.ts";

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
    checkAccess(view, route, report);
    for (const [index, name] of (value.concurrency ?? []).entries())
      known(name, "concurrency limit", [...path, "concurrency", index]);
    checkMeters(view, route, report);
    checkRequire(view, route, report);
    checkAuth(route, report);
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

type Names = Readonly<Record<"upstream" | "concurrency limit", ReadonlySet<string>>>;

function namesOf({ names }: View): Names {
  return {
    upstream: new Set(names.upstreams),
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

function checkAuth({ path, value }: Item<RoutePart>, report: Report): void {
  if (value.auth !== "none") return;
  if (value.require !== undefined)
    report.key([...path, "require"], "Expected no require with auth: none", "nobody is identified");
  const isCharged = Object.values(value.meters ?? {}).some((units) => units !== 0);
  if (isCharged) report.key([...path, "meters"], "Expected no meters with auth: none", "nobody can be charged");
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
