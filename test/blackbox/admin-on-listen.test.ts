/** The admin API on the traffic listener (`server.adminOnListen`): who may call it, each operation by its own permission, and who may not. */
import { createHash } from "node:crypto";
import { afterAll, describe, expect, test } from "vitest";
import { ADMIN_ROUTES } from "#config/admin-routes.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, askJson, rows, startScene } from "#test/support/scene.ts";

const PERMISSIONS = ADMIN_ROUTES.flatMap(({ permission }) => permission ?? []);
const OPERATIONS = ADMIN_ROUTES.flatMap(({ method, path, permission }) =>
  permission === null ? [] : [{ method, path: path.replaceAll(/\{\w+\}/g, "nobody"), permission }],
);

const only = (permission: string) => `Only.${permission.replaceAll(":", ".")}`;
const allBut = (permission: string) => `Not.${permission.replaceAll(":", ".")}`;

const signing = makeKey("ES256");
const jwks = await startJwks(signing);
const roles = {
  Everything: ["*"],
  Owner: ["tollgate:admin"],
  Star: ["tollgate:*"],
  Accounts: ["tollgate:accounts:*"],
  Clerk: ["tollgate:keys:*", "tollgate:accounts:read"],
  Leader: ["tollgate:admin", "things:write"],
  Worker: ["things:write"],
  ...Object.fromEntries(PERMISSIONS.map((permission) => [only(permission), [permission]])),
  ...Object.fromEntries(
    PERMISSIONS.map((permission) => [
      allBut(permission),
      ["*", ...PERMISSIONS.filter((other) => other !== permission)],
    ]),
  ),
};
const config = {
  identity: {
    issuers: [
      {
        name: "main",
        issuer: jwks.issuer,
        jwks: jwks.url,
        audiences: ["api"],
        claims: { account: "project", roles: "roles", permissions: "permissions" },
      },
      { name: "local", preset: "local", audiences: ["api"], claims: { account: "project", roles: "roles" } },
    ],
    keys: { foreign: [{ prefix: "sk_live_", length: 24 }] },
  },
  roles,
  server: { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true },
};
const scene = await startScene({ config });
const { gateway, operator } = scene;
const staff = await operator.account({ name: "Staff", externalId: "staff" });

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const call = (method: string, path: string, bearer?: string, body?: unknown) =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, body, ...(bearer === undefined ? {} : { bearer }) });

async function keyOf(...wanted: readonly string[]): Promise<string> {
  return (await operator.key({ account: staff, roles: wanted })).secret;
}

function token(claims: object): string {
  const seconds = Math.floor(Date.now() / 1000);
  const standard = { iss: jwks.issuer, aud: "api", iat: seconds, exp: seconds + 300, sub: "ann", project: "staff" };
  return signToken(signing, { claims: { ...standard, ...claims } });
}

describe.each(OPERATIONS)("$method $path", ({ method, path, permission }) => {
  test("is open to whoever has its permission, and to nobody who has all others", async () => {
    const may = await call(method, path, await keyOf(only(permission)));
    // It reached the operation, which may say what is wrong with this empty call.
    expect([200, 201, 400, 404]).toContain(may.status);
    expect(may.body.error).not.toBe("route_not_found");
    const mayNot = await call(method, path, await keyOf(allBut(permission)));
    expect(mayNot).toMatchObject({
      status: 403,
      body: { error: "permission_denied", required_permission: permission },
    });
  });

  test("is closed to roles that may everything of the apps, to nobody, and to the admin token", async () => {
    expect(await call(method, path, await keyOf("Everything"))).toMatchObject({ status: 403 });
    expect(await call(method, path)).toMatchObject({ status: 401 });
    expect(await call(method, path, ADMIN_TOKEN)).toMatchObject({ status: 401 });
  });
});

test.each(["Owner", "Star", "Accounts"])("the role %s lists accounts of all customers", async (role) => {
  const answer = await call("GET", "/admin/accounts", await keyOf(role));
  expect(answer.status).toBe(200);
  expect(rows(answer.body, "data").map(({ id }) => id)).toContain(staff);
});

