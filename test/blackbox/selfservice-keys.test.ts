/** Customers make, list and revoke keys of their own account, and hand out no more than they have. */
import { afterAll, expect, test } from "vitest";
import { askJson, rows, startScene, text } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, operator } = scene;
const admin = await operator.key({ roles: ["Admin"] });
const user = await operator.key({ account: admin.account, roles: ["User"], scopes: ["read", "list"] });
const stranger = await operator.key();

afterAll(() => scene[Symbol.asyncDispose]());

function own(path: string, bearer: string | undefined, method = "GET", body?: unknown) {
  return askJson(`${gateway.url}/_tollgate${path}`, { method, body, ...(bearer === undefined ? {} : { bearer }) });
}

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);

test("a key is made with its secret shown once, listed without it, works, and is revoked", async () => {
  const made = await own("/api-keys", admin.secret, "POST", { name: "ci", roles: ["Admin"], expires: "30d" });
  expect(made.status).toBe(201);
  expect(made.headers.get("cache-control")).toBe("no-store");
  expect(made.body).toMatchObject({
    id: expect.stringMatching(/^key_/),
    account: admin.account,
    name: "ci",
    roles: ["Admin"],
    createdAt: TIME,
    expiresAt: TIME,
    revokedAt: null,
  });
  const secret = text(made.body, "key");
  const id = text(made.body, "id");
  expect((await own("/auth/me", secret)).body).toMatchObject({ keyId: id });
  const list = await own("/api-keys", admin.secret);
  expect(rows(list.body, "data").map((key) => key.id)).toEqual([admin.id, user.id, id]);
  expect(JSON.stringify(list.body)).not.toContain(secret);
  expect(gateway.output()).not.toContain(secret);
  expect(await own(`/api-keys/${id}`, admin.secret, "DELETE")).toMatchObject({
    status: 200,
    body: { id, revokedAt: TIME },
  });
  expect(await own("/auth/me", secret)).toMatchObject({ status: 401, body: { error: "key_revoked" } });
});

test("keys are paged in a stable order", async () => {
  const account = await operator.account();
  const keys = [];
  for (let number = 0; number < 5; number++) keys.push(await operator.key({ account }));
  const [first] = keys;
  const seen: unknown[] = [];
  let cursor: unknown = null;
  do {
    const page = await own(`/api-keys?limit=2${typeof cursor === "string" ? `&cursor=${cursor}` : ""}`, first?.secret);
    seen.push(...rows(page.body, "data").map((key) => key.id));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  const { id: theirs } = await operator.key();
  for (const none of ["x", "key_none", theirs])
    expect(await own(`/api-keys?cursor=${none}`, first?.secret)).toMatchObject({
      status: 400,
      body: { path: "querystring/cursor" },
    });
  expect(seen).toEqual(keys.map((key) => key.id));
});

test("nobody hands out more than they have: roles, scopes and life", async () => {
  expect(await own("/api-keys", user.secret, "POST", { roles: ["Admin"] })).toMatchObject({
    status: 403,
    body: { error: "permission_denied" },
  });
  expect(await own("/api-keys", user.secret, "POST", { scopes: ["read", "write"] })).toMatchObject({ status: 403 });
  expect(await own("/api-keys", admin.secret, "POST", { roles: ["Unknown"] })).toMatchObject({ status: 403 });
  const heir = await own("/api-keys", user.secret, "POST", {});
  expect(heir.body).toMatchObject({ roles: ["User"], scopes: ["read", "list"] });
  const unscoped = await own("/api-keys", user.secret, "POST", { scopes: null });
  expect(unscoped.status === 403 || JSON.stringify(unscoped.body.scopes) === '["read","list"]').toBe(true);
  const short = await operator.key({ account: admin.account, expires: "1h" });
  expect(await own("/api-keys", short.secret, "POST", { expires: "2h" })).toMatchObject({ status: 403 });
  const { body } = await own("/api-keys", short.secret, "POST", {});
  expect(Date.parse(text(body, "expiresAt"))).toBeLessThanOrEqual(Date.now() + 3_600_000);
});

test("a key revokes itself and what may no more than it does, nothing else", async () => {
  const low = await operator.key({ account: admin.account, roles: ["User"], scopes: ["read"] });
  const twin = await operator.key({ account: admin.account, roles: ["User"], scopes: ["read"] });
  expect(await own(`/api-keys/${admin.id}`, low.secret, "DELETE")).toMatchObject({
    status: 403,
    body: { error: "permission_denied" },
  });
  expect((await own(`/api-keys/${twin.id}`, low.secret, "DELETE")).status).toBe(200);
  expect((await own(`/api-keys/${low.id}`, low.secret, "DELETE")).status).toBe(200);
  expect((await own("/auth/me", admin.secret)).status).toBe(200);
});

test("keys and figures of other accounts are not found", async () => {
  expect(await own(`/api-keys/${stranger.id}`, admin.secret, "DELETE")).toMatchObject({
    status: 404,
    body: { error: "not_found" },
  });
  expect(await own("/api-keys/key_none", admin.secret, "DELETE")).toMatchObject({ status: 404 });
  expect((await own("/auth/me", stranger.secret)).status).toBe(200);
  expect(rows((await own("/api-keys", stranger.secret)).body, "data").map((key) => key.id)).toEqual([stranger.id]);
  expect(await own(`/billing/usage?account=${stranger.account}`, admin.secret)).toMatchObject({
    status: 404,
    body: { error: "not_found" },
  });
});

test.each([
  [{ roles: "Admin" }, "body/roles"],
  [{ expires: "soon" }, "body/expires"],
  [{ name: 5 }, "body/name"],
  [{ account: "acct_other" }, "body/account"],
  [[1], "body"],
])("the body %j is refused with 400, naming the place of the fault", async (body, path) => {
  const answer = await own("/api-keys", admin.secret, "POST", body);
  expect(answer).toMatchObject({ status: 400, body: { error: "malformed_request", path } });
});

test("a body that is no JSON is refused with 400", async () => {
  expect(await own("/api-keys", admin.secret, "POST", "{")).toMatchObject({
    status: 400,
    body: { error: "malformed_request" },
  });
});
