/** Requests that are refused: the right code, a complete body, and the app never hears of them. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import {
  makeKey,
  signToken,
  signWithPublicKeyAsSecret,
  tamper,
  type TokenParts,
  unsignedToken,
} from "#test/support/jwt.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import type { RawResponse } from "#test/support/raw-response.ts";
import { startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const signer = makeKey("RS256");
const stranger = makeKey("RS256", signer.kid);
const jwks = await startJwks(signer);
const scene = await startScene({
  config: {
    identity: {
      issuers: [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { roles: "role" } }],
    },
    plans: { free: { default: true }, pro: { features: ["custom"] } },
    routes: [
      {
        name: "read",
        match: { path: "/models", methods: ["GET", "POST"] },
        upstream: "app",
        require: { permissions: ["models:read"] },
      },
      { name: "write", match: { path: "/admin/**" }, upstream: "app", require: { permissions: ["models:write"] } },
      { name: "role", match: { path: "/role" }, upstream: "app", require: { roles: ["Admin"] } },
      { name: "scope", match: { path: "/scope" }, upstream: "app", require: { scopes: ["deep"] } },
      { name: "feature", match: { path: "/feature" }, upstream: "app", require: { features: ["custom"] } },
      { name: "own", match: { path: "/accounts/{id}" }, upstream: "app", require: { account: "path.id" } },
      { name: "keys", match: { path: "/keys-only" }, upstream: "app", schemes: ["key"] },
    ],
  },
});
const { gateway, upstream, operator } = scene;
const user = await operator.key({ roles: ["User"] });
const narrow = await operator.key({ roles: ["User"], scopes: ["shallow"] });
const revoked = await operator.key();
await operator.call("DELETE", `/admin/keys/${revoked.id}`);

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});
beforeEach(() => upstream.clear());

const claims = { iss: jwks.issuer, aud: "api", sub: "u1", role: "User" };
const inS = (seconds: number) => Math.floor(Date.now() / 1000) + seconds;

function bearer(token: string): string {
  return `Authorization: Bearer ${token}`;
}

/** A token as it should be but for `parts`. */
function tokenWith({ header = {}, claims: other = {} }: TokenParts): string {
  return signToken(signer, { header, claims: { ...claims, ...other } });
}

async function ask(method: string, target: string, lines: readonly string[]): Promise<RawResponse> {
  const { responses } = await rawExchange(gateway.port, requestHead(method, target, lines), {
    responses: 1,
    methods: [method],
  });
  const [response] = responses;
  if (response === undefined) throw new Error("No answer");
  return response;
}

/** The answer is a whole problem with these, and the app got nothing. */
function expectRefused(answer: RawResponse, status: number, error: string, rule: string): void {
  expect(answer.json()).toMatchObject({
    type: `urn:tollgate:error:${error}`,
    title: expect.stringMatching(/\S/),
    status,
    detail: expect.stringMatching(/\S/),
    error,
    rule,
    request_id: answer.header("x-request-id"),
  });
  expect(answer.status).toBe(status);
  expect(answer.header("content-type")).toBe("application/problem+json");
  expect(answer.header("cache-control")).toBe("no-store");
  if (status === 401) expect(answer.header("www-authenticate")).toMatch(/^Bearer realm="tollgate"/);
  else expect(answer.header("www-authenticate")).toBeNull();
  expect(upstream.count).toBe(0);
}

test("a good token and a good key are let through, so that the refusals below mean something", async () => {
  for (const line of [bearer(tokenWith({})), user.line]) expect((await ask("GET", "/models", [line])).status).toBe(200);
});

test.each([
  ["no credentials", [], "credentials_missing", "route:read"],
  ["garbage", [bearer("garbage")], "credentials_invalid", "token:form"],
  ["another scheme", ["Authorization: Basic YTpi"], "credentials_invalid", "credential:scheme"],
  ["an empty token", ["Authorization: Bearer "], "credentials_invalid", "credential:scheme"],
  ["a made-up key", [bearer("tg_sk_live_0000000000000000000000000000")], "credentials_invalid", "key:format"],
  [
    "another key's bytes",
    [bearer(`${user.secret.slice(0, -1)}${user.secret.endsWith("a") ? "b" : "a"}`)],
    "credentials_invalid",
    "key:format",
  ],
  ["a bad signature", [bearer(signToken(stranger, { claims }))], "credentials_invalid", "token:signature"],
  [
    "claims under another signature",
    [bearer(tamper(tokenWith({}), { ...claims, role: "Admin", exp: inS(60) }))],
    "credentials_invalid",
    "token:signature",
  ],
  ["alg none", [bearer(unsignedToken({ ...claims, exp: inS(60) }))], "credentials_invalid", "token:encoding"],
  ["alg none and a signature", [bearer(tokenWith({ header: { alg: "none" } }))], "credentials_invalid", "token:alg"],
  [
    "alg HS256 signed with the public key",
    [bearer(signWithPublicKeyAsSecret(signer, { ...claims, exp: inS(60) }))],
    "credentials_invalid",
    "token:alg",
  ],
  [
    "an algorithm that is not the key's",
    [bearer(tokenWith({ header: { alg: "ES256" } }))],
    "credentials_invalid",
    "token:kid",
  ],
  [
    "another issuer",
    [bearer(tokenWith({ claims: { iss: "https://else.example" } }))],
    "credentials_invalid",
    "token:iss",
  ],
  ["no issuer", [bearer(tokenWith({ claims: { iss: undefined } }))], "credentials_invalid", "token:iss"],
  ["another audience", [bearer(tokenWith({ claims: { aud: "web" } }))], "credentials_invalid", "token:aud"],
  ["no audience", [bearer(tokenWith({ claims: { aud: undefined } }))], "credentials_invalid", "token:aud"],
  ["a token past its end", [bearer(tokenWith({ claims: { exp: inS(-1) } }))], "token_expired", "token:exp"],
  ["a token without an end", [bearer(tokenWith({ claims: { exp: undefined } }))], "credentials_invalid", "token:exp"],
  [
    "a token that is not valid yet",
    [bearer(tokenWith({ claims: { nbf: inS(60) } }))],
    "credentials_invalid",
    "token:nbf",
  ],
  [
    "a token without a subject",
    [bearer(tokenWith({ claims: { sub: undefined } }))],
    "credentials_invalid",
    "token:sub",
  ],
  ["a critical extension", [bearer(tokenWith({ header: { crit: ["exp"] } }))], "credentials_invalid", "token:header"],
  ["a revoked key", [revoked.line], "key_revoked", "key:revoked"],
] as const)("a request with %s is refused with 401", async (_what, lines, error, rule) => {
  expectRefused(await ask("GET", "/models", lines), 401, error, rule);
});

