/** One change of thousands of users of a real gateway: as the dry run said, all or nothing, each with its entry, in force at once in all workers. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDatabase } from "#control-plane/store/database.ts";
import { startJwks } from "#test/support/jwks.ts";
import { ADMIN_TOKEN, answersOfAll, askJson, rows, startScene, text } from "#test/support/scene.ts";
import { crashBulkDeletion } from "./bulk-crash.ts";

const COUNT = 10_000;
const jwks = await startJwks();
const claims = { account: "org", roles: "roles" };
const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims };
const config = {
  server: { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true },
  identity: { issuers: [issuer] },
  roles: {
    Bulk: ["*", "tollgate:users:bulk"],
    Others: ["*", "tollgate:users:list", "tollgate:users:update"],
    Owner: ["*", "tollgate:members:*"],
  },
};

/** A data folder with so many users of the external ids many-0, many-1, …; all made a key, which made another, and an invitation. */
async function folderOf(count: number): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-users-bulk-"));
  mkdirSync(join(dir, "data"));
  const db = await openDatabase(join(dir, "data", "tollgate.db"));
  const numbers = sql`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count})`;
  await sql`INSERT INTO accounts (id, external_id, name, state, created_at) VALUES ('acct_bulk', 'crowd', 'Crowd', 'active', 1000)`.execute(
    db,
  );
  await sql`${numbers} INSERT INTO users (id, external_id, email, name, state, created_ms)
    SELECT 'user_' || printf('%022d', i), 'many-' || i, 'many' || i || '@x.example', 'Many ' || i, 'active', 1000 + i FROM n`.execute(
    db,
  );
  await sql`INSERT INTO members (account, user, roles, created_ms) SELECT 'acct_bulk', id, '[]', 1000 FROM users`.execute(
    db,
  );
  await sql`${numbers} INSERT INTO api_keys (id, account_id, hash, masked, env, roles, created_at, created_by)
    SELECT 'key_a' || i, 'acct_bulk', 'a' || i, 'm', 'live', '[]', 1000, 'many-' || i FROM n UNION ALL
    SELECT 'key_b' || i, 'acct_bulk', 'b' || i, 'm', 'live', '[]', 1000, 'key_a' || i FROM n`.execute(db);
  await sql`${numbers} INSERT INTO invitations (id, account, roles, hash, created_ms, created_by, expires_ms)
    SELECT 'inv_' || i, 'acct_bulk', '[]', 'i' || i, 1000, 'many-' || i, 9e15 FROM n`.execute(db);
  await db.destroy();
  return dir;
}

const dir = await folderOf(COUNT);
const scene = await startScene({ config, gateway: { dir } });
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
  rmSync(dir, { recursive: true, force: true });
});

type Json = Readonly<Record<string, unknown>>;
const bulk = (body: Json) => operator.call("POST", "/admin/users/bulk", body);
/** As the dry run says. */
async function done(body: Json): Promise<Json> {
  const tried = await bulk(body);
  expect(tried).toMatchObject({ status: 200, body: { dryRun: true } });
  const answer = await bulk({ ...body, dryRun: false, expected: tried.body.matched });
  expect(answer).toEqual({ ...answer, status: 200, body: { ...tried.body, dryRun: false } });
  return answer.body;
}

const audited = async (query: string) => rows((await operator.call("GET", `/admin/audit?${query}`)).body, "data");
const nowS = () => Math.floor(Date.now() / 1000);
const tokenOf = (sub: string, more: object = {}) =>
  jwks.token({ claims: { aud: "api", org: "crowd", sub, iat: nowS() - 10, ...more } });

const answers = (bearer: string) => answersOfAll(gateway, bearer);

const OK = ["200"];
const SUSPENDED = ["403 account_suspended user:suspended"];
const many = { search: "many" };

async function countOf(state: string): Promise<number> {
  return Number((await bulk({ filter: { ...many, state }, action: "revokeSessions" })).body.matched);
}

