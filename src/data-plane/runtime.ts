/**
 * A snapshot made ready for use: routes compiled, names resolved. Worker thread; built at start and reload, then frozen and
 * swapped in one place (`worker.ts`). A request keeps the runtime it began with.
 */
import type { BlockList } from "node:net";
import type { RouteRate } from "#config/access-settings.ts";
import { type BuiltinRoute, builtinRoutesOf } from "#config/builtin-routes.ts";
import { demandsOn } from "#config/endpoint-rules.ts";
import type { RouteSettings, Settings } from "#config/settings.ts";
import { addressSet } from "#core/addresses.ts";
import { type CounterShape, shapesOf, usageOp } from "#shared/counter-shapes.ts";
import type { Snapshot } from "#shared/messages.ts";
import { ROUTE_METRICS_MAX } from "#shared/metrics-table.ts";
import { type KeyReading, keyReading } from "#data-plane/identity/credentials.ts";
import { type CompiledRate, compileRate } from "#data-plane/policy/rates.ts";
import { compileConcurrency } from "#data-plane/policy/slots.ts";
import type { CompiledRoute, RouteLine } from "#data-plane/route/compiled-route.ts";
import type { RouteMatch } from "#data-plane/route/route-table.ts";
import { Routes } from "#data-plane/route/routes.ts";
import type { TraceIds } from "./trace-ids.ts";
import type { Pools, UpstreamPool } from "#data-plane/upstream/pool.ts";

/** Place in the metrics table for whatever has no place of its own. */
export const OTHER_METRIC = ROUTE_METRICS_MAX - 1;

export interface Runtime {
  readonly version: number;
  readonly epoch: number;
  /** Counters that a charge moves, by meter. */
  readonly shapes: ReadonlyMap<string, readonly CounterShape[]>;
  readonly settings: Settings;
  readonly routes: Routes<CompiledRoute>;
  readonly keys: KeyReading;
  readonly trustedProxies: BlockList;
  readonly traces: TraceIds;
}

export function buildRuntime(snapshot: Snapshot, pools: Pools, control: UpstreamPool, traces: TraceIds): Runtime {
  const { settings } = snapshot;
  const upstreams = pools.replace(Object.values(settings.upstreams), settings.server.limits);
  const own = settings.routes.map((route) => compile(route, snapshot, upstreams));
  const builtin = builtinRoutesOf(settings.server).map((route) => compileBuiltin(route, snapshot, control));
  return Object.freeze({
    version: snapshot.version,
    epoch: snapshot.epoch,
    shapes: shapesOf(settings),
    settings,
    routes: new Routes(settings.server.prefix, builtin, own),
    keys: keyReading(settings.identity.keys),
    trustedProxies: addressSet(settings.server.trustedProxies),
    traces,
  });
}

function compile(
  route: RouteSettings,
  snapshot: Snapshot,
  upstreams: ReadonlyMap<string, UpstreamPool>,
): RouteMatch<CompiledRoute> {
  const { settings } = snapshot;
  const upstream = upstreams.get(route.upstream);
  if (upstream === undefined) throw new Error(`Route ${route.name} has no upstream`);
  const plans = Object.values(settings.plans);
  const compiled: CompiledRoute = {
    name: route.name,
    auth: route.auth,
    acceptsJwt: route.schemes.includes("jwt"),
    acceptsKey: route.schemes.includes("key"),
    require: route.require,
    parameters: parametersOf(route.match.path),
    rates: compileRates(route.rates, settings),
    concurrency: route.concurrency.flatMap((name) => {
      const limit = settings.concurrency[name];
      return limit === undefined ? [] : [compileConcurrency(limit, plans)];
    }),
    ...linesOf(route, settings),
    countWhen: route.countWhen,
    resource: settings.resources[route.require.resource?.kind ?? ""] ?? null,
    learns: settings.resources[route.learns ?? ""] ?? null,
    forgets: route.forgets,
    upstream,
    builtin: false,
    metric: snapshot.routeMetrics[route.name] ?? OTHER_METRIC,
  };
  return { ...route.match, route: Object.freeze(compiled) };
}

const ANSWER_BODY: ReadonlySet<string> = new Set(["response.json", "sse.last", "ndjson.last"]);

/** Constants first: they are settled first. */
function linesOf(route: RouteSettings, settings: Settings): Pick<CompiledRoute, "lines" | "constants" | "readsAnswer"> {
  const lines = Object.entries(route.meters).flatMap(
    ([name, units]): readonly (RouteLine & { measured: boolean })[] => {
      const meter = settings.meters[name];
      if (meter === undefined) return [];
      const fixed = meter.aggregate === "count" ? 1 : units;
      return [{ meter, op: usageOp(meter), units: fixed === "measured" ? 0 : fixed, measured: units === "measured" }];
    },
  );
  const constants = lines.filter((line) => !line.measured);
  const measured = lines.filter((line) => line.measured);
  const readsAnswer =
    route.learns !== null || measured.some(({ meter: { source } }) => ANSWER_BODY.has(source?.kind ?? ""));
  return { lines: [...constants, ...measured], constants: constants.length, readsAnswer };
}

function compileRates(rates: readonly RouteRate[], settings: Settings): readonly CompiledRate[] {
  const plans = Object.values(settings.plans);
  return rates.flatMap(({ name, cost }) => {
    const rate = settings.rates[name];
    return rate === undefined ? [] : [compileRate(rate, cost, plans)];
  });
}

function compileBuiltin(route: BuiltinRoute, snapshot: Snapshot, control: UpstreamPool): RouteMatch<CompiledRoute> {
  const { settings } = snapshot;
  const path = settings.server.prefix + route.path;
  const { schemes, require, rates } = demandsOn(route, settings.endpoints.rules);
  const own = route.permission === null ? [] : [route.permission];
  const compiled: CompiledRoute = {
    name: route.name,
    auth: route.auth,
    acceptsJwt: schemes.includes("jwt"),
    acceptsKey: schemes.includes("key"),
    require: { ...require, permissions: [...own, ...require.permissions] },
    parameters: parametersOf(path),
    rates: compileRates(rates, settings),
    concurrency: [],
    lines: [],
    constants: 0,
    readsAnswer: false,
    countWhen: "not-5xx",
    resource: null,
    learns: null,
    forgets: false,
    upstream: control,
    builtin: true,
    metric: snapshot.routeMetrics[route.name] ?? OTHER_METRIC,
  };
  return {
    host: null,
    path,
    methods: route.method === "GET" ? ["GET", "HEAD"] : [route.method],
    route: Object.freeze(compiled),
  };
}

function parametersOf(path: string): readonly string[] {
  return [...path.matchAll(/\{([^}]+)\}/g)].map(([, name = ""]) => name);
}