test("a key is refused from the moment it expires", async () => {
  const short = await operator.key({ expires: "1s" });
  expect((await ask("GET", "/models", [short.line])).status).toBe(200);
  await until("the key expires", async () => (await ask("GET", "/models", [short.line])).status === 401, 3000);
  upstream.clear();
  expectRefused(await ask("GET", "/models", [short.line]), 401, "key_expired", "key:expired");
});

test.each([
  ["a permission the caller lacks", "GET", "/admin/x", [user.line], 403, "permission_denied", "route:write"],
  ["a role the caller lacks", "GET", "/role", [user.line], 403, "permission_denied", "route:role"],
  ["a scope the key lacks", "GET", "/scope", [narrow.line], 403, "permission_denied", "route:scope"],
  ["a feature the plan lacks", "GET", "/feature", [user.line], 403, "feature_not_in_plan", "route:feature"],
  ["another account's path", "GET", "/accounts/acct_other", [user.line], 403, "tenant_mismatch", "route:own"],
  ["a path no route takes", "GET", "/unknown", [user.line], 404, "route_not_found", "route:none"],
  ["a path below a route's", "GET", "/models/x", [user.line], 404, "route_not_found", "route:none"],
  ["a method the route does not take", "DELETE", "/models", [user.line], 405, "method_not_allowed", "route:method"],
  [
    "credentials in two headers",
    "GET",
    "/models",
    [user.line, `X-API-Key: ${user.secret}`],
    400,
    "malformed_request",
    "credential:two-places",
  ],
  [
    "a key in the query string",
    "GET",
    `/models?api_key=${user.secret}`,
    [],
    400,
    "malformed_request",
    "credential:query",
  ],
] as const)(
  "a request for %3$s with %0$s is refused with %4$i",
  async (_what, method, target, lines, status, error, rule) => {
    const answer = await ask(method, target, lines);
    expectRefused(answer, status, error, rule);
    if (status === 405) expect(answer.header("allow")).toBe("GET, HEAD, POST");
    expect(gateway.output()).not.toContain(user.secret);
  },
);

test("a route for keys only refuses a good token", async () => {
  expectRefused(await ask("GET", "/keys-only", [bearer(tokenWith({}))]), 401, "credentials_invalid", "route:keys");
});

test.each(["X-Tollgate-Account", "x-TOLLGATE-roles", "X-Tollgate-Permissions", "X-Consumer-Id", "X-User-Id"])(
  "a client's own %s does not reach the app",
  async (name) => {
    expect((await ask("GET", "/models", [user.line, `${name}: forged`, "X-Kept: 1"])).status).toBe(200);
    expect(upstream.last().head).not.toContain("forged");
    expect(upstream.last().headers).toMatchObject({
      "x-kept": "1",
      "x-tollgate-account": user.account,
      "x-tollgate-roles": "User",
    });
  },
);

test.each([
  ["written with underscores", ["X_Tollgate_Account: forged"], "header:underscore"],
  ["written with one underscore", ["X-Tollgate_Account: forged"], "header:underscore"],
  ["written with dots", ["X.Tollgate.Account: forged"], "header:twin"],
  ["named in Connection", ["Connection: close, X-Tollgate-Account"], "header:connection"],
  ["named in Connection with underscores", ["Connection: X_Tollgate_Roles"], "header:connection"],
])("an identity header %s is refused", async (_how, lines, rule) => {
  expectRefused(await ask("GET", "/models", [user.line, ...lines]), 400, "malformed_request", rule);
});

test("refusals are logged with the rule, without the credential and without the query", async () => {
  await ask("GET", "/admin/x?secret=1", [user.line, "X-Request-Id: logged-1"]);
  const line = await until("the line is logged", () => gateway.logs().find((one) => one.request_id === "logged-1"));
  expect(line).toMatchObject({
    event: "refused",
    code: "permission_denied",
    reason: "route:write",
    method: "GET",
    path: "/admin/x",
  });
  expect(gateway.output()).not.toContain("secret=1");
});

test("errors.format plain gives short bodies", async () => {
  await using plain = await startScene({ config: { errors: { format: "plain" } } });
  const answer = await fetch(`${plain.gateway.url}/a`);
  expect(answer.status).toBe(401);
  expect(answer.headers.get("content-type")).toBe("application/json");
  expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="tollgate"');
  expect(await answer.json()).toEqual({
    error: "credentials_missing",
    message: expect.stringMatching(/\S/),
    rule: "route:all",
    request_id: answer.headers.get("x-request-id"),
  });
});
