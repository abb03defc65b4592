/** Impersonation: a short token that says both whom it acts as and who acts; it reads, changes nothing at the gateway, and is written down. */
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { ADMIN_TOKEN, askJson, rows, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const jwks = await startJwks();
const claims = { account: "org", roles: "roles" };
const main = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims };
const local = { name: "local", preset: "local", audiences: ["api", "app"], claims };
const roles = {
  Owner: ["*", "tollgate:members:*"],
  Boss: ["tollgate:*"],
  Support: ["tollgate:users:read", "tollgate:users:impersonate"],
};
const server = { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true };
const scene = await startScene({ config: { server, identity: { issuers: [main, local] }, roles } });
const byList = await startScene({
  config: {
    server,
    roles,
    identity: {
      issuers: [
        { ...main, roleSource: "members" },
        { ...local, roleSource: "members" },
      ],
      members: { firstRoles: ["Owner"] },
      accountHeader: "x-account",
    },
  },
});
const { gateway, operator, upstream } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await byList[Symbol.asyncDispose]();
  await jwks.close();
});

const tokenOf = (sub: string, more: object = {}) =>
  jwks.token({ claims: { aud: "api", sub, org: `${sub}-org`, ...more } });

function own(bearer: string, method = "GET", path = "/auth/me", body?: unknown) {
  return askJson(`${gateway.url}/_tollgate${path}`, { method, body, bearer });
}

/** The payload of a token. */
function payloadOf(token: string): Readonly<Record<string, unknown>> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8"));
}

/** A user who has been seen, and a token of an operator who acts as them. */
async function impersonated(sub: string, body: object = {}) {
  expect((await own(tokenOf(sub))).status).toBe(200);
  const made = await operator.call("POST", `/admin/users/${sub}/impersonate`, { reason: "ticket 7", ...body });
  expect(made).toMatchObject({ status: 201, body: { account: `${sub}-org` } });
  expect(made.headers.get("cache-control")).toBe("no-store");
  return made.body;
}

test("the token acts as the user and says who acts: to the app, to the caller, in the log and in the user's sessions", async () => {
  const made = await impersonated("ada", { roles: ["Owner"] });
  const token = text(made, "token");
  const { exp, iat, ...said } = payloadOf(token);
  expect(said).toMatchObject({
    sub: "ada",
    org: "ada-org",
    act: { sub: "operator", kind: "operator" },
    jti: made.session,
  });
  expect(Number(exp) - Number(iat)).toBe(600);
  expect((await own(token)).body).toMatchObject({ user: "ada", actor: "operator", roles: ["Owner"] });
  expect((await own(tokenOf("ada"))).body).toMatchObject({ user: "ada", actor: null });
  await fetch(`${gateway.url}/x`, { headers: { authorization: `Bearer ${token}`, "x-tollgate-actor": "nobody" } });
  expect(upstream.last().headers).toMatchObject({ "x-tollgate-user": "ada", "x-tollgate-actor": "operator" });
  await fetch(`${gateway.url}/x`, {
    headers: { authorization: `Bearer ${tokenOf("ada")}`, "x-tollgate-actor": "nobody" },
  });
  expect(upstream.last().headers["x-tollgate-actor"]).toBeUndefined();
  const { body } = await operator.call("GET", "/admin/audit?action=user.impersonated");
  expect(rows(body, "data")[0]).toMatchObject({
    actor: { kind: "operator" },
    after: { reason: "ticket 7", account: "ada-org", roles: ["Owner"], session: made.session },
  });
  expect(JSON.stringify(body)).not.toContain(token);
  const session = await until("the session is listed", async () => {
    const list = rows((await own(tokenOf("ada"), "GET", "/sessions")).body, "data");
    return list.find(({ id }) => id === made.session);
  });
  expect(session).toMatchObject({ issuer: "local", actor: "operator" });
});

test("who acts as another changes nothing at the gateway, and the user can end it", async () => {
  const token = text(await impersonated("ben", { roles: ["Boss"] }), "token");
  for (const [method, path, body] of [
    ["POST", "/api-keys", {}],
    ["DELETE", "/api-keys/key_x", undefined],
    ["DELETE", "/sessions", undefined],
    ["POST", "/members", { user: "x" }],
    ["POST", "/invitations", { roles: [] }],
    ["PUT", "/billing/spend-cap", {}],
    ["POST", "/admin/users/ben/impersonate", { reason: "again" }],
    ["POST", "/admin/users", { externalId: "y" }],
  ] as const)
    expect(await own(token, method, path, body)).toMatchObject({ status: 403, body: { rule: "actor:impersonated" } });
  expect((await own(token, "GET", "/api-keys")).status).toBe(200);
  const clerkLike = tokenOf("ben", { act: { sub: "user_admin", iss: "elsewhere" } });
  expect((await own(clerkLike)).body).toMatchObject({ user: "ben", actor: "user_admin" });
  expect(await own(clerkLike, "POST", "/api-keys", {})).toMatchObject({ status: 403 });
  for (const act of ["user_admin", { sub: "" }, { sub: 5.5 }, null])
    expect((await own(tokenOf("ben", { act }))).body).toMatchObject({ actor: null });
  await own(tokenOf("ben"), "DELETE", "/sessions");
  expect(await own(token)).toMatchObject({ status: 401, body: { error: "session_revoked" } });
});

