/** Tokens as the well-known issuers make them: who calls and what they may, by each preset; and those that are not for us. */
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { askJson, startScene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";
import * as golden from "./golden-tokens.ts";

const key = makeKey("RS256");
const jwks = await startJwks(key);

/** An OpenID provider: its configuration, and its keys. `says` changes what the configuration says. */
async function startProvider(says: (origin: string) => object = () => ({})) {
  const server = await startServer((request, response) => {
    const configuration = { issuer: server.url, jwks_uri: `${server.url}/keys`, ...says(server.url) };
    const isKeys = request.url === "/keys";
    const isConfiguration = request.url === "/.well-known/openid-configuration";
    response.writeHead(isKeys || isConfiguration ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(isKeys ? { keys: [key.jwk] } : configuration));
  });
  return server;
}
const provider = await startProvider();
const impostor = await startProvider(() => ({ issuer: "https://another.example" }));
const elsewhere = await startProvider(() => ({ jwks_uri: "http://keys.example/set" }));

const preset = (name: string, issuer: string, more: object) => ({
  name,
  preset: name,
  issuer,
  jwks: jwks.url,
  ...more,
});
const discovered = (name: string, issuer: string) => ({ name, issuer, audiences: ["api"] });
const scene = await startScene({
  config: {
    identity: {
      issuers: [
        preset("clerk", golden.CLERK_ISSUER, {
          authorizedParties: ["https://app.example.com"],
          claims: { plan: "plan" },
        }),
        preset("auth0", golden.AUTH0_ISSUER, {
          audiences: ["https://api.example.com"],
          authorizedParties: ["webClientId"],
          claims: { account: "org_id", roles: "https://app.example.com/roles" },
        }),
        preset("cognito", golden.COGNITO_ISSUER, { authorizedParties: ["4clientid"] }),
        preset("dynamic", golden.DYNAMIC_ISSUER, { audiences: ["https://app.example.com"] }),
        discovered("found", provider.url),
        discovered("impostor", impostor.url),
        discovered("elsewhere", elsewhere.url),
        { name: "local", preset: "local", audiences: ["api"] },
      ],
    },
    roles: { Editor: ["models:read"] },
    plans: { free: { default: true }, pro: {} },
    routes: ["org:dashboard:read", "org:dashboard:manage", "org:teams:read", "org:teams:manage", "models:read"].map(
      (permission) => ({
        name: permission.replaceAll(":", "-"),
        match: { path: `/${permission.replaceAll(":", "/")}` },
        upstream: "app",
        require: { permissions: [permission] },
      }),
    ),
  },
});
const { gateway } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  for (const server of [jwks, provider, impostor, elsewhere]) await server[Symbol.asyncDispose]();
});

const sign = (claims: object, header: object = {}) => signToken(key, { claims: { ...claims }, header: { ...header } });

async function statusOf(token: string, path: string): Promise<number> {
  return (await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;
}

/** What the gateway makes of a caller; of a refused one `[status, rule]`. */
async function callerBy(token: string) {
  const { status, body } = await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: token });
  if (status !== 200) return [status, body.rule];
  const { externalId } = body.account as Record<string, unknown>;
  return { account: externalId, user: body.user, roles: body.roles, scopes: body.scopes, plan: body.plan };
}

const ORG_PATHS = ["/org/dashboard/read", "/org/dashboard/manage", "/org/teams/read", "/org/teams/manage"];

test("clerk: version 2 with its packed permissions, without an organisation, and version 1", async () => {
  const caller = { account: "user_2abc", user: "user_2abc", roles: ["org:admin"], scopes: [] };
  expect(await callerBy(sign(golden.CLERK_V2))).toEqual({ ...caller, plan: "pro" });
  expect(await callerBy(sign(golden.CLERK_V1))).toEqual({ ...caller, plan: "free" });
  expect(await callerBy(sign(golden.CLERK_V2_ALONE))).toEqual({ ...caller, roles: [], plan: "free" });
  const statuses = (claims: object) => Promise.all(ORG_PATHS.map((path) => statusOf(sign(claims), path)));
  expect(await statuses(golden.CLERK_V2)).toEqual([200, 200, 200, 403]);
  const told = await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: sign(golden.CLERK_V2) });
  expect(told.body.permissions).toEqual(["org:dashboard:manage", "org:dashboard:read", "org:teams:read"]);
  expect(await statuses(golden.CLERK_V1)).toEqual([200, 403, 200, 403]);
  expect(await statuses(golden.CLERK_V2_ALONE)).toEqual([403, 403, 403, 403]);
});

