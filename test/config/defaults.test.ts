import os from "node:os";
import { expect, test } from "vitest";
import { BASE, settingsOf } from "./faults-of.ts";

test("every default of the smallest file", () => {
  expect(settingsOf(BASE)).toEqual({
    file: "/etc/tollgate/gateway.yaml",
    server: {
      listen: { host: "127.0.0.1", port: 8080 },
      tls: null,
      admin: { host: "127.0.0.1", port: 8081 },
      adminToken: null,
      adminOnListen: false,
      prefix: "/_tollgate",
      workers: Math.min(os.availableParallelism(), 64),
      lane: "auto",
      trustedProxies: [],
      drainTimeoutMs: 30_000,
      limits: {
        headerBytesMax: 16_384,
        bodyBytesMax: 10_485_760,
        bodyBytesPerSecond: 240,
        connectionsMax: null,
        headerTimeoutMs: 10_000,
        idleTimeoutMs: 60_000,
        requestTimeoutMs: 300_000,
      },
    },
    store: { file: "/etc/tollgate/data/tollgate.db", dataDir: "/etc/tollgate/data", sealingKeys: [] },
    identity: {
      issuers: [],
      keys: {
        format: { brand: "tg", kind: "sk", length: 38, checksum: true },
        accept: [],
        environments: ["live", "test", "dev"],
        headers: ["authorization", "x-api-key"],
        foreign: [],
        storage: "hash",
        quotaWindows: [],
      },
      members: { firstRoles: [], roles: [], quotaWindows: [] },
      accountHeader: null,
    },
    roles: {},
    timeZone: "UTC",
    rates: {},
    concurrency: {},
    meters: {},
    plans: {
      default: {
        id: "default",
        name: "Default",
        default: true,
        price: null,
        quotas: {},
        rates: {},
        concurrency: {},
        credits: null,
        features: [],
      },
    },
    defaultPlan: "default",
    upstreams: {
      app: {
        name: "app",
        targets: [{ url: "http://127.0.0.1:9000", weight: 1 }],
        host: "preserve",
        credentials: "strip",
        connectTimeoutMs: 5_000,
        connections: 256,
        queue: { max: 1024, timeoutMs: 5_000 },
      },
    },
    resources: {},
    routes: [
      {
        name: "all",
        match: { host: null, path: "/all", methods: null },
        upstream: "app",
        auth: "required",
        schemes: ["jwt", "key"],
        require: {
          roles: [],
          permissions: [],
          scopes: [],
          features: [],
          account: null,
          owner: null,
          own: null,
          resource: null,
        },
        rates: [],
        concurrency: [],
        meters: {},
        countWhen: "not-5xx",
        learns: null,
        forgets: false,
      },
    ],
    endpoints: { rules: [] },
    metering: {
      durability: "process",
      onJournalFailure: "refuse",
      keepJournalMs: 86_400_000,
      bodyCapBytes: 10_485_760,
      events: { late: "own", maxAgeMs: 35 * 86_400_000, maxAheadMs: 300_000 },
    },
    limitHeaders: ["draft-10"],
    errors: { format: "problem", upgradeUrl: null },
  });
});

test("settings are frozen to the bottom", () => {
  const settings = settingsOf(BASE);
  const unfrozen = (value: unknown): boolean =>
    typeof value === "object" && value !== null && (!Object.isFrozen(value) || Object.values(value).some(unfrozen));
  expect(unfrozen(settings)).toBe(false);
});

test("addresses lose their brackets and an empty host means all of IPv4", () => {
  const { server } = settingsOf(`${BASE}server: { listen: "[::1]:8080", admin: ":9091" }\n`);
  expect([server.listen, server.admin]).toEqual([
    { host: "::1", port: 8080 },
    { host: "0.0.0.0", port: 9091 },
  ]);
});

test("null switches the admin listener and the body limit off", () => {
  const { server } = settingsOf(`${BASE}server: { admin: null, limits: { bodyBytes: null } }\n`);
  expect([server.admin, server.limits.bodyBytesMax]).toEqual([null, null]);
});

test("a rate's burst is its limit, and a plan's rate takes the period of the rate", () => {
  const settings = settingsOf(`${BASE}rates:
  api: { limit: 60, per: 1m }
plans:
  free: { default: true, rates: { api: { limit: 5 } } }
`);
  expect(settings.rates.api).toEqual({
    name: "api",
    limit: 60,
    perMs: 60_000,
    burst: 60,
    algorithm: "token-bucket",
    by: ["account"],
    shadow: false,
  });
  expect(settings.plans.free?.rates.api).toEqual({ limit: 5, perMs: 60_000, burst: 5 });
});

test("HEAD comes with GET and meters without units are dropped", () => {
  const settings = settingsOf(`version: 1
meters: { a: {}, b: {} }
upstreams: { app: { targets: [http://127.0.0.1:9000] } }
routes:
  - { name: x, upstream: app, match: { path: /x, methods: [GET, POST] }, meters: { a: 0, b: 2 } }
`);
  expect(settings.routes[0]?.match.methods).toEqual(["GET", "POST", "HEAD"]);
  expect(settings.routes[0]?.meters).toEqual({ b: 2 });
});

test("paths start in the folder of the file and a local issuer signs by itself", () => {
  const settings = settingsOf(`${BASE}store: { url: sqlite:../db/t.db }
identity:
  issuers:
    - { name: disk, issuer: a, jwks: "file:keys.json", audiences: [api] }
    - { name: own, preset: local, audiences: [api] }
`);
  expect(settings.store).toEqual({ file: "/etc/db/t.db", dataDir: "/etc/db", sealingKeys: [] });
  expect(settings.identity.issuers.map(({ issuer, jwks }) => ({ issuer, jwks }))).toEqual([
    { issuer: "a", jwks: { kind: "file", path: "/etc/tollgate/keys.json" } },
    { issuer: "tollgate:local", jwks: { kind: "local" } },
  ]);
});

test("an issuer's defaults are those of the documentation", () => {
  const settings = settingsOf(
    `${BASE}identity: { issuers: [{ name: a, issuer: a, jwks: "https://a.example/k", audiences: [b] }] }\n`,
  );
  expect(settings.identity.issuers[0]).toEqual({
    name: "a",
    preset: "oidc",
    issuer: "a",
    jwks: { kind: "url", url: "https://a.example/k" },
    audiences: ["b"],
    authorizedParties: [],
    tokenUse: "access",
    scopes: [],
    algorithms: ["RS256", "ES256", "EdDSA"],
    types: ["JWT", "at+jwt"],
    clockSkewMs: 0,
    maxLifetimeMs: null,
    required: [],
    claims: {
      user: "sub",
      account: null,
      roles: null,
      permissions: null,
      scopes: "scope",
      plan: null,
      email: "email",
      name: "name",
    },
    roleSource: "token",
  });
});

test("a target is spelled as the URL standard does, without a last slash", () => {
  const settings = settingsOf(BASE.replace("http://127.0.0.1:9000", "http://Example.com:80/Base/"));
  expect(settings.upstreams.app?.targets[0]?.url).toBe("http://example.com/Base");
});

test("an alias stands for the value of its anchor", () => {
  const settings = settingsOf(`${BASE}rates:\n  a: &one { limit: 5, per: 1m }\n  b: *one\n`);
  expect(settings.rates.b).toEqual({ ...settings.rates.a, name: "b" });
});
