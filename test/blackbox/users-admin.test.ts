/** Operators find, make, change and delete users; what they change is in force on the next request, in all workers. */
import { afterAll, expect, test } from "vitest";
import { until } from "#test/support/until.ts";
import { startJwks } from "#test/support/jwks.ts";
import { ADMIN_TOKEN, askJson, rows, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks();
const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "org" } };
const scene = await startScene({
  config: { server: { workers: 2, adminToken: ADMIN_TOKEN }, identity: { issuers: [issuer] } },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const tokenOf = (sub: string, more: object = {}) =>
  jwks.token({ claims: { aud: "api", org: `${sub}-org`, sub, ...more } });

/** Enough connections that both workers answer some. */
async function answers(bearer: string) {
  const all = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { status, body } = await askJson(`${gateway.url}/x`, { bearer });
      return status === 200 ? "200" : `${status} ${String(body.error)} ${String(body.rule)}`;
    }),
  );
  return [...new Set(all)];
}

const ids = (body: Readonly<Record<string, unknown>>) => rows(body, "data").map(({ externalId }) => externalId);

test("a user is made ahead, keeps what was said at the first sight of their token, and is shown with what they have", async () => {
  const made = await operator.call("POST", "/admin/users", {
    externalId: "early",
    email: "Early@Example.com",
    name: "E",
  });
  expect(made).toMatchObject({
    status: 201,
    body: { externalId: "early", email: "early@example.com", state: "active" },
  });
  expect(await answers(tokenOf("early", { email: "late@example.com", name: "L" }))).toEqual(["200"]);
  const body = await until("the user is seen", async () => {
    const shown = await operator.call("GET", `/admin/users/${text(made.body, "id")}`);
    return shown.body.lastSeenAt === null ? null : shown.body;
  });
  expect(body).toMatchObject({
    ...made.body,
    lastSeenAt: expect.anything(),
    members: [{ externalAccount: "early-org", roles: [] }],
    sessions: [{ issuer: "main" }],
  });
  expect((await operator.call("GET", "/admin/users/early")).body.id).toBe(made.body.id);
});

test.each([
  [{ externalId: "x", email: "no address" }, "body/email"],
  [{ externalId: "x", email: `${"a".repeat(250)}@example.com` }, "body/email"],
  [{ externalId: "" }, "body/externalId"],
  [{ externalId: "x".repeat(256) }, "body/externalId"],
  [{ externalId: 5 }, "body/externalId"],
  [{ externalId: "x", name: "n".repeat(201) }, "body/name"],
  [{ externalId: "x", admin: true }, "body/admin"],
  [{}, "body/externalId"],
])("the body %j makes nobody", async (body, path) => {
  expect(await operator.call("POST", "/admin/users", body)).toMatchObject({ status: 400, body: { path } });
});

test("ids and e-mails are one user's; an id that looks like ours is nobody's", async () => {
  await operator.call("POST", "/admin/users", { externalId: "one", email: "one@example.com" });
  const again = async (body: object) => (await operator.call("POST", "/admin/users", body)).status;
  expect(await again({ externalId: "one" })).toBe(409);
  expect(await again({ externalId: "two", email: "ONE@example.com" })).toBe(409);
  expect(await again({ externalId: `user_${"b".repeat(22)}` })).toBe(400);
  expect((await operator.call("GET", "/admin/users/two")).status).toBe(404);
  await operator.call("POST", "/admin/users", { externalId: "two" });
  const taken = await operator.call("PATCH", "/admin/users/two", { email: "One@example.com", name: "Two" });
  expect(taken).toMatchObject({ status: 409, body: { error: "conflict" } });
  // Nothing of it was done.
  expect((await operator.call("GET", "/admin/users/two")).body).toMatchObject({ name: null, email: null });
  expect((await operator.call("PATCH", "/admin/users/one", { email: "one@example.com" })).status).toBe(200);
});

test("two that want one e-mail at once: one gets it", async () => {
  const wanted = Array.from({ length: 20 }, (_, n) => ({ externalId: `race-${n}`, email: "race@example.com" }));
  const made = await Promise.all(wanted.map((body) => operator.call("POST", "/admin/users", body)));
  expect(made.map(({ status }) => status).toSorted()).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
});