test("clerk: what an organisation gives cannot be claimed beside it; odd bits give nothing", async () => {
  const custom = { org_role: "org:admin", org_permissions: ["org:dashboard:manage"], org_id: "org_2def" };
  expect(await statusOf(sign({ ...golden.CLERK_V2_ALONE, ...custom }), "/org/dashboard/manage")).toBe(403);
  const bits = async (fpm: unknown) =>
    statusOf(sign({ ...golden.CLERK_V2, o: { ...(golden.CLERK_V2.o as object), fpm } }), "/org/dashboard/manage");
  // A version of the future, read as none that is known.
  expect(await statusOf(sign({ ...golden.CLERK_V2, ...custom, v: 3 }), "/org/dashboard/manage")).toBe(403);
  // An OAuth client's access token is by the same key.
  expect(await callerBy(sign(golden.CLERK_V2, { typ: "at+jwt" }))).toEqual([401, "token:typ"]);
  for (const fpm of ["-1", "1e1", "0x3", "", "NaN", "99999999999999999999", 3, null, ["3"]])
    expect(await bits(fpm)).toBe(403);
  expect(await bits("1")).toBe(200);
});

test("auth0: roles under a name with dots and slashes, permissions, organisation; both profiles", async () => {
  const caller = { account: "org_9", user: "auth0|65f1", roles: ["Editor"], plan: "free" };
  const scopes = ["openid", "profile", "read:models"];
  expect(await callerBy(sign(golden.AUTH0))).toEqual({ ...caller, scopes });
  expect(await callerBy(sign(golden.AUTH0_RFC9068, { typ: "at+jwt" }))).toEqual({ ...caller, scopes });
  expect(await statusOf(sign(golden.AUTH0), "/models/read")).toBe(200);
  expect(
    await statusOf(sign({ ...golden.AUTH0, permissions: [], "https://app.example.com/roles": [] }), "/models/read"),
  ).toBe(403);
});

test("cognito: access tokens by their client, groups as roles; an id token is none", async () => {
  expect(await callerBy(sign(golden.COGNITO_ACCESS))).toEqual({
    account: golden.COGNITO_ACCESS.sub,
    user: golden.COGNITO_ACCESS.sub,
    roles: ["Editor"],
    scopes: ["aws.cognito.signin.user.admin"],
    plan: "free",
  });
  expect(await callerBy(sign(golden.COGNITO_ID))).toEqual([401, "token:token_use"]);
});

test("dynamic: an issuer without a scheme; without its scope the login is not complete", async () => {
  const caller = { account: "3f1c", user: "3f1c", roles: [], scopes: ["user:basic"], plan: "free" };
  expect(await callerBy(sign(golden.DYNAMIC))).toEqual(caller);
  expect(await callerBy(sign({ ...golden.DYNAMIC, scope: undefined, scopes: ["user:basic"] }))).toEqual(caller);
});

