/**
 * From a file without faults to Settings: defaults filled, units turned into numbers, paths made absolute. Main thread.
 * Not here: checks; a value that cannot be read at this point is a bug of the rules and throws.
 */
import os from "node:os";
import path from "node:path";
import { parseMeterSource } from "#core/meter-source.ts";
import { SCHEMES, type ResourceSettings } from "./access-settings.ts";
import { parseAddress } from "./listen-address.ts";
import { normalizeEndpointRule, normalizeRates, normalizeRequire } from "./normalize-access.ts";
import { normalizeIdentity } from "./normalize-identity.ts";
import { normalizeConcurrency, normalizeMeter, normalizeMetering, normalizeRate } from "./normalize-limits.ts";
import { normalizePlans } from "./normalize-plans.ts";
import { durationMs, mapValues, sizeBytes } from "./normalize-values.ts";
import type { GatewayFile } from "./schema.ts";
import { withHead } from "./rules-routes.ts";
import type { RouteSettings, ServerSettings, Settings, StoreSettings, UpstreamSettings } from "./settings.ts";
import { STANDARD } from "./standard.ts";
import type { ResourcePart, RoutePart, UpstreamPart } from "./view.ts";

/** As many as `workers` may name. */
const WORKERS_MAX = 64;
/** Requests that may wait for a connection to a target, by default: as many clients as often come at once. */
const QUEUE_MAX = 1024;

/** Settings of a valid file; `file` is absolute. Not yet frozen. */
export function normalize(config: GatewayFile, file: string): Settings {
  const folder = path.dirname(file);
  const { plans, defaultPlan } = normalizePlans(config);
  return {
    file,
    server: normalizeServer(config.server ?? {}),
    store: normalizeStore(config.store ?? {}, folder),
    identity: normalizeIdentity(config.identity ?? {}, folder),
    roles: config.roles ?? {},
    timeZone: config.timeZone ?? "UTC",
    rates: mapValues(config.rates ?? {}, normalizeRate),
    concurrency: mapValues(config.concurrency ?? {}, normalizeConcurrency),
    meters: mapValues(config.meters ?? {}, normalizeMeter),
    plans,
    defaultPlan,
    upstreams: mapValues(config.upstreams, normalizeUpstream),
    resources: mapValues(config.resources ?? {}, normalizeResource),
    routes: config.routes.map(normalizeRoute),
    endpoints: { rules: (config.endpoints?.rules ?? []).map(normalizeEndpointRule) },
    metering: normalizeMetering(config.metering ?? {}),
    limitHeaders: config.limitHeaders ?? ["draft-10"],
    errors: { format: config.errors?.format ?? "problem", upgradeUrl: config.errors?.upgradeUrl ?? null },
  };
}

function normalizeServer(server: NonNullable<GatewayFile["server"]>): ServerSettings {
  const limits = server.limits ?? {};
  const admin = server.admin === undefined ? STANDARD.admin : server.admin;
  const bodyBytes = limits.bodyBytes === undefined ? "10MiB" : limits.bodyBytes;
  const automatic = Math.min(os.availableParallelism(), WORKERS_MAX);
  return {
    listen: parseAddress(server.listen ?? STANDARD.listen),
    tls: server.tls === undefined ? null : { minVersion: "TLSv1.2", ...server.tls },
    admin: admin === null ? null : parseAddress(admin),
    adminToken: server.adminToken ?? null,
    adminOnListen: server.adminOnListen ?? false,
    prefix: server.prefix ?? STANDARD.prefix,
    workers: typeof server.workers === "number" ? server.workers : automatic,
    lane: server.lane ?? "auto",
    trustedProxies: server.trustedProxies ?? [],
    drainTimeoutMs: durationMs(server.drainTimeout ?? "30s"),
    limits: {
      headerBytesMax: sizeBytes(limits.headerBytes ?? "16KiB"),
      bodyBytesMax: bodyBytes === null ? null : sizeBytes(bodyBytes),
      bodyBytesPerSecond: limits.bodyRate === undefined ? 240 : (limits.bodyRate ?? 0),
      connectionsMax: typeof limits.connections === "number" ? limits.connections : null,
      headerTimeoutMs: durationMs(limits.headerTimeout ?? "10s"),
      idleTimeoutMs: durationMs(limits.idleTimeout ?? "60s"),
      requestTimeoutMs: durationMs(limits.requestTimeout ?? "5m"),
    },
  };
}

function normalizeStore(store: NonNullable<GatewayFile["store"]>, folder: string): StoreSettings {
  const file = path.resolve(folder, (store.url ?? "sqlite:data/tollgate.db").slice("sqlite:".length));
  return { file, dataDir: path.dirname(file), sealingKeys: store.sealingKeys ?? [] };
}

function normalizeUpstream(upstream: UpstreamPart, name: string): UpstreamSettings {
  const connections = upstream.connections ?? 256;
  return {
    name,
    targets: upstream.targets.map((target) =>
      typeof target === "string"
        ? { url: targetUrl(target), weight: 1 }
        : { url: targetUrl(target.url), weight: target.weight ?? 1 },
    ),
    host: upstream.host ?? "preserve",
    credentials: upstream.credentials ?? "strip",
    connectTimeoutMs: durationMs(upstream.connectTimeout ?? "5s"),
    connections,
    queue: {
      max: upstream.queue?.max ?? Math.max(QUEUE_MAX, connections),
      timeoutMs: durationMs(upstream.queue?.timeout ?? "5s"),
    },
  };
}

/** Origin and path as the URL standard spells them, without a last `/`. */
function targetUrl(text: string): string {
  const url = new URL(text);
  return url.origin + url.pathname.replace(/\/+$/, "");
}

function normalizeRoute(route: RoutePart): RouteSettings {
  const charged = Object.entries(route.meters ?? {}).filter(([, units]) => units !== 0);
  return {
    name: route.name,
    match: { host: route.match.host ?? null, path: route.match.path, methods: withHead(route.match.methods) },
    upstream: route.upstream,
    auth: route.auth ?? "required",
    schemes: route.schemes ?? SCHEMES,
    require: normalizeRequire(route.require ?? {}),
    rates: normalizeRates(route.rates),
    concurrency: route.concurrency ?? [],
    meters: Object.fromEntries(charged),
    countWhen: route.countWhen ?? "not-5xx",
    learns: route.learns ?? null,
    forgets: route.forgets !== undefined,
  };
}

function normalizeResource(
  { id = "response.json:id", unknown = "allow" }: ResourcePart,
  kind: string,
): ResourceSettings {
  const source = parseMeterSource(id);
  if (!("path" in source)) throw new Error(`Resource ${kind} has no path`);
  return { kind, path: source.path, unknown };
}
