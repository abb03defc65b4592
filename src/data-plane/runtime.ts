/**
 * A snapshot made ready for use: routes compiled, names resolved. Worker thread; built at start and reload, then frozen and
 * swapped in one place (`worker.ts`). A request keeps the runtime it began with.
 */
import type { BlockList } from "node:net";
import type { RouteSettings, Settings } from "#config/settings.ts";
import { addressSet } from "#core/addresses.ts";
import { BUILTIN_ROUTES } from "#shared/builtin-routes.ts";
import type { Snapshot } from "#shared/messages.ts";
import { ROUTE_METRICS_MAX } from "#shared/metrics-table.ts";
import { compileRate } from "#data-plane/policy/rates.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { RouteMatch } from "#data-plane/route/route-table.ts";
import { Routes } from "#data-plane/route/routes.ts";
import type { TraceIds } from "./trace-ids.ts";
import type { Pools, UpstreamPool } from "#data-plane/upstream/pool.ts";

/** Place in the metrics table for whatever has no place of its own. */
export const OTHER_METRIC = ROUTE_METRICS_MAX - 1;

export interface Runtime {
  readonly version: number;
  readonly settings: Settings;
  readonly routes: Routes<CompiledRoute>;
  readonly trustedProxies: BlockList;
  readonly traces: TraceIds;
}

export function buildRuntime(snapshot: Snapshot, pools: Pools, control: UpstreamPool, traces: TraceIds): Runtime {
  const { settings } = snapshot;
  const upstreams = pools.replace(Object.values(settings.upstreams), settings.server.limits);
  const own = settings.routes.map((route) => compile(route, snapshot, upstreams));
  const builtin = BUILTIN_ROUTES.map((route) => compileBuiltin(route, snapshot, control));
  return Object.freeze({
    version: snapshot.version,
    settings,
    routes: new Routes(settings.server.prefix, builtin, own),
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
    rates: route.rates.flatMap((name) => {
      const rate = settings.rates[name];
      return rate === undefined ? [] : [compileRate(rate, plans)];
    }),
    units: Object.entries(route.meters).map(([meter, units]) => ({ meter, units })),
    countWhen: route.countWhen,
    upstream,
    builtin: false,
    metric: snapshot.routeMetrics[route.name] ?? OTHER_METRIC,
  };
  return { ...route.match, route: Object.freeze(compiled) };
}

function compileBuiltin(
  route: (typeof BUILTIN_ROUTES)[number],
  snapshot: Snapshot,
  control: UpstreamPool,
): RouteMatch<CompiledRoute> {
  const path = snapshot.settings.server.prefix + route.path;
  const compiled: CompiledRoute = {
    name: route.name,
    auth: route.auth,
    acceptsJwt: true,
    acceptsKey: true,
    require: { roles: [], permissions: [], scopes: [], features: [], accountParam: null, ownerParam: null },
    parameters: parametersOf(path),
    rates: [],
    units: [],
    countWhen: "not-5xx",
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