describe("with 10,000 users", () => {
  test("a dry run, which is the default, says what would change and changes nothing", async () => {
    const before = await audited("limit=1");
    for (const action of ["suspend", "delete", "revokeSessions"]) {
      const answer = await bulk({ filter: many, action });
      expect(answer).toMatchObject({ status: 200, body: { matched: COUNT, changed: COUNT, dryRun: true } });
      expect(answer.body.sample).toEqual(Array.from({ length: 10 }, (_, n) => `user_${String(n).padStart(22, "0")}`));
    }
    expect(await bulk({ filter: many, action: "activate" })).toMatchObject({ body: { matched: COUNT, changed: 0 } });
    expect(await countOf("suspended")).toBe(0);
    expect(await audited("limit=1")).toEqual(before);
  });

  test("without what the dry run said, or when something else matches by now, nothing is done", async () => {
    const wish = { filter: many, action: "delete", dryRun: false };
    expect(await bulk(wish)).toMatchObject({
      status: 400,
      body: { error: "malformed_request", path: "body/expected" },
    });
    const refused = [
      { ...wish, expected: COUNT - 1 },
      { ...wish, expected: COUNT, max: 100 },
      { filter: many, action: "delete", max: COUNT - 1 },
    ];
    for (const body of refused)
      expect(await bulk(body)).toMatchObject({ status: 409, body: { error: "conflict", matched: COUNT } });
    expect(await countOf("deleted")).toBe(0);
    expect(await audited("action=users.bulk")).toEqual([]);
  });

  test("all are suspended at once, while others are served, each with an entry, and let in again", async () => {
    const [member, other] = [tokenOf("many-77"), tokenOf("other", { org: "elsewhere" })];
    expect([await answers(member), await answers(other)]).toEqual([OK, OK]);
    const wish = { filter: many, action: "suspend", reason: "Spring cleaning", dryRun: false, expected: COUNT };
    const answer = bulk(wish);
    const meanwhile = await Promise.all(Array.from({ length: 20 }, () => answers(other)));
    expect(await answer).toMatchObject({ status: 200, body: { matched: COUNT, changed: COUNT, dryRun: false } });
    expect(new Set(meanwhile.flat())).toEqual(new Set(OK));
    expect(await answers(member)).toEqual(SUSPENDED);
    expect(await answers(other)).toEqual(OK);
    expect(await countOf("suspended")).toBe(COUNT);
    const user = text((await operator.call("GET", "/admin/users/many-77")).body, "id");
    const reason = "Spring cleaning";
    expect(await audited(`target=${user}&action=user.suspended`)).toMatchObject([
      { before: { state: "active" }, after: { state: "suspended", reason }, actor: { kind: "operator" } },
    ]);
    expect(await audited("action=users.bulk")).toMatchObject([
      { target: "users", after: { action: "suspend", filter: many, matched: COUNT, changed: COUNT, reason } },
    ]);
    const { body } = await operator.call("GET", "/admin/audit/verify");
    expect(body).toMatchObject({ faults: [] });
    expect(body.entries).toBeGreaterThan(COUNT);
    // What is so already is not changed again.
    await operator.call("PATCH", "/admin/users/many-77", { state: "active" });
    expect(await bulk({ filter: many, action: "suspend" })).toMatchObject({ body: { matched: COUNT, changed: 1 } });
    const back = { filter: { state: "suspended" }, action: "activate", dryRun: false, expected: COUNT - 1 };
    expect(await bulk(back)).toMatchObject({ status: 200, body: { changed: COUNT - 1 } });
    expect(await answers(member)).toEqual(OK);
  });

  test("the members of an account, and users by their ids of either kind", async () => {
    const inside = await Promise.all(
      ["in-1", "in-2"].map(async (name) => [name, await answers(tokenOf(name, { org: "inside" }))]),
    );
    expect(inside).toEqual([
      ["in-1", OK],
      ["in-2", OK],
    ]);
    await operator.call("DELETE", "/admin/accounts/inside/members/in-2");
    expect(await done({ filter: { account: "inside" }, action: "suspend" })).toMatchObject({ matched: 1, changed: 1 });
    expect(await answers(tokenOf("in-1", { org: "inside" }))).toEqual(SUSPENDED);
    expect(await answers(tokenOf("in-2", { org: "elsewhere" }))).toEqual(OK);
    expect(await bulk({ filter: { account: "nowhere" }, action: "suspend" })).toMatchObject({ status: 404 });
    const id = text((await operator.call("GET", "/admin/users/in-1")).body, "id");
    const ids = { ids: [id, "in-2", "in-3"] };
    expect(await done({ filter: ids, action: "activate" })).toMatchObject({ matched: 2, changed: 1, sample: [id] });
    const [entry] = await audited("action=users.bulk&limit=1");
    expect(entry).toMatchObject({ after: { filter: { ids: 3 }, changed: 1 } });
  });

  test("sessions: every token until now is refused, also of an issuer whose clock runs ahead; later ones are not", async () => {
    const ahead = nowS() + 50;
    const [plain, early] = [tokenOf("many-1"), tokenOf("many-2", { iat: ahead, exp: ahead + 3600 })];
    expect([await answers(plain), await answers(early)]).toEqual([OK, OK]);
    // At once, before any worker would have told by itself.
    expect(await done({ filter: many, action: "revokeSessions" })).toMatchObject({ matched: COUNT, changed: COUNT });
    const REVOKED = ["401 session_revoked session:revoked"];
    expect([await answers(plain), await answers(early)]).toEqual([REVOKED, REVOKED]);
    expect(await answers(tokenOf("many-3"))).toEqual(REVOKED);
    expect(await answers(tokenOf("many-2", { iat: ahead + 1, exp: ahead + 3600 }))).toEqual(OK);
    const user = text((await operator.call("GET", "/admin/users/many-2")).body, "id");
    expect(await audited(`target=${user}&action=user.sessions_revoked`)).toMatchObject([{ after: { revoked: 1 } }]);
    expect(await answers(tokenOf("other", { org: "elsewhere" }))).toEqual(OK);
  });

  test("a deletion takes along what a single one does, with the same entries", async () => {
    const made = await Promise.all(["alone", "crowded"].map((name) => populated(name)));
    await operator.call("DELETE", "/admin/users/alone");
    const answer = await done({ filter: { ids: ["crowded"] }, action: "delete", reason: "Gone" });
    expect(answer).toMatchObject({ matched: 1, changed: 1 });
    const [alone, crowded] = await Promise.all(made.map((one) => remains(one)));
    expect(crowded).toEqual(alone);
    expect(crowded?.entries.map(([action]) => action).toSorted()).toEqual([
      "invitation.revoked",
      "key.revoked",
      "key.revoked",
      "member.removed",
      "user.deleted",
    ]);
    const again = { ids: ["crowded"], state: "deleted" };
    expect(await bulk({ filter: again, action: "activate" })).toMatchObject({ body: { matched: 1, changed: 0 } });
    // Only those that are not deleted, unless it is said.
    expect(await bulk({ filter: { ids: ["crowded"] }, action: "activate" })).toMatchObject({ body: { matched: 0 } });
  });

  test("all are deleted with all they made", async () => {
    const answer = await bulk({ filter: many, action: "delete", dryRun: false, expected: COUNT });
    expect(answer).toMatchObject({ status: 200, body: { changed: COUNT } });
    expect(await answers(tokenOf("many-4"))).toEqual(["401 credentials_invalid user:deleted"]);
    const db = new SQLite(join(dir, "data", "tollgate.db"), { readonly: true });
    const left = (query: string) => db.prepare(`SELECT count(*) FROM ${query}`).pluck().get();
    expect(left("api_keys WHERE revoked_at IS NULL AND account_id = 'acct_bulk'")).toBe(0);
    expect(left("invitations WHERE revoked_ms IS NULL AND account = 'acct_bulk'")).toBe(0);
    expect(left("members WHERE removed_ms IS NULL AND user GLOB 'user_000000000000*'")).toBe(0);
    db.close();
  });
});

