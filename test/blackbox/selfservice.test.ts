/** The gateway's own endpoints for customers, on the traffic listener: each answers for the caller's account only. */
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { askJson, rows, startScene } from "#test/support/scene.ts";

const jwks = await startJwks(makeKey("ES256"));
const scene = await startScene({
  config: {
    identity: {
      issuers: [
        {
          name: "main",
          issuer: jwks.issuer,
          jwks: jwks.url,
          audiences: ["api"],
          claims: { account: "project", roles: "role" },
        },
      ],
    },
    meters: { api_calls: { description: "Calls" }, tokens: {} },
    plans: {
      free: { name: "Free", default: true, quotas: { api_calls: { limit: 5, per: "month" } } },
      pro: {
        name: "Pro",
        price: { monthly: 2900, yearly: 29_000, currency: "usd" },
        quotas: { api_calls: { limit: null, per: "month" }, tokens: { limit: 1000, per: "day" } },
        features: ["custom_models"],
      },
    },
  },
});
const { gateway, upstream, operator } = scene;
const admin = await operator.key({ roles: ["Admin"] });
const user = await operator.key({ account: admin.account, roles: ["User"], scopes: ["read", "list"] });

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

function own(path: string, bearer?: string, method = "GET", body?: unknown) {
  return askJson(`${gateway.url}/_tollgate${path}`, { method, body, ...(bearer === undefined ? {} : { bearer }) });
}

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);

test("health and readiness need no credentials", async () => {
  expect(await own("/health")).toMatchObject({ status: 200, body: { status: "ok" } });
  expect(await own("/ready")).toMatchObject({ status: 200, body: { status: "ready" } });
});

test.each(["/auth/me", "/api-keys", "/billing/status", "/billing/plans", "/billing/usage"])(
  "%s needs credentials",
  async (path) => {
    const answer = await own(path);
    expect(answer).toMatchObject({ status: 401, body: { error: "credentials_missing" } });
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
  },
);

test("below the prefix an unknown path is 404 and a wrong method 405, even where a route takes everything", async () => {
  expect((await own("/else", admin.secret)).status).toBe(404);
  expect((await own("", admin.secret)).status).toBe(404);
  expect((await own("/auth/me", admin.secret, "POST")).status).toBe(405);
  expect(upstream.count).toBe(0);
});

test("a route that takes everything on a host does not hide the endpoints there", async () => {
  await using other = await startScene({
    config: { routes: [{ name: "host", match: { host: "api.example.com", path: "/**" }, upstream: "app" }] },
  });
  const { line } = await other.operator.key();
  const head = requestHead("GET", "/_tollgate/auth/me", [line, "Host: api.example.com"]);
  const { responses } = await rawExchange(other.gateway.port, head, { responses: 1 });
  expect(responses[0]?.json()).toMatchObject({ plan: "free" });
  expect(other.upstream.count).toBe(0);
});

test("who a key is: its account, roles, what they permit, its scopes and plan", async () => {
  const { body } = await own("/auth/me", user.secret);
  expect(body).toMatchObject({
    account: { id: admin.account, state: "active", name: "A", createdAt: TIME },
    user: null,
    roles: ["User"],
    permissions: ["models:read"],
    scopes: ["read", "list"],
    plan: "free",
    keyId: user.id,
  });
});

test("who a token is: the account and user of its claims, whatever characters they have", async () => {
  const [signer] = jwks.keys;
  if (signer === undefined) throw new Error("No key");
  const project = "Projekt Ü/1, %20";
  const claims = { iss: jwks.issuer, aud: "api", sub: "user|7", project, role: "Admin", scope: "read" };
  const { status, body } = await own("/auth/me", signToken(signer, { claims }));
  expect(status).toBe(200);
  expect(body).toMatchObject({
    account: { externalId: project },
    user: "user|7",
    roles: ["Admin"],
    permissions: ["*"],
    scopes: ["read"],
    keyId: null,
  });
});

test("plans are listed as the file has them, money in minor units", async () => {
  const { body } = await own("/billing/plans", admin.secret);
  expect(body).toEqual({
    data: [
      {
        id: "free",
        name: "Free",
        default: true,
        price: null,
        quotas: [{ meter: "api_calls", limit: 5, per: "month", by: "account", exceed: "block" }],
        credits: null,
        features: [],
      },
      {
        id: "pro",
        name: "Pro",
        default: false,
        price: { monthly: 2900, yearly: 29_000, currency: "usd" },
        quotas: [
          { meter: "api_calls", limit: null, per: "month", by: "account", exceed: "block" },
          { meter: "tokens", limit: 1000, per: "day", by: "account", exceed: "block" },
        ],
        credits: null,
        features: ["custom_models"],
      },
    ],
    nextCursor: null,
  });
  expect((await own("/billing/status", admin.secret)).body).toMatchObject({
    account: admin.account,
    state: "active",
    plan: { id: "free" },
    subscription: null,
  });
});

test("usage says what was used, what is left, and in which window", async () => {
  const key = await operator.key();
  for (let call = 0; call < 3; call++)
    await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } });
  const now = new Date();
  const start = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth())).getTime();
  const end = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1)).getTime();
  const { body } = await own("/billing/usage", key.secret);
  expect(body).toMatchObject({
    account: key.account,
    plan: "free",
    meters: [
      {
        meter: "api_calls",
        used: 3,
        limit: 5,
        remaining: 2,
        exceed: "block",
        window: { kind: "month", start: TIME, end: TIME },
      },
      { meter: "tokens", used: 0, limit: null, remaining: null },
    ],
  });
  expect(
    rows(body, "meters")
      .map(({ window }) => Object(window))
      .map((window) => [Date.parse(window.start), Date.parse(window.end)])[0],
  ).toEqual([start, end]);
});
