/** The role tables of two customers, as they wrote them: who gets in where, and who only to what is their own. */
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { askJson, startScene } from "#test/support/scene.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";

/** S4.4 of the requirements, word for word. */
const ROLES = {
  OWNER:
    list(`org:read org:update org:delete users:read users:create users:update users:delete calls:read calls:update calls:delete
    ai:read ai:update analytics:read billing:read billing:update integrations:read integrations:create integrations:delete`),
  ADMIN:
    list(`org:read org:update users:read users:create users:update users:delete calls:read calls:update ai:read ai:update
    analytics:read integrations:read integrations:create integrations:delete`),
  MANAGER: list("org:read users:read calls:read calls:update ai:read analytics:read"),
  OPERATOR: list("calls:read:own calls:update:own"),
  VIEWER: list("org:read calls:read analytics:read"),
};

function list(words: string): readonly string[] {
  return words.split(/\s+/);
}

type Role = keyof typeof ROLES;
const PERMISSIONS = ROLES.OWNER;
const roleNames = Object.keys(ROLES) as readonly Role[];

const signer = makeKey("ES256");
const jwks = await startJwks(signer);
const scene = await startScene({
  config: {
    identity: {
      issuers: [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { roles: "role" } }],
    },
    roles: { ...ROLES, Admin: ["*"], Developer: ["models:*"], User: ["models:invoke"] },
    routes: [
      ...PERMISSIONS.map((permission) => ({
        name: permission.replace(":", "-"),
        match: { path: `/${permission.replace(":", "/")}` },
        upstream: "app",
        require: { permissions: [permission] },
      })),
      {
        name: "own-calls",
        match: { path: "/users/{userId}/calls", methods: ["GET"] },
        upstream: "app",
        require: { permissions: ["calls:read"], own: "path.userId" },
      },
      {
        name: "update-calls",
        match: { path: "/users/{userId}/calls", methods: ["PATCH"] },
        upstream: "app",
        require: { permissions: ["calls:read", "calls:update"], own: "path.userId" },
      },
      {
        name: "delete-calls",
        match: { path: "/users/{userId}/calls", methods: ["DELETE"] },
        upstream: "app",
        require: { permissions: ["calls:read", "calls:delete"], own: "path.userId" },
      },
      { name: "admin-only", match: { path: "/admin-only" }, upstream: "app", require: { roles: ["Admin"] } },
      {
        name: "developer-or-admin",
        match: { path: "/developer-or-admin" },
        upstream: "app",
        require: { roles: ["Developer", "Admin"] },
      },
    ],
  },
});
const { gateway, upstream, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});
beforeEach(() => upstream.clear());

function token(role: string, sub = "u1"): string {
  return jwks.token({ claims: { aud: "api", sub, role } });
}

async function ask(method: string, path: string, bearer?: string) {
  return askJson(gateway.url + path, { method, ...(bearer === undefined ? {} : { bearer }) });
}

describe.each(roleNames)("%s", (role) => {
  const granted = ROLES[role];

  test.each(PERMISSIONS)("and %s", async (permission) => {
    const { status, body } = await ask("GET", `/${permission.replace(":", "/")}`, token(role));
    const isAllowed = granted.includes(permission);
    expect(status).toBe(isAllowed ? 200 : 403);
    expect(body).toMatchObject(isAllowed ? {} : { error: "permission_denied", required_permission: permission });
    expect(upstream.count).toBe(isAllowed ? 1 : 0);
  });
});

test.each([
  ["OPERATOR", "GET", "u1", 200],
  ["OPERATOR", "GET", "u2", 403],
  ["OPERATOR", "GET", "%751", 200],
  ["OPERATOR", "PATCH", "u1", 200],
  ["OPERATOR", "PATCH", "u2", 403],
  ["OPERATOR", "DELETE", "u1", 403],
  ["VIEWER", "GET", "u2", 200],
  ["VIEWER", "PATCH", "u1", 403],
  ["MANAGER", "PATCH", "u2", 200],
  ["OWNER", "DELETE", "u2", 200],
])("%s and %s of the calls of %s: %i", async (role, method, user, status) => {
  expect((await ask(method, `/users/${user}/calls`, token(role))).status).toBe(status);
});

test("another user's things are told apart from a missing permission", async () => {
  expect((await ask("GET", "/users/u2/calls", token("OPERATOR"))).body).toMatchObject({ error: "tenant_mismatch" });
  expect((await ask("DELETE", "/users/u1/calls", token("OPERATOR"))).body).toMatchObject({
    error: "permission_denied",
    required_permission: "calls:delete",
  });
});

test("a key has no user, and so nothing of its own", async () => {
  const key = await operator.key({ roles: ["OPERATOR"] });
  expect(await ask("GET", "/users/u1/calls", key.secret)).toMatchObject({
    status: 403,
    body: { error: "permission_denied", required_permission: "calls:read" },
  });
  const manager = await operator.key({ roles: ["MANAGER"] });
  expect((await ask("GET", "/users/u1/calls", manager.secret)).status).toBe(200);
});

test.each([
  ["Admin", 200, 200],
  ["Developer", 403, 200],
  ["User", 403, 403],
  ["admin", 403, 403],
  ["Nobody", 403, 403],
])("the gates of S0 let the role %s in: admin only %i, developer or admin %i", async (role, adminOnly, either) => {
  const statuses = [await ask("GET", "/admin-only", token(role)), await ask("GET", "/developer-or-admin", token(role))];
  expect(statuses.map(({ status }) => status)).toEqual([adminOnly, either]);
});

test("who is nobody gets 401, whatever a route asks for", async () => {
  for (const path of ["/admin-only", "/users/u1/calls", "/org/read"]) expect((await ask("GET", path)).status).toBe(401);
});
