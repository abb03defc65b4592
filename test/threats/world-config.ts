/** The gateway.yaml of the shared worlds: one route for each way in which a route can let people in. Pure. */
import type { Lane } from "#test/support/lanes.ts";
import type { JwksServer } from "#test/support/jwks.ts";
import type { TestKey } from "#test/support/jwt.ts";

/** Long and random enough for the gateway; a constant, so that no test has to read it from a terminal. */
export const ADMIN_TOKEN = "7f1c0e9ab35d48c26e71f0a4d9b8c3e5";

export const STRICT_ISSUER = "https://strict.example";

export interface WorldOptions {
  /** Left out: the one of this run (TOLLGATE_LANE). */
  readonly lane?: Lane;
  /** The issuer's keys; the first signs. */
  readonly keys?: readonly TestKey[];
  readonly workers?: number;
  readonly server?: Readonly<Record<string, unknown>>;
  /** Comes behind the origin in the first issuer's `iss`. */
  readonly issuerSuffix?: string;
  /** Changes of the first issuer. */
  readonly issuer?: Readonly<Record<string, unknown>>;
}

interface Surroundings {
  readonly upstream: string;
  /** The app of `/wire/**`; left out: the upstream's. */
  readonly wire?: string;
  readonly jwks: JwksServer;
}

export function worldConfig(
  { upstream, wire, jwks }: Surroundings,
  options: WorldOptions = {},
): Record<string, unknown> {
  const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, ...issuerRules(), ...options.issuer };
  const strict = { name: "strict", issuer: STRICT_ISSUER, jwks: jwks.url, ...issuerRules() };
  return {
    server: {
      adminToken: ADMIN_TOKEN,
      workers: options.workers ?? 1,
      ...(options.lane === undefined ? {} : { lane: options.lane }),
      ...options.server,
    },
    identity: {
      issuers: [issuer, { ...strict, types: ["at+jwt"], clockSkew: "30s", maxLifetime: "1h", required: ["jti"] }],
    },
    roles: { Admin: ["*"], Editor: ["models:delete"], User: ["models:read"], Operator: ["calls:read:own"] },
    rates: { once: { limit: 1, per: "1d", burst: 1, by: "ip" }, many: { limit: 100_000, per: "1s", by: "account" } },
    meters: { api_calls: {} },
    plans: { free: { default: true, quotas: { api_calls: { limit: 10_000_000, per: "month" } } } },
    upstreams: {
      app: { targets: [upstream] },
      trusting: { targets: [upstream], credentials: "pass" },
      based: { targets: [`${upstream}/base`] },
      // One connection: what stays on it would be the next request's.
      several: { targets: [wire ?? upstream] },
      wire: { targets: [wire ?? upstream], connections: 1 },
    },
    resources: { things: {} },
    routes: ROUTES,
  };
}

function issuerRules(): Record<string, unknown> {
  return { audiences: ["api"], claims: { account: "project", roles: "role", permissions: "permissions" } };
}

const charged = { upstream: "app", meters: { api_calls: 1 } };

const ROUTES = [
  { name: "public", match: { path: "/public/**" }, auth: "none", upstream: "app" },
  { name: "optional", match: { path: "/optional/**" }, auth: "optional", ...charged },
  { name: "private", match: { path: "/private/**" }, ...charged },
  { name: "limited", match: { path: "/limited/**" }, rates: ["many"], ...charged },
  { name: "once", match: { path: "/once/**" }, rates: ["once"], ...charged },
  { name: "passing", match: { path: "/passing/**" }, ...charged, upstream: "trusting" },
  { name: "wire", match: { path: "/wire/**" }, ...charged, upstream: "wire" },
  { name: "several", match: { path: "/several/**" }, ...charged, upstream: "several" },
  { name: "based", match: { path: "/based/**" }, ...charged, upstream: "based" },
  { name: "hosted", match: { host: "hosted.example", path: "/hosted/**" }, ...charged },
  { name: "tokens", match: { path: "/tokens/**" }, schemes: ["jwt"], ...charged },
  { name: "keys", match: { path: "/keys/**" }, schemes: ["key"], ...charged },
  { name: "tenant", match: { path: "/tenants/{account}/**" }, require: { account: "path.account" }, ...charged },
  { name: "usage", match: { path: "/usage" }, require: { account: "query.consumer" }, ...charged },
  { name: "reports", match: { path: "/reports" }, require: { account: "header.x-org" }, ...charged },
  {
    name: "calls",
    match: { path: "/calls" },
    require: { permissions: ["calls:read"], own: "query.ownerId" },
    ...charged,
  },
  {
    name: "thing",
    match: { path: "/things/{id}" },
    require: { resource: { kind: "things", id: "path.id" } },
    ...charged,
  },
  { name: "boss", match: { path: "/boss" }, require: { roles: ["Admin"] }, ...charged },
  {
    name: "read",
    match: { path: "/models/{id}", methods: ["GET"] },
    require: { permissions: ["models:read"] },
    ...charged,
  },
  {
    name: "delete",
    match: { path: "/models/{id}", methods: ["DELETE"] },
    require: { permissions: ["models:delete"] },
    ...charged,
  },
];
