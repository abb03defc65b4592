/** The life of API keys on a real gateway: rotated with both secrets good for a while, switched off and on, narrowed, listed, last used. */
import { afterAll, expect, test } from "vitest";
import { withConstants } from "#test/support/patched.ts";
import { askJson, type JsonAnswer, type MadeKey, rows, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const often = withConstants([
  { file: "data-plane/identity/sightings.ts", line: "SIGHTING_MS = 10_000;", instead: "SIGHTING_MS = 50;" },
]);
const scene = await startScene({
  gateway: often,
  config: {
    roles: { Admin: ["*"], User: ["models:read"] },
    routes: [
      { name: "models", match: { path: "/models/**" }, upstream: "app", meters: { api_calls: 1 } },
      { name: "files", match: { path: "/files/**" }, upstream: "app", meters: { api_calls: 1 } },
      { name: "writes", match: { path: "/writes/**" }, upstream: "app", require: { scopes: ["write"] } },
    ],
  },
});
const { gateway, operator } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

const use = (secret: string, path = "/models/x", method = "GET") =>
  askJson(`${gateway.url}${path}`, { method, bearer: secret });
const head = (secret: string) =>
  fetch(`${gateway.url}/models/x`, { method: "HEAD", headers: { authorization: `Bearer ${secret}` } });
const own = (path: string, bearer: string, method = "GET", body?: unknown) =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, body, bearer });

async function rotated(id: string, overlap?: string): Promise<string> {
  const answer = await operator.call(
    "POST",
    `/admin/keys/${id}/rotate`,
    overlap === undefined ? undefined : { overlap },
  );
  expect([answer.status, answer.headers.get("cache-control")]).toEqual([200, "no-store"]);
  return text(answer.body, "key");
}

/** Status, code, and the reason as the log has it. */
async function refused(answer: JsonAnswer): Promise<readonly unknown[]> {
  const id = answer.headers.get("x-request-id");
  const line = await until(`the log tells of ${id}`, () => gateway.logs().find(({ request_id }) => request_id === id));
  return [answer.status, answer.body.error, line.reason];
}

/** `retires` of the warning on an answer, seconds since 1970; null: no warning. */
function warned(answer: JsonAnswer): number | null {
  const warning = answer.headers.get("x-tollgate-warning");
  return warning === null ? null : Number(/^"key";retires=@(\d+)$/.exec(warning)?.[1] ?? NaN);
}

test("after a rotation both secrets are the same key, and only the old one is warned of", async () => {
  const { id, secret: old, account } = await operator.key();
  const beforeMs = Date.now();
  const secret = await rotated(id);
  expect(secret).not.toBe(old);
  const [oldUse, newUse] = [await use(old), await use(secret)];
  expect([oldUse.status, newUse.status, warned(newUse)]).toEqual([200, 200, null]);
  const dayMs = 86_400_000;
  expect(warned(oldUse)).toBeGreaterThanOrEqual(Math.floor((beforeMs + dayMs) / 1000));
  expect(warned(oldUse)).toBeLessThanOrEqual((Date.now() + dayMs) / 1000);
  // The gateway's own endpoints warn as well.
  expect(warned(await own("/auth/me", old))).toBe(warned(oldUse));
  expect((await own("/auth/me", secret)).body).toMatchObject({ keyId: id });
  const shown = (await operator.call("GET", `/admin/keys/${id}`)).body;
  expect(shown.oldSecrets).toMatchObject([{ masked: `${old.slice(0, 15)}…${old.slice(-4)}` }]);
  expect(shown.masked).toBe(`${secret.slice(0, 15)}…${secret.slice(-4)}`);
  await until("both uses are counted", async () => (await operator.used(account)) === 2);
});

test("a refusal to an old secret warns too", async () => {
  const { id, secret: old } = await operator.key({ scopes: ["read"] });
  await rotated(id);
  const answer = await use(old, "/writes/x", "POST");
  expect([answer.status, typeof warned(answer)]).toEqual([403, "number"]);
});