test("a token's roles and permissions count as a key's", async () => {
  expect(await call("GET", "/admin/accounts", token({ roles: ["Owner"] }))).toMatchObject({ status: 200 });
  expect(await call("GET", "/admin/accounts", token({ permissions: ["tollgate:accounts:list"] }))).toMatchObject({
    status: 200,
  });
  expect(await call("GET", "/admin/accounts", token({ permissions: ["tollgate:accounts:read"] }))).toMatchObject({
    status: 403,
  });
  expect(await call("GET", "/admin/accounts", token({ permissions: ["*"] }))).toMatchObject({ status: 403 });
});

test("the audit log names who acted, with their own account", async () => {
  const { id, secret } = await operator.key({ account: staff, roles: ["Owner"] });
  const other = await operator.account();
  await call("PATCH", `/admin/accounts/${other}`, secret, { name: "Renamed by a key" });
  await call("PATCH", `/admin/accounts/${other}`, token({ roles: ["Owner"] }), { name: "Renamed by a user" });
  const { body } = await operator.call("GET", `/admin/audit?target=${other}&limit=2`);
  expect(rows(body, "data").map(({ actor, account }) => ({ actor, account }))).toEqual([
    { actor: { kind: "user", id: "ann", account: staff }, account: other },
    { actor: { kind: "key", id, account: staff }, account: other },
  ]);
});

test("`account` in a query is a filter there, and still only one's own elsewhere", async () => {
  const owner = await keyOf("Owner");
  const { account } = await operator.key({ roles: [] });
  const keys = await call("GET", `/admin/keys?account=${account}`, owner);
  expect(rows(keys.body, "data").map((key) => key.account)).toEqual([account]);
  expect(await call("GET", `/api-keys?account=${account}`, owner)).toMatchObject({ status: 404 });
});

test("nobody makes a key that may more of the gateway than they do", async () => {
  const clerk = await keyOf("Clerk");
  const make = (bearer: string, ...wanted: readonly string[]) =>
    call("POST", "/admin/keys", bearer, { account: staff, roles: wanted });
  expect(await make(clerk, "Owner")).toMatchObject({ status: 403, body: { error: "permission_denied" } });
  expect(await make(clerk, "Star")).toMatchObject({ status: 403 });
  expect(await make(clerk, "Accounts")).toMatchObject({ status: 403 });
  expect(await make(clerk, "Clerk", "Everything")).toMatchObject({ status: 201 });
  expect(await make(await keyOf("Owner"), "Star", "Owner")).toMatchObject({ status: 201 });
  expect(await make(token({ permissions: ["tollgate:admin"] }), "Owner")).toMatchObject({ status: 403 });
});

test("backups, metrics and other spellings are not there", async () => {
  const owner = await keyOf("Owner");
  expect(await call("POST", "/admin/backup", owner, { dir: gateway.dir })).toMatchObject({
    status: 404,
    body: { error: "route_not_found" },
  });
  for (const path of ["/metrics", "/admin", "/admin/", "/ADMIN/accounts", "/admin/accounts/x/y"])
    expect([path, (await call("GET", path, owner)).status]).toEqual([path, 404]);
  expect((await askJson(`${gateway.url}/admin/accounts`, { bearer: owner })).headers.get("content-type")).not.toContain(
    "problem",
  );
});

test("a suspended account's staff is refused, and let in again", async () => {
  const { account, secret } = await operator.key({ roles: ["Owner"] });
  await operator.call("PATCH", `/admin/accounts/${account}`, { state: "suspended" });
  expect(await call("PATCH", `/admin/accounts/${account}`, secret, { state: "active" })).toMatchObject({
    status: 403,
    body: { error: "account_suspended" },
  });
  await operator.call("PATCH", `/admin/accounts/${account}`, { state: "active" });
  expect(await call("GET", `/admin/accounts/${account}`, secret)).toMatchObject({ status: 200 });
});

test("switched off, it is gone with the reload; switched on, it is back", async () => {
  await using own = await startScene({ config: { ...config, server: { workers: 2, adminToken: ADMIN_TOKEN } } });
  const { secret } = await own.operator.key({ roles: ["Owner"] });
  const ask = async () => (await askJson(`${own.gateway.url}/_tollgate/admin/accounts`, { bearer: secret })).status;
  const upstreams = { app: { targets: [own.upstream.url] } };
  const reload = (adminOnListen: boolean) =>
    own.gateway.reload({
      ...config,
      upstreams,
      routes: [],
      server: { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen },
    });
  expect(await ask()).toBe(404);
  expect(await reload(true)).toMatchObject({ event: "reloaded" });
  expect(await ask()).toBe(200);
  expect(await reload(false)).toMatchObject({ event: "reloaded" });
  expect(await ask()).toBe(404);
});