interface Populated {
  readonly user: string;
  readonly org: string;
  readonly secrets: readonly string[];
}

/** A user with an e-mail, a membership, a key that made another, and an open invitation. */
async function populated(name: string): Promise<Populated> {
  const org = `${name}-org`;
  const bearer = tokenOf(name, { org, roles: ["Owner"], email: `${name}@example.com` });
  expect(await answers(bearer)).toEqual(OK);
  const own = (path: string, secret: string, body: Json) =>
    askJson(`${gateway.url}/_tollgate${path}`, { method: "POST", body, bearer: secret });
  const key = text((await own("/api-keys", bearer, { roles: ["Owner"] })).body, "key");
  const child = text((await own("/api-keys", key, { roles: ["Owner"] })).body, "key");
  expect((await own("/invitations", bearer, { roles: [] })).status).toBe(201);
  const user = text((await operator.call("GET", `/admin/users/${name}`)).body, "id");
  expect([await answers(key), await answers(child)]).toEqual([OK, OK]);
  return { user, org, secrets: [key, child] };
}

/** What is left of them, and what the log says of the deletion, without names. */
async function remains({ user, org, secrets }: Populated) {
  const { body } = await operator.call("GET", `/admin/users/${user}`);
  const refused = await Promise.all(secrets.map((secret) => answers(secret)));
  expect(new Set(refused.flat())).toEqual(new Set(["401 key_revoked key:revoked"]));
  const account = text((await operator.call("GET", `/admin/accounts/${org}`)).body, "id");
  const ofAccount = await audited(`account=${account}`);
  const ofUser = await audited(`target=${user}&action=user.deleted`);
  const over = ["invitation.revoked", "key.revoked", "member.removed"];
  const entries = [...ofUser, ...ofAccount.filter(({ action }) => over.includes(String(action)))];
  const facts = entries.map(({ action, before, after }) => [action, typesOf(before), typesOf(after)] as const);
  return { state: body.state, email: body.email, members: body.members, entries: facts };
}

