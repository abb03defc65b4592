/**
 * The parts of the file that hold their shape, each with its path, so that meaning is checked even while other parts
 * are broken and all faults come at once. Main thread, pure.
 */
import type { Path } from "./locate.ts";
import type { GatewayFile } from "./schema.ts";

type Present<T> = Exclude<T, undefined>;
export type ServerPart = Partial<Present<GatewayFile["server"]>>;
export type MeteringPart = Partial<Present<GatewayFile["metering"]>>;
export type IdentityPart = Partial<Present<GatewayFile["identity"]>>;
export type IssuerPart = Present<Present<GatewayFile["identity"]>["issuers"]>[number];
export type RatePart = Present<GatewayFile["rates"]>[string];
export type ConcurrencyPart = Present<GatewayFile["concurrency"]>[string];
export type MeterPart = Present<GatewayFile["meters"]>[string];
export type PlanPart = Present<GatewayFile["plans"]>[string];
export type UpstreamPart = GatewayFile["upstreams"][string];
export type ResourcePart = Present<GatewayFile["resources"]>[string];
export type RoutePart = GatewayFile["routes"][number];
export type EndpointRulePart = Present<Present<GatewayFile["endpoints"]>["rules"]>[number];

/** One entry of a section and where it stands. */
export interface Item<T> {
  readonly path: Path;
  /** Its key in a map; its index in a list. */
  readonly key: string;
  readonly value: T;
}

export interface View {
  readonly server: ServerPart;
  /** null: left out, or not written right. */
  readonly timeZone: string | null;
  readonly metering: MeteringPart;
  readonly identity: IdentityPart;
  readonly issuers: readonly Item<IssuerPart>[];
  readonly roles: readonly Item<readonly string[]>[];
  readonly rates: readonly Item<RatePart>[];
  readonly concurrency: readonly Item<ConcurrencyPart>[];
  readonly meters: readonly Item<MeterPart>[];
  readonly plans: readonly Item<PlanPart>[];
  readonly upstreams: readonly Item<UpstreamPart>[];
  readonly resources: readonly Item<ResourcePart>[];
  readonly routes: readonly Item<RoutePart>[];
  readonly endpointRules: readonly Item<EndpointRulePart>[];
  /** Names that are written in a section, of broken entries too. */
  readonly names: Readonly<
    Record<"roles" | "rates" | "concurrency" | "meters" | "plans" | "upstreams" | "resources", readonly string[]>
  >;
  /** Sections of which a part had to be left out: nothing may be concluded from what they lack. */
  readonly partial: Readonly<Record<"listeners" | "issuers" | "plans", boolean>>;
}

/** Leaves out every entry that a bad path touches. */
export function viewOf(data: unknown, badPaths: readonly Path[]): View {
  const bad = prefixes(badPaths);
  const pick = <T>(section: Path, isList = false): readonly Item<T>[] =>
    entries(valueAt(data, section), isList)
      .map(([key, value]) => ({ path: [...section, isList ? Number(key) : key], key, value }))
      .filter((item) => !bad.has(pathKey(item.path)))
      // The section is a map or list as it should be and no fault lies at or below this path, so its schema holds.
      .map((item) => ({ ...item, value: item.value as T }));
  const namesOf = (section: string): readonly string[] => entries(valueAt(data, [section]), false).map(([key]) => key);
  return {
    // As above: only keys without a fault are kept, and every key of `server` is optional.
    server: Object.fromEntries(pick<unknown>(["server"]).map(({ key, value }) => [key, value])) as ServerPart,
    timeZone: textAt(data, "timeZone"),
    metering: Object.fromEntries(pick<unknown>(["metering"]).map(({ key, value }) => [key, value])) as MeteringPart,
    identity: Object.fromEntries(pick<unknown>(["identity"]).map(({ key, value }) => [key, value])) as IdentityPart,
    issuers: pick(["identity", "issuers"], true),
    roles: pick(["roles"]),
    rates: pick(["rates"]),
    concurrency: pick(["concurrency"]),
    meters: pick(["meters"]),
    plans: pick(["plans"]),
    upstreams: pick(["upstreams"]),
    resources: pick(["resources"]),
    routes: routesOf(data, bad),
    endpointRules: pick(["endpoints", "rules"], true),
    names: {
      roles: namesOf("roles"),
      rates: namesOf("rates"),
      concurrency: namesOf("concurrency"),
      meters: namesOf("meters"),
      plans: namesOf("plans"),
      upstreams: namesOf("upstreams"),
      resources: namesOf("resources"),
    },
    partial: {
      listeners: bad.has(pathKey(["server", "listen"])) || bad.has(pathKey(["server", "admin"])),
      issuers: bad.has(pathKey(["identity"])),
      plans: bad.has(pathKey(["plans"])),
    },
  };
}

function textAt(data: unknown, key: string): string | null {
  const value = valueAt(data, [key]);
  return typeof value === "string" ? value : null;
}

/** What a route cannot be understood without; the rest is optional, so a route is looked at without its bad parts. */
const ROUTE_NEEDS = ["name", "match", "upstream"];

function routesOf(data: unknown, bad: ReadonlySet<string>): readonly Item<RoutePart>[] {
  return entries(valueAt(data, ["routes"]), true).flatMap(([key, route]) => {
    const path = ["routes", Number(key)];
    const parts = entries(route, false);
    const good = parts.filter(([name]) => !bad.has(pathKey([...path, name])));
    if (!ROUTE_NEEDS.every((name) => good.some(([known]) => known === name))) return [];
    // Its needed parts are there and hold their shape, and so does every other part that was kept.
    return [{ path, key, value: Object.fromEntries(good) as unknown as RoutePart }];
  });
}

/** Entries of a map, or of a list where a list belongs; none of anything else. */
function entries(value: unknown, isList: boolean): readonly (readonly [string, unknown])[] {
  return typeof value === "object" && value !== null && Array.isArray(value) === isList ? Object.entries(value) : [];
}

function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const step of path) {
    const isOwn = typeof value === "object" && value !== null && Object.hasOwn(value, step);
    value = isOwn ? Object(value)[step] : undefined;
  }
  return value;
}

/** Every bad path and all paths above it. */
function prefixes(paths: readonly Path[]): ReadonlySet<string> {
  return new Set(paths.flatMap((path) => path.map((_, index) => pathKey(path.slice(0, index + 1)))));
}

function pathKey(path: Path): string {
  return path.join("\0");
}
