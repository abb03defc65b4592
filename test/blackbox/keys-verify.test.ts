/** `POST /keys/verify`: the same word on a key as the gateway's own, from whoever may ask, and nothing counted. */
import { afterAll, expect, test } from "vitest";
import { askJson, type MadeKey, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const config = {
  identity: { issuers: [{ name: "own", preset: "local", audiences: ["api"] }] },
  roles: { Admin: ["*"], User: ["models:read", "files:*"], Verifier: ["tollgate:keys:verify"] },
  plans: { free: { default: true, quotas: { api_calls: { limit: 3, per: "month" } } }, pro: { features: ["fine"] } },
  routes: [
    { name: "fine", match: { path: "/fine" }, upstream: "app", require: { features: ["fine"] } },
    { name: "tokens", match: { path: "/tokens" }, upstream: "app", schemes: ["jwt"] },
    { name: "models", match: { path: "/models" }, upstream: "app", require: { permissions: ["models:read"], scopes: ["m"] } },
    { name: "all", match: { path: "/**" }, upstream: "app", meters: { api_calls: 1 } },
  ],
}; // biome-ignore format: one route a line
const scene = await startScene({ config });
const { gateway, operator } = scene;
const verifier = await operator.key({ roles: ["Verifier"] });

afterAll(() => scene[Symbol.asyncDispose]());

const verify = (key: string, more: object = {}, bearer = verifier.secret) =>
  askJson(`${gateway.url}/_tollgate/keys/verify`, { method: "POST", bearer, body: { key, ...more } });

/** What the gateway itself says to the key. */
async function code(key: MadeKey | string): Promise<unknown> {
  const bearer = typeof key === "string" ? key : key.secret;
  return (await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer })).body.error ?? null;
}

async function change(key: MadeKey, patch: object): Promise<void> {
  expect((await operator.call("PATCH", `/admin/keys/${key.id}`, patch)).status).toBe(200);
}

test("a good key of any account is told with all it is", async () => {
  const account = await operator.account({ externalId: "acme", plan: "pro" });
  const key = await operator.key({ account, roles: ["User"], scopes: ["m"], expires: "1h" });
  const { status, headers, body } = await verify(key.secret);
  expect([status, headers.get("cache-control")]).toEqual([200, "no-store"]);
  expect(body).toEqual({
    valid: true,
    code: null,
    detail: null,
    keyId: key.id,
    account,
    externalId: "acme",
    name: null,
    env: "live",
    roles: ["User"],
    permissions: ["models:read", "files:*"],
    scopes: ["m"],
    plan: "pro",
    expiresAt: expect.any(String),
    retiresAt: null,
  });
});

test("every answer has the same members, and says what the gateway itself says", async () => {
  const shape = Object.keys((await verify(verifier.secret)).body);
  const revoked = await operator.key();
  await operator.call("DELETE", `/admin/keys/${revoked.id}`);
  const disabled = await operator.key();
  await change(disabled, { enabled: false });
  const suspended = await operator.key();
  await operator.call("PATCH", `/admin/accounts/${suspended.account}`, { state: "suspended" });
  const expired = await operator.key({ expires: "1s" });
  await until("it has expired", async () => (await code(expired)) === "key_expired");
  for (const key of [revoked, disabled, suspended, expired]) {
    const { status, body } = await verify(key.secret);
    expect([status, body.valid, body.keyId, Object.keys(body)]).toEqual([200, false, key.id, shape]);
    expect([body.code, body.code]).toEqual([await code(key), expect.any(String)]);
  }
  for (const unknown of ["nonsense", revoked.secret.slice(0, -1), `${revoked.secret}x`, revoked.id]) {
    const { status, body } = await verify(unknown);
    expect([status, body.valid, body.code, body.keyId, Object.keys(body)]).toEqual([200, false, "not_found", null, shape]);
  }
}); // biome-ignore format: one line a case

test("a replaced secret is good until it retires, and says when", async () => {
  const key = await operator.key();
  const rotated = await operator.call("POST", `/admin/keys/${key.id}/rotate`, { overlap: "1h" });
  expect((await verify(key.secret)).body).toMatchObject({ valid: true, keyId: key.id, retiresAt: expect.any(String) });
  expect((await verify(text(rotated.body, "key"))).body).toMatchObject({ valid: true, retiresAt: null });
  await operator.call("POST", `/admin/keys/${key.id}/rotate`, { overlap: "0s" });
  expect((await verify(key.secret)).body).toMatchObject({ valid: false, code: "key_expired" });
});

test("what it is to be good for: permissions, scopes, routes, methods, addresses", async () => {
  const key = await operator.key({ roles: ["User"], scopes: ["m"] });
  const says = async (use: object) => (await verify(key.secret, use)).body.code;
  expect(await says({ permissions: ["models:read", "files:write"], scopes: ["m"] })).toBeNull();
  expect(await says({ permissions: ["models:write"] })).toBe("permission_denied");
  expect(await says({ permissions: ["tollgate:keys:verify"] })).toBe("permission_denied");
  expect(await says({ scopes: ["m", "n"] })).toBe("permission_denied");
  expect(await says({ route: "models" })).toBeNull();
  expect(await says({ route: "tokens" })).toBe("permission_denied");
  expect(await says({ route: "fine" })).toBe("feature_not_in_plan");
  await change(key, { routes: ["models"], methods: ["GET"], addresses: ["10.0.0.0/8", "2001:db8::/32"] });
  expect(await says({})).toBeNull();
  expect(await says({ route: "models", method: "HEAD", address: "10.1.2.3" })).toBeNull();
  expect(await says({ route: "all" })).toBe("permission_denied");
  expect(await says({ method: "POST" })).toBe("permission_denied");
  expect(await says({ address: "11.0.0.1" })).toBe("permission_denied");
  expect(await says({ address: "::ffff:10.1.2.3" })).toBeNull();
});

test("asking counts nothing, and is no use of the key", async () => {
  const key = await operator.key();
  for (let n = 0; n < 10; n++) expect((await verify(key.secret, { route: "all" })).body.valid).toBe(true);
  expect(await operator.used(key.account)).toBe(0);
  expect((await operator.call("GET", `/admin/keys/${key.id}`)).body.lastUsedAt).toBeNull();
});

test("who may ask, and how: 403, 401, 400", async () => {
  const key = await operator.key();
  expect((await verify(key.secret, {}, key.secret)).status).toBe(403);
  expect((await verify(key.secret, {}, "nobody")).status).toBe(401);
  for (const more of [{ key: "" }, { key: 7 }, { key: "x".repeat(513) }, { unknown: 1 }, { route: "none" }, { address: "10.0.0.300" }, { method: "get" }, { scopes: "m" }])
    expect([more, (await verify(key.secret, more)).status]).toEqual([more, 400]);
  expect(gateway.output()).not.toContain(key.secret);
}); // biome-ignore format: one list