test("nobody gets by it what they may not hand out", async () => {
  await own(tokenOf("boss"));
  const support = await operator.key({ roles: ["Support"] });
  const ask = (body: object) => own(support.secret, "POST", "/admin/users/boss/impersonate", { reason: "r", ...body });
  expect(await ask({ roles: ["Boss"] })).toMatchObject({ status: 403, body: { rule: "roles:beyond" } });
  const plain = await ask({});
  expect(plain.status).toBe(201);
  expect(payloadOf(text(plain.body, "token")).act).toEqual({ sub: support.id, kind: "key" });
});

test("with roleSource members the roles are the member's", async () => {
  const token = tokenOf("eve");
  const ask = (bearer: string) => askJson(`${byList.gateway.url}/_tollgate/auth/me`, { bearer });
  expect((await ask(token)).body).toMatchObject({ roles: ["Owner"] });
  const path = "/admin/users/eve/impersonate";
  const made = await byList.operator.call("POST", path, { reason: "r" });
  expect(made.body).toMatchObject({ roles: ["Owner"] });
  expect((await ask(text(made.body, "token"))).body).toMatchObject({
    user: "eve",
    actor: "operator",
    roles: ["Owner"],
  });
  const named = await byList.operator.call("POST", path, { reason: "r", roles: ["Boss"] });
  expect(named).toMatchObject({ status: 400, body: { path: "body/roles" } });
});

test("who acts as a user in one account is not let into others of theirs by the account header", async () => {
  const ask = (bearer: string, account: string) =>
    fetch(`${byList.gateway.url}/_tollgate/auth/me`, {
      headers: { authorization: `Bearer ${bearer}`, "x-account": account },
    });
  for (const org of ["day-job", "staff"])
    await askJson(`${byList.gateway.url}/_tollgate/auth/me`, { bearer: tokenOf("fay", { org }) });
  await byList.operator.call("PATCH", "/admin/accounts/staff/members/fay", { roles: ["Boss"] });
  const support = await byList.operator.key({ roles: ["Owner", "Support"] });
  const begin = (account: string) =>
    askJson(`${byList.gateway.url}/_tollgate/admin/users/fay/impersonate`, {
      method: "POST",
      bearer: support.secret,
      body: { reason: "r", account },
    });
  expect(await begin("staff")).toMatchObject({ status: 403, body: { rule: "roles:beyond" } });
  const made = await begin("day-job");
  expect(made).toMatchObject({ status: 201, body: { roles: ["Owner"] } });
  const token = text(made.body, "token");
  expect((await ask(token, "day-job")).status).toBe(200);
  expect((await ask(token, "staff")).status).toBe(403);
  expect((await ask(tokenOf("fay", { org: "day-job" }), "staff")).status).toBe(200);
});

test("what cannot be: no reason, too long, no such user or account, one of several, a suspended user", async () => {
  await own(tokenOf("many"));
  const ask = async (body: object, user = "many") => {
    const answer = await operator.call("POST", `/admin/users/${user}/impersonate`, body);
    return [answer.status, answer.body.path ?? answer.body.rule];
  };
  expect(await ask({})).toEqual([400, "body/reason"]);
  expect(await ask({ reason: "" })).toEqual([400, "body/reason"]);
  expect(await ask({ reason: "r", ttl: "61m" })).toEqual([400, "body/ttl"]);
  expect(await ask({ reason: "r", ttl: "1d" })).toEqual([400, "body/ttl"]);
  expect(await ask({ reason: "r", roles: ["None"] })).toEqual([400, "body/roles"]);
  expect(await ask({ reason: "r" }, "nobody")).toEqual([404, "user:id"]);
  expect(await ask({ reason: "r", account: "ada-org" })).toEqual([404, "account:member"]);
  await own(tokenOf("many", { org: "second-org" }));
  expect(await ask({ reason: "r" })).toEqual([400, "body/account"]);
  expect(await ask({ reason: "r", account: "second-org" })).toEqual([201, undefined]);
  await operator.call("PATCH", "/admin/users/many", { state: "suspended" });
  expect(await ask({ reason: "r", account: "second-org" })).toEqual([409, "user:state"]);
  await operator.call("POST", "/admin/users", { externalId: "alone" });
  expect(await ask({ reason: "r" }, "alone")).toEqual([409, "account:member"]);
});

test("without an issuer of its own the gateway makes no tokens, and says what is missing", async () => {
  await using other = await startScene({ config: { server, identity: { issuers: [main] }, roles } });
  await other.operator.call("POST", "/admin/users", { externalId: "u" });
  const answer = await other.operator.call("POST", "/admin/users/u/impersonate", { reason: "r" });
  expect(answer).toMatchObject({ status: 409, body: { rule: "issuer:local" } });
  expect(answer.body.detail).toContain("preset: local");
});