test.each<[string, object, string]>([
  ["clerk, made for another origin", { ...golden.CLERK_V2, azp: "https://evil.example" }, "token:azp"],
  ["clerk, made for no origin", { ...golden.CLERK_V2, azp: undefined }, "token:azp"],
  ["clerk, pending", { ...golden.CLERK_V2, sts: "pending" }, "token:sts"],
  ["clerk, of no session", { ...golden.CLERK_V2, sid: undefined }, "token:sid"],
  ["clerk, made for an API", { ...golden.CLERK_V2, aud: "convex" }, "token:aud"],
  [
    "clerk, a client's id in place of the origin",
    { ...golden.CLERK_V2, azp: undefined, client_id: "https://app.example.com" },
    "token:azp",
  ],
  ["cognito, bound to another API", { ...golden.COGNITO_ACCESS, aud: "https://other.example" }, "token:aud"],
  ["dynamic, of another site", { ...golden.DYNAMIC, aud: "https://evil.example" }, "token:aud"],
  ["dynamic, both scopes", { ...golden.DYNAMIC, scope: "user:basic requiresAdditionalAuth" }, "token:scope"],
  ["auth0, for another API", { ...golden.AUTH0, aud: "https://other.example" }, "token:aud"],
  ["auth0, of another client", { ...golden.AUTH0, azp: "other" }, "token:azp"],
  [
    "auth0, of another client, although client_id is ours",
    { ...golden.AUTH0, azp: "other", client_id: "webClientId" },
    "token:azp",
  ],
  ["auth0, RFC 9068, of another client", { ...golden.AUTH0_RFC9068, client_id: "other" }, "token:client_id"],
  ["auth0, issuer without its slash", { ...golden.AUTH0, iss: golden.AUTH0_ISSUER.slice(0, -1) }, "token:iss"],
  ["auth0, without the organisation that is its account", { ...golden.AUTH0, org_id: undefined }, "token:org_id"],
  ["cognito, of another client", { ...golden.COGNITO_ACCESS, client_id: "other" }, "token:client_id"],
  [
    "cognito, aud in place of client_id",
    { ...golden.COGNITO_ACCESS, client_id: undefined, aud: "4clientid" },
    "token:client_id",
  ],
  ["cognito, of no use", { ...golden.COGNITO_ACCESS, token_use: undefined }, "token:token_use"],
  ["dynamic, second factor to come", { ...golden.DYNAMIC, scope: "requiresAdditionalAuth" }, "token:scope"],
  ["dynamic, no scope", { ...golden.DYNAMIC, scope: undefined }, "token:scope"],
  ["dynamic, of another environment", { ...golden.DYNAMIC, iss: "app.dynamic.xyz/other" }, "token:iss"],
  ["dynamic, with a scheme", { ...golden.DYNAMIC, iss: `https://${golden.DYNAMIC_ISSUER}` }, "token:iss"],
])("refused with the claim's name: %s", async (_title, claims, rule) => {
  expect(await callerBy(sign(claims))).toEqual([401, rule]);
});

test("oidc: the key set is where the issuer's configuration says, if that is the issuer's own", async () => {
  const of = (issuer: string) => sign({ iss: issuer, aud: "api", sub: "u1" });
  expect(await callerBy(of(provider.url))).toMatchObject({ account: "u1" });
  expect(await callerBy(of(impostor.url))).toEqual([401, "token:kid"]);
  expect(await callerBy(of(elsewhere.url))).toEqual([401, "token:kid"]);
  const reason = (issuer: string) => gateway.logs().findLast((line) => line.issuer === issuer)?.reason;
  expect(await until("it is said", () => reason("impostor"))).toMatch(/is of the issuer "https:\/\/another\.example"/);
  expect(await until("it is said", () => reason("elsewhere"))).toMatch(/jwks_uri that is not https/);
});

test("local: its public keys are where an app can fetch them, and verify its tokens", async () => {
  const made = await gateway.cli("token", "--account", "acme");
  const token = made.stdout.trim().split("\n").at(-1) ?? "";
  expect(await callerBy(token)).toMatchObject({ account: "acme" });
  const answer = await fetch(`${gateway.url}/_tollgate/.well-known/jwks.json`);
  expect([answer.status, answer.headers.get("content-type"), answer.headers.get("cache-control")]).toEqual([
    200,
    "application/jwk-set+json",
    "public, max-age=300",
  ]);
  const { keys } = (await answer.json()) as { keys: { kid: string; d?: string }[] };
  const header = JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString());
  expect([keys.length, keys[0]?.kid, keys[0]?.d]).toEqual([1, header.kid, undefined]);
  // Another gateway, which takes the first one's tokens.
  await using copy = await startServer((_request, response) => response.end(JSON.stringify({ keys })));
  const issuer = { name: "first", issuer: "tollgate:local", jwks: copy.url, audiences: ["api"] };
  await using second = await startScene({ config: { identity: { issuers: [issuer] } } });
  expect((await askJson(`${second.gateway.url}/_tollgate/auth/me`, { bearer: token })).status).toBe(200);
});