test("a narrowed key gets no key with permissions of the gateway out of its bounds, and any other", async () => {
  const made = await operator.call("POST", "/admin/keys", {
    account: staff,
    roles: ["Clerk"],
    addresses: ["127.0.0.0/8"],
    expires: "1h",
  });
  const secret = String(made.body.key);
  const key = (body: object) => call("POST", "/admin/keys", secret, { account: staff, ...body });
  const bounds = { addresses: ["127.0.0.1"], expires: "30m" };
  expect((await key({})).status).toBe(201);
  expect((await key({ roles: ["Clerk"], ...bounds })).status).toBe(201);
  for (const wider of [{}, { expires: "30m" }, { addresses: ["127.0.0.1"] }, { ...bounds, addresses: ["0.0.0.0/0"] }])
    expect((await key({ roles: ["Clerk"], ...wider })).status).toBe(403);
  const own = `/admin/keys/${String(made.body.id)}`;
  expect((await call("PATCH", own, secret, { addresses: null })).status).toBe(403);
  expect((await call("PATCH", own, secret, { expires: "2h" })).status).toBe(403);
  expect((await call("PATCH", own, secret, { name: "mine" })).status).toBe(200);
  const free = (await operator.key({ account: staff, roles: ["Clerk"] })).id;
  expect((await call("POST", `/admin/keys/${free}/rotate`, secret)).status).toBe(403);
  expect((await call("POST", `${own}/rotate`, secret)).status).toBe(200);
});

test.each([{ expires: "1h" }, { addresses: ["127.0.0.0/8"] }])(
  "a key with the bounds %o gives nobody permissions of the gateway beyond them",
  async (bounds) => {
    const keyWith = async (wish: object) =>
      String((await operator.call("POST", "/admin/keys", { account: staff, roles: ["Leader"], ...wish })).body.key);
    expect((await call("GET", "/auth/me", token({ sub: "ben" }))).status).toBe(200);
    let count = 0;
    const attempts = (wanted: string) => {
      const user = `${wanted}-${String(Object.keys(bounds)[0])}-${++count}`;
      const digest = createHash("sha256").update(user).digest("hex");
      return [
        ["POST", `/admin/accounts/${staff}/members`, { user, roles: [wanted] }],
        ["PATCH", `/admin/accounts/${staff}/members/ben`, { roles: [wanted] }],
        ["POST", "/admin/users/ben/impersonate", { reason: "r", roles: [wanted] }],
        ["POST", "/admin/keys/import", { account: staff, roles: [wanted], hash: { kind: "sha256", digest } }],
        ["POST", "/admin/users/import", `external_id,account,roles\n${user}-csv,${staff},${wanted}\n`],
        ["POST", "/members", { user: `${user}-own`, roles: [wanted] }],
        ["PATCH", "/members/ben", { roles: [wanted] }],
        ["POST", "/invitations", { roles: [wanted] }],
      ] as const;
    };
    const statuses = async (secret: string, wanted: string) => {
      const seen: string[] = [];
      for (const [method, path, body] of attempts(wanted)) {
        const type = typeof body === "string" ? "text/csv" : "application/json";
        const answer = await fetch(`${gateway.url}/_tollgate${path}`, {
          method,
          headers: { authorization: `Bearer ${secret}`, "content-type": type },
          body: typeof body === "string" ? body : JSON.stringify(body),
        });
        seen.push(`${method} ${path} ${answer.status < 300 ? "ok" : answer.status}`);
      }
      return seen;
    };
    const all = (outcome: string) => attempts("x").map(([method, path]) => `${method} ${path} ${outcome}`);
    const [bounded, free] = [await keyWith(bounds), await keyWith({})];
    expect(await statuses(bounded, "Leader")).toEqual(all("403"));
    expect(await statuses(bounded, "Worker")).toEqual(all("ok"));
    expect(await statuses(free, "Leader")).toEqual(all("ok"));
  },
);
