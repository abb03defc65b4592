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

/** What the client and the app see of a request. */
async function outcome(method: string, target: string, lines: readonly string[]) {
  const answer = await ask(method, target, lines);
  const id = answer.header("x-request-id");
  return {
    status: answer.status,
    type: answer.header("content-type"),
    cache: answer.header("cache-control"),
    challenge: answer.header("www-authenticate"),
    allow: answer.header("allow"),
    body: answer.json(),
    idIsTheHeaders: answer.text().includes(`"request_id":"${id}"`),
    calls: upstream.count,
  };
}

const CHALLENGE = expect.stringMatching(/^Bearer realm="tollgate"/);

/** The outcome of a refusal: a whole problem, and the app never hears of it. */
function refusal(status: number, error: string, rule: string): object {
  const words = expect.stringMatching(/\S/);
  return {
    status,
    type: "application/problem+json",
    cache: "no-store",
    challenge: status === 401 ? CHALLENGE : null,
    allow: status === 405 ? "GET, HEAD, POST" : null,
    body: { type: `urn:tollgate:error:${error}`, title: words, status, detail: words, error, rule, request_id: words },
    idIsTheHeaders: true,
    calls: 0,
  };
}

test("a good token and a good key are let through, so that the refusals below mean something", async () => {
  const lines = [bearer(tokenWith({})), user.line];
  const answers = await Promise.all(lines.map((line) => ask("GET", "/models", [line])));
  expect(answers.map(({ status }) => status)).toEqual([200, 200]);
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
  expect(await outcome("GET", "/models", lines)).toMatchObject(refusal(401, error, rule));
});

test("a key is refused from the moment it expires", async () => {
  const short = await operator.key({ expires: "1s" });
  expect((await ask("GET", "/models", [short.line])).status).toBe(200);
  await until("the key expires", async () => (await ask("GET", "/models", [short.line])).status === 401, 3000);
  upstream.clear();
  expect(await outcome("GET", "/models", [short.line])).toMatchObject(refusal(401, "key_expired", "key:expired"));
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
] as const)("a request for %s (%s %s) is refused", async (_what, method, target, lines, status, error, rule) => {
  expect(await outcome(method, target, lines)).toMatchObject(refusal(status, error, rule));
  expect(gateway.output()).not.toContain(user.secret);
});

test("a route for keys only refuses a good token", async () => {
  const refused = refusal(401, "credentials_invalid", "route:keys");
  expect(await outcome("GET", "/keys-only", [bearer(tokenWith({}))])).toMatchObject(refused);
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