test("an overlap of nothing ends every secret but the new one, and a later rotation lets none live longer than it did", async () => {
  const { id, secret: first } = await operator.key();
  const second = await rotated(id, "7d");
  const third = await rotated(id, "1h");
  const [firstEnd, secondEnd] = [warned(await use(first)), warned(await use(second))];
  expect(firstEnd).toBe(secondEnd);
  const fourth = await rotated(id, "30d");
  expect(warned(await use(first))).toBe(firstEnd);
  const fifth = await rotated(id, "0s");
  for (const old of [first, second, third, fourth])
    expect(await refused(await use(old))).toEqual([401, "key_expired", "key:retired"]);
  expect((await use(fifth)).status).toBe(200);
  expect((await operator.call("GET", `/admin/keys/${id}`)).body.oldSecrets).toEqual([]);
});

test("ten old secrets are kept: while they are good another one is refused, and with no overlap the oldest gives way", async () => {
  const { id, secret: first } = await operator.key();
  for (let round = 0; round < 10; round++) await rotated(id, "1h");
  const eleventh = await operator.call("POST", `/admin/keys/${id}/rotate`, { overlap: "2h" });
  expect(await refused(eleventh)).toEqual([409, "conflict", "state:conflict"]);
  expect((await use(first)).status).toBe(200);
  const last = await rotated(id, "0s");
  expect((await use(last)).status).toBe(200);
});

test.each([
  ["31d", "body/overlap"],
  ["-1s", "body/overlap"],
  ["99999999999d", "body/overlap"],
  [24, "body/overlap"],
])("an overlap of %j is refused", async (overlap, path) => {
  const { id } = await operator.key();
  const answer = await operator.call("POST", `/admin/keys/${id}/rotate`, { overlap });
  expect([answer.status, answer.body.path]).toEqual([400, path]);
});

test("revoking ends all secrets for good: no change and no rotation any more", async () => {
  const { id, secret: old } = await operator.key();
  const secret = await rotated(id);
  await operator.call("DELETE", `/admin/keys/${id}`);
  for (const one of [old, secret]) expect(await refused(await use(one))).toEqual([401, "key_revoked", "key:revoked"]);
  expect((await operator.call("PATCH", `/admin/keys/${id}`, { enabled: true })).status).toBe(409);
  expect((await operator.call("POST", `/admin/keys/${id}/rotate`)).status).toBe(409);
  expect((await operator.call("GET", `/admin/keys/${id}`)).body.state).toBe("revoked");
});

test("a key is switched off and on again, for all its secrets, in force on the next request", async () => {
  const { id, secret: old } = await operator.key();
  const secret = await rotated(id);
  const off = await operator.call("PATCH", `/admin/keys/${id}`, { enabled: false });
  expect(off.body).toMatchObject({ id, enabled: false, state: "disabled" });
  for (const one of [old, secret]) expect(await refused(await use(one))).toEqual([401, "key_disabled", "key:disabled"]);
  await operator.call("PATCH", `/admin/keys/${id}`, { enabled: true });
  for (const one of [old, secret]) expect((await use(one)).status).toBe(200);
});

test("name and life are changed; null lifts", async () => {
  const { id, secret } = await operator.key({ expires: "1h" });
  const soon = new Date(Date.now() + 400).toISOString();
  const changed = await operator.call("PATCH", `/admin/keys/${id}`, { name: "renamed", expiresAt: soon });
  expect(changed.body).toMatchObject({ name: "renamed", expiresAt: soon });
  await until("it has expired", async () => (await use(secret)).status === 401);
  expect(await refused(await use(secret))).toEqual([401, "key_expired", "key:expired"]);
  expect((await operator.call("GET", `/admin/keys/${id}`)).body.state).toBe("expired");
  const lifted = await operator.call("PATCH", `/admin/keys/${id}`, { name: null, expires: null });
  expect(lifted.body).toMatchObject({ name: null, expiresAt: null, state: "active" });
  expect((await use(secret)).status).toBe(200);
});

