/** Sessions: listed as seen, and refused by one or all, on the next request in every worker; however the clocks of issuers stand. */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, answersOfAll, askJson, rows, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const jwks = await startJwks();
const issuers = [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"] }];
const scene = await startScene({
  config: { server: { workers: 2, adminToken: ADMIN_TOKEN }, identity: { issuers } },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const nowS = () => Math.floor(Date.now() / 1000);

function tokenOf(sub: string, more: object = {}): string {
  return jwks.token({ claims: { aud: "api", sub, iat: nowS() - 10, ...more } });
}

const answers = (bearer: string) => answersOfAll(gateway, bearer);

const OK = ["200"];
const REVOKED = ["401 session_revoked session:revoked"];
const DENIED = ["401 session_revoked session:denied"];

async function sessionsOf(user: string) {
  return rows((await operator.call("GET", `/admin/users/${user}/sessions`)).body, "data");
}

const own = (path: string, bearer: string, method = "GET") =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, bearer });

test("a login is one session whatever its tokens; a token without one is a session by its jti or itself", async () => {
  const user = "lists";
  for (const more of [
    { sid: "login-1", iat: nowS() - 60 },
    { sid: "login-1", iat: nowS() - 5, jti: "second" },
    { jti: "lone" },
    { iat: nowS() - 7 },
  ])
    expect(await answers(tokenOf(user, more))).toEqual(OK);
  const seen = await until("three sessions are listed", async () => {
    const list = await sessionsOf(user);
    return list.length === 3 ? list : null;
  });
  const login = seen.find(({ id }) => id === "login-1");
  expect(login).toMatchObject({ issuer: "main", actor: null, address: "127.0.0.1" });
  expect(Date.parse(String(login?.issuedAt))).toBeGreaterThanOrEqual((nowS() - 30) * 1000);
  expect(seen.map(({ id }) => id)).toContain("lone");
  const { body } = await own("/sessions", tokenOf(user, { sid: "login-1" }));
  expect(rows(body, "data").map(({ id }) => id)).toEqual(expect.arrayContaining(["login-1", "lone"]));
});

test("all sessions: every token until now is refused at once, one of the next second is not", async () => {
  const tokens = [tokenOf("all", { sid: "a" }), tokenOf("all", { sid: "b" }), tokenOf("all", { iat: undefined })];
  for (const token of tokens) expect(await answers(token)).toEqual(OK);
  const { body } = await operator.call("DELETE", "/admin/users/all/sessions");
  expect(body).toEqual({ revoked: 3 });
  for (const token of tokens) expect(await answers(token)).toEqual(REVOKED);
  // One that nobody has seen, of before.
  expect(await answers(tokenOf("all", { sid: "c" }))).toEqual(REVOKED);
  expect(await answers(tokenOf("all", { sid: "d", iat: undefined }))).toEqual(REVOKED);
  expect(await answers(tokenOf("all", { sid: "e", iat: nowS() + 2 }))).toEqual(OK);
  expect(await sessionsOf("all").then((list) => list.filter(({ id }) => id !== "e"))).toEqual([]);
  expect(await answers(tokenOf("bystander"))).toEqual(OK);
});

test("an issuer whose clock runs ahead: what was seen is refused, what it issues later is not", async () => {
  const ahead = nowS() + 50;
  const token = tokenOf("ahead", { sid: "a", iat: ahead, exp: ahead + 3600 });
  expect(await answers(token)).toEqual(OK);
  // At once, before any worker would have told by itself.
  expect((await own("/sessions", token, "DELETE")).body).toEqual({ revoked: 1 });
  expect(await answers(token)).toEqual(REVOKED);
  expect(await answers(tokenOf("ahead", { sid: "a", iat: ahead + 1, exp: ahead + 3600 }))).toEqual(OK);
});

test("one session: its tokens are refused, those that come later too; others are not", async () => {
  const tokens = { one: tokenOf("some", { sid: "one" }), two: tokenOf("some", { sid: "two" }) };
  expect(await answers(tokens.one)).toEqual(OK);
  expect(await answers(tokens.two)).toEqual(OK);
  expect(await operator.call("DELETE", "/admin/users/some/sessions/one")).toMatchObject({ body: { revoked: 1 } });
  expect(await answers(tokens.one)).toEqual(DENIED);
  expect(await answers(tokenOf("some", { sid: "one", iat: nowS() }))).toEqual(DENIED);
  expect(await answers(tokens.two)).toEqual(OK);
  expect((await operator.call("DELETE", "/admin/users/some/sessions/one")).status).toBe(404);
  expect(await own("/sessions/two", tokens.two, "DELETE")).toMatchObject({ status: 200 });
  expect(await answers(tokens.two)).toEqual(DENIED);
});

test("a session that leaked is refused before it was ever seen; one user's ids are no other's", async () => {
  await operator.call("POST", "/admin/users", { externalId: "leaky" });
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const deny = (body: object) => operator.call("POST", "/admin/users/leaky/sessions/deny", body);
  expect(await deny({ session: "leaked", expiresAt })).toMatchObject({ status: 200, body: { revoked: 1 } });
  expect(await answers(tokenOf("leaky", { jti: "leaked" }))).toEqual(DENIED);
  expect(await answers(tokenOf("leaky", { jti: "other" }))).toEqual(OK);
  expect(await answers(tokenOf("neighbour", { jti: "leaked" }))).toEqual(OK);
  // One token of a login, by its own id.
  const login = { sid: "login" };
  expect(await answers(tokenOf("leaky", { ...login, jti: "leaked" }))).toEqual(DENIED);
  expect(await answers(tokenOf("leaky", { ...login, jti: "later" }))).toEqual(OK);
  expect((await deny({ session: "x" })).status).toBe(400);
  expect((await deny({ session: "x", expiresAt: "soon" })).status).toBe(400);
  expect((await deny({ session: "x", expiresAt: "2099-01-01T00:00:00Z" })).status).toBe(400);
});

test("a user has a thousand sessions that are refused one by one, no more; those long over are none, and all can still be revoked", async () => {
  const user = text((await operator.call("POST", "/admin/users", { externalId: "full" })).body, "id");
  const HOUR_MS = 3_600_000;
  const put = (ids: string, count: number, expiresMs: number) => {
    const db = new SQLite(join(gateway.dir, "data", "tollgate.db"));
    db.prepare(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
      INSERT INTO sessions (user, id, issuer, account, renewable, expires_ms, first_ms, seen_ms, denied_ms)
      SELECT ?, ? || i, '', '', 0, ?, 1, 1, 1 FROM n`).run(count, user, ids, expiresMs);
    db.close();
  };
  put("over-", 500, Date.now() - 25 * HOUR_MS);
  put("denied-", 999, Date.now() + HOUR_MS);
  const expiresAt = new Date(Date.now() + HOUR_MS).toISOString();
  const deny = (session: string) => operator.call("POST", "/admin/users/full/sessions/deny", { session, expiresAt });
  expect(await deny("last")).toMatchObject({ status: 200 });
  const token = tokenOf("full", { sid: "live" });
  expect(await answers(token)).toEqual(OK);
  for (const refused of [
    await deny("beyond"),
    await operator.call("DELETE", "/admin/users/full/sessions/live"),
    await own("/sessions/live", token, "DELETE"),
  ])
    expect(refused).toMatchObject({
      status: 409,
      body: { error: "conflict", detail: expect.stringContaining("1000") },
    });
  // What is refused already is no more.
  expect(await deny("last")).toMatchObject({ status: 200 });
  expect(await answers(token)).toEqual(OK);
  const { body } = await operator.call("GET", "/admin/users/full");
  expect(body.deniedSessions).toHaveLength(1000);
  expect(body.deniedSessions).not.toContain("over-1");
  expect((await own("/sessions", token, "DELETE")).status).toBe(200);
  expect(await answers(token)).toEqual(REVOKED);
});

test("a session that was refused does not come back by another signature of the same token", async () => {
  const key = makeKey("ES256");
  await using issuer = await startJwks(key);
  const trusted = { name: "ec", issuer: issuer.issuer, jwks: issuer.url, audiences: ["api"] };
  await using other = await startScene({
    config: { server: { workers: 2, adminToken: ADMIN_TOKEN }, identity: { issuers: [trusted] } },
  });
  const token = issuer.token({ claims: { aud: "api", sub: "twice", iat: nowS() - 10 } });
  const ask = async (bearer: string) => (await askJson(`${other.gateway.url}/x`, { bearer })).status;
  expect(await ask(token)).toBe(200);
  const path = "/admin/users/twice/sessions";
  const session = await until("the session is listed", async () => {
    const [first] = rows((await other.operator.call("GET", path)).body, "data");
    return first?.id;
  });
  expect((await other.operator.call("DELETE", `${path}/${String(session)}`)).status).toBe(200);
  expect([await ask(token), await ask(otherSignature(token))]).toEqual([401, 401]);
});

/** Of ECDSA with P-256: (r, n - s) is as good as (r, s). */
function otherSignature(token: string): string {
  const order = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
  const at = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(at), "base64url");
  const s = BigInt(`0x${signature.subarray(32).toString("hex")}`);
  const other = Buffer.from((order - s).toString(16).padStart(64, "0"), "hex");
  return token.slice(0, at) + Buffer.concat([signature.subarray(0, 32), other]).toString("base64url");
}

test("users sign out their own sessions alone; keys have none", async () => {
  const [mine, theirs] = [tokenOf("mine", { sid: "m" }), tokenOf("theirs", { sid: "t" })];
  expect([await answers(mine), await answers(theirs)]).toEqual([OK, OK]);
  expect((await own("/sessions/t", mine, "DELETE")).status).toBe(404);
  const key = await operator.key();
  for (const method of ["GET", "DELETE"])
    expect(await own("/sessions", key.secret, method)).toMatchObject({ status: 403, body: { rule: "caller:user" } });
  expect((await own("/sessions", mine, "DELETE")).status).toBe(200);
  expect([await answers(mine), await answers(theirs)]).toEqual([REVOKED, OK]);
});