test("a suspended user is refused on the next request everywhere, and let in again when they are active", async () => {
  const token = tokenOf("sus");
  expect(await answers(token)).toEqual(["200"]);
  await operator.call("PATCH", "/admin/users/sus", { state: "suspended" });
  expect(await answers(token)).toEqual(["403 account_suspended user:suspended"]);
  expect(await answers(tokenOf("sus", { org: "other" }))).toEqual(["403 account_suspended user:suspended"]);
  expect((await operator.call("GET", "/admin/accounts/other")).status).toBe(404);
  await operator.call("PATCH", "/admin/users/sus", { state: "active" });
  expect(await answers(token)).toEqual(["200"]);
});

test("a deleted user is out for good: tokens, the e-mail, memberships, keys they made and keys these made", async () => {
  const token = tokenOf("leaver", { email: "leaver@example.com" });
  expect(await answers(token)).toEqual(["200"]);
  const own = (bearer: string) => askJson(`${gateway.url}/_tollgate/api-keys`, { method: "POST", body: {}, bearer });
  const key = await own(token);
  const child = await own(text(key.body, "key"));
  const deleted = await operator.call("DELETE", "/admin/users/leaver");
  expect(deleted).toMatchObject({ status: 200, body: { state: "deleted", email: null } });
  expect(await answers(token)).toEqual(["401 credentials_invalid user:deleted"]);
  expect(await answers(tokenOf("leaver", { org: "new-org" }))).toEqual(["401 credentials_invalid user:deleted"]);
  expect((await operator.call("GET", "/admin/accounts/new-org")).status).toBe(404);
  for (const made of [key, child])
    expect(await answers(text(made.body, "key"))).toEqual(["401 key_revoked key:revoked"]);
  const heir = await operator.call("POST", "/admin/users", { externalId: "heir", email: "leaver@example.com" });
  expect(heir.status).toBe(201);
  const { body } = await operator.call("GET", "/admin/users/leaver");
  expect(body).toMatchObject({ state: "deleted", members: [] });
  expect((await operator.call("PATCH", "/admin/users/leaver", { state: "active" })).status).toBe(404);
  expect((await operator.call("DELETE", "/admin/users/leaver")).status).toBe(200);
  expect((await operator.call("DELETE", "/admin/users/nobody")).status).toBe(404);
});

test("whoever is seen while somebody pages by that does not take them back to the beginning", async () => {
  let tokens = 0;
  const see = async (user: string) => {
    const before = Date.now();
    await answers(tokenOf(user, { jti: `walk-${++tokens}` }));
    await until("they are seen", async () => {
      const { lastSeenAt } = (await operator.call("GET", `/admin/users/${user}`)).body;
      return typeof lastSeenAt === "string" && Date.parse(lastSeenAt) >= before;
    });
  };
  for (const n of [0, 1, 2]) await see(`walk-${n}`);
  const page = (more: string) => operator.call("GET", `/admin/users?search=walk-&sort=seen&limit=2${more}`);
  const { body } = await page("");
  expect(ids(body)).toEqual(["walk-2", "walk-1"]);
  await see("walk-1");
  expect(ids((await page(`&cursor=${String(body.nextCursor)}`)).body)).toEqual(["walk-0"]);
});

test("users are searched, filtered, sorted and paged, each once", async () => {
  for (let n = 0; n < 7; n++)
    await operator.call("POST", "/admin/users", { externalId: `page-${n}`, name: n < 4 ? "Zoë Page" : null });
  await answers(tokenOf("page-2", { org: "page-org" }));
  await answers(tokenOf("page-5", { org: "page-org" }));
  const list = async (query: string) => ids((await operator.call("GET", `/admin/users?${query}`)).body);
  expect(await list("search=PAGE-")).toEqual(Array.from({ length: 7 }, (_, n) => `page-${n}`));
  expect(await list("search=zo%C3%AB%20page")).toHaveLength(4);
  expect(await list("search=%25")).toEqual([]);
  expect(await list("search=page-&state=suspended")).toEqual([]);
  expect(await list("account=page-org")).toEqual(["page-2", "page-5"]);
  for (const sort of ["created", "seen"]) {
    const all: unknown[] = [];
    for (let cursor: unknown = ""; cursor !== null; ) {
      const from = cursor === "" ? "" : `&cursor=${String(cursor)}`;
      const { body } = await operator.call("GET", `/admin/users?search=page-&sort=${sort}&limit=2${from}`);
      all.push(...ids(body));
      cursor = body.nextCursor;
    }
    expect(all.toSorted()).toEqual(Array.from({ length: 7 }, (_, n) => `page-${n}`));
  }
  const wrong = async (query: string) => (await operator.call("GET", `/admin/users?${query}`)).status;
  expect([await wrong("sort=name"), await wrong("limit=0"), await wrong("account=none")]).toEqual([400, 400, 404]);
});