/** The members of what was or is, but for the reason; which single deletions do not have. */
function typesOf(facts: unknown): readonly string[] | null {
  return facts === null ? null : Object.keys(Object(facts)).filter((name) => name !== "reason");
}

test.each([
  [{}, "body/filter"],
  [{ filter: {} }, "body/action"],
  [{ action: "suspend" }, "body/filter"],
  [{ filter: {}, action: "explode" }, "body/action"],
  [{ filter: {}, action: "__proto__" }, "body/action"],
  [{ filter: {}, action: "setPlan" }, "body/action"],
  [{ filter: { name: "x" }, action: "suspend" }, "body/filter/name"],
  [{ filter: { plan: "free" }, action: "suspend" }, "body/filter/plan"],
  [{ filter: { state: "asleep" }, action: "suspend" }, "body/filter/state"],
  [{ filter: { search: "" }, action: "suspend" }, "body/filter/search"],
  [{ filter: { sort: "seen" }, action: "suspend" }, "body/filter/sort"],
  [{ filter: { ids: [] }, action: "suspend" }, "body/filter/ids"],
  [{ filter: { ids: "x" }, action: "suspend" }, "body/filter/ids"],
  [{ filter: {}, action: "suspend", plan: "pro" }, "body/plan"],
  [{ filter: {}, action: "suspend", max: 1e9 }, "body/max"],
  [{ filter: {}, action: "suspend", dryRun: "no" }, "body/dryRun"],
  [{ filter: {}, action: "suspend", expected: -1 }, "body/expected"],
  [{ filter: {}, action: "suspend", reason: "" }, "body/reason"],
])("refuses %j at %s", async (body, path) => {
  expect(await bulk(body)).toMatchObject({ status: 400, body: { error: "malformed_request", path } });
});

describe("on listen", () => {
  const wish = { filter: { ids: ["watched"] }, action: "suspend", dryRun: false, expected: 1 };
  const ask = (more: object) =>
    askJson(`${gateway.url}/_tollgate/admin/users/bulk`, {
      method: "POST",
      body: wish,
      bearer: tokenOf("staff", { org: "staff-org", ...more }),
    });
  beforeAll(() => operator.call("POST", "/admin/users", { externalId: "watched" }));

  test("who has not its own permission, or acts as another, changes nobody", async () => {
    expect(await ask({ roles: ["Others"] })).toMatchObject({ status: 403, body: { error: "permission_denied" } });
    const acting = await ask({ roles: ["Bulk"], act: { sub: "operator" } });
    expect(acting).toMatchObject({ status: 403, body: { rule: "actor:impersonated" } });
    expect((await operator.call("GET", "/admin/users/watched")).body.state).toBe("active");
    expect(await ask({ roles: ["Bulk"] })).toMatchObject({ status: 200, body: { changed: 1 } });
    const [entry] = await audited("action=users.bulk&limit=1");
    expect(entry).toMatchObject({ actor: { kind: "user", id: "staff" } });
  });
});

test("a crash at any time leaves all of them changed or none", async () => {
  await crashBulkDeletion({
    name: "kills of a bulk deletion of users",
    dir: await folderOf(3000),
    count: 3000,
    config,
    path: "/admin/users/bulk",
    filter: many,
    deleted: (number) => {
      const deleted = number("users WHERE state = 'deleted'");
      expect(number("audit_log WHERE action = 'user.deleted'")).toBe(deleted);
      expect(number("api_keys WHERE revoked_at IS NOT NULL")).toBe(2 * deleted);
      return deleted;
    },
  });
}, 120_000);