test.each([
  [{}, "body"],
  [{ name: "" }, "body/name"],
  [{ enabled: null }, "body/enabled"],
  [{ enabled: "yes" }, "body/enabled"],
  [{ scopes: ["a"] }, "body/scopes"],
  [{ expires: "soon" }, "body/expires"],
  [{ expires: "9999999999d" }, "body/expires"],
  [{ expires: "1h", expiresAt: "2099-01-01T00:00:00Z" }, "body/expiresAt"],
  [{ expiresAt: "2020-01-01T00:00:00Z" }, "body/expiresAt"],
  [{ expiresAt: "tomorrow" }, "body/expiresAt"],
  [{ routes: ["models", "nowhere"] }, "body/routes/1"],
  [{ routes: [] }, "body/routes"],
  [{ methods: ["get"] }, "body/methods/0"],
  [{ methods: ["TRACE"] }, "body/methods/0"],
  [{ addresses: ["10.0.0.0/8", "10.0.0.300"] }, "body/addresses/1"],
  [{ addresses: ["10.0.0.0/33"] }, "body/addresses/0"],
  [{ addresses: ["fe80::1%eth0"] }, "body/addresses/0"],
  [{ addresses: ["example.com"] }, "body/addresses/0"],
])("the change %j is refused with 400, naming the place, and changes nothing", async (body, path) => {
  const { id } = await operator.key();
  const before = (await operator.call("GET", `/admin/keys/${id}`)).body;
  const answer = await operator.call("PATCH", `/admin/keys/${id}`, body);
  expect([answer.status, answer.body.error, answer.body.path]).toEqual([400, "malformed_request", path]);
  expect((await operator.call("GET", `/admin/keys/${id}`)).body).toEqual(before);
});

async function narrowed(body: Readonly<Record<string, unknown>>): Promise<MadeKey> {
  const key = await operator.key();
  const answer = await operator.call("PATCH", `/admin/keys/${key.id}`, body);
  expect(answer).toMatchObject({ status: 200, body });
  return key;
}

test("a key narrowed to routes uses those alone; the gateway's own endpoints are routes too", async () => {
  const { secret, id } = await narrowed({ routes: ["models", "tollgate.auth.me"] });
  for (let round = 0; round < 3; round++) {
    expect((await use(secret, "/models/x")).status).toBe(200);
    expect(await refused(await use(secret, "/files/x"))).toEqual([403, "permission_denied", "key:route"]);
  }
  expect((await own("/auth/me", secret)).status).toBe(200);
  expect(await refused(await own("/api-keys", secret))).toEqual([403, "permission_denied", "key:route"]);
  await operator.call("PATCH", `/admin/keys/${id}`, { routes: null });
  expect((await use(secret, "/files/x")).status).toBe(200);
});

test("a key narrowed to methods uses those alone, with equal heads on one connection too", async () => {
  const { secret } = await narrowed({ methods: ["GET"] });
  for (let round = 0; round < 3; round++) {
    expect((await use(secret, "/models/x", "GET")).status).toBe(200);
    expect((await head(secret)).status).toBe(200);
    expect(await refused(await use(secret, "/models/x", "DELETE"))).toEqual([403, "permission_denied", "key:method"]);
  }
});

test("a key narrowed to addresses is good from there alone", async () => {
  const { secret, id } = await narrowed({ addresses: ["203.0.113.0/24", "2001:db8::/32"] });
  expect(await refused(await use(secret))).toEqual([403, "permission_denied", "key:address"]);
  const change = await operator.call("PATCH", `/admin/keys/${id}`, { addresses: ["127.0.0.0/8", "2001:DB8::1"] });
  expect(change.body.addresses).toEqual(["127.0.0.0/8", "2001:db8::1"]);
  expect((await use(secret)).status).toBe(200);
});

test.each([
  [{ scopes: { read: true, write: false } }, { read: true, write: false }, ["GET", "HEAD", "OPTIONS"]],
  [{ scopes: { read: false, write: true } }, { read: false, write: true }, ["POST", "PUT", "PATCH", "DELETE"]],
  [{ scopes: { read: true, write: true } }, { read: true, write: true }, null],
  [{ scopes: { read: true }, methods: ["GET", "POST"] }, { read: true, write: false }, ["GET"]],
  [{ scopes: ["read"] }, { read: true, write: true }, null],
])("scopes as %j give the access %j", async (wish, access, methods) => {
  const account = await operator.account();
  const made = await operator.call("POST", "/admin/keys", { account, ...wish });
  expect(made).toMatchObject({ status: 201, body: { access, methods } });
  const secret = text(made.body, "key");
  expect((await use(secret, "/models/x", "GET")).status).toBe(access.read ? 200 : 403);
  expect((await use(secret, "/models/x", "POST")).status).toBe(access.write ? 200 : 403);
});

test.each([
  [{ scopes: { read: false, write: false } }, "body/scopes"],
  [{ scopes: {} }, "body/scopes"],
  [{ scopes: { read: true }, methods: ["POST"] }, "body/methods"],
])("the wish %j is refused", async (wish, path) => {
  const made = await operator.call("POST", "/admin/keys", { account: await operator.account(), ...wish });
  expect([made.status, made.body.path]).toEqual([400, path]);
});

test("lists are filtered by account, state and text", async () => {
  const account = await operator.account();
  const make = async (body: object) => (await operator.call("POST", "/admin/keys", { account, ...body })).body;
  const [ci, web] = [await make({ name: "CI of 100% of_all" }), await make({ name: "web" })];
  const off = await make({ name: "off" });
  await operator.call("PATCH", `/admin/keys/${text(off, "id")}`, { enabled: false });
  const gone = await make({ name: "gone" });
  await operator.call("DELETE", `/admin/keys/${text(gone, "id")}`);
  const found = async (query: string) =>
    rows((await operator.call("GET", `/admin/keys?account=${account}&${query}`)).body, "data").map((key) => key.name);
  expect(await found("state=active")).toEqual([ci.name, "web"]);
  expect(await found("state=disabled")).toEqual(["off"]);
  expect(await found("state=revoked")).toEqual(["gone"]);
  expect(await found("state=expired")).toEqual([]);
  expect(await found("search=ci%20OF")).toEqual([ci.name]);
  expect(await found(`search=${encodeURIComponent("100%")}`)).toEqual([ci.name]);
  expect(await found("search=%25")).toEqual([ci.name]);
  expect(await found("search=_")).toEqual([ci.name]);
  expect(await found(`search=${text(web, "masked").slice(0, 15)}`)).toEqual(["web"]);
  expect(await found(`search=${text(web, "id")}`)).toEqual(["web"]);
  expect((await operator.call("GET", "/admin/keys?state=asleep")).status).toBe(400);
});

test("when and from where a key was last used, and who made it", async () => {
  const { id, secret } = await operator.key();
  expect((await own(`/api-keys/${id}`, secret)).body).toMatchObject({ createdBy: null });
  const made = (await own("/api-keys", secret, "POST", { name: "child" })).body;
  expect(made).toMatchObject({ createdBy: id, lastUsedAt: null, lastUsedFrom: null });
  const beforeMs = Date.now();
  expect((await use(text(made, "key"))).status).toBe(200);
  const path = `/admin/keys/${text(made, "id")}`;
  const used = await until("it is written down", async () => {
    const { body } = await operator.call("GET", path);
    return body.lastUsedAt === null ? null : body;
  });
  expect(used.lastUsedFrom).toBe("127.0.0.1");
  expect(Date.parse(text(used, "lastUsedAt"))).toBeGreaterThanOrEqual(beforeMs);
  expect(Date.parse(text(used, "lastUsedAt"))).toBeLessThanOrEqual(Date.now());
});
