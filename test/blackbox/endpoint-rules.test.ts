/** `endpoints.rules`: what the gateway's own endpoints ask of their callers by the file, and how often they may be called. */
import { afterAll, expect, test } from "vitest";
import { askJson, type JsonAnswer, sceneConfig, startScene, text } from "#test/support/scene.ts";

const CHANGES_KEYS = ["tollgate.api-keys.create", "tollgate.api-keys.update", "tollgate.api-keys.revoke"];
const config = {
  server: { workers: 2, adminToken: "an-admin-token-for-tests-0123456789", adminOnListen: true },
  roles: {
    Admin: ["*", "tollgate:accounts:list"],
    User: ["models:read"],
    Chief: ["*", "tollgate:members:*"],
    Teller: [],
    Clerk: ["tollgate:keys:create", "tollgate:stats:read", "tollgate:accounts:list"],
  },
  identity: {
    issuers: [
      {
        name: "local",
        preset: "local",
        audiences: ["api"],
        claims: { account: "project", roles: "roles", scopes: null },
      },
    ],
  },
  rates: { self: { limit: 5, per: "1h" }, probes: { limit: 3, per: "1h", by: "ip" } },
  plans: { free: { default: true }, pro: { features: ["caps"] } },
  endpoints: {
    rules: [
      { operations: CHANGES_KEYS, require: { roles: ["Admin"] } },
      { operations: ["tollgate.api-keys.rotate"], schemes: ["jwt"] },
      { operations: ["tollgate.billing.spend-cap.*"], require: { features: ["caps"], permissions: ["caps:set"] } },
      { operations: ["tollgate.admin.accounts.*"], require: { scopes: ["ops"] } },
      { operations: ["tollgate.billing.credits", "tollgate.admin.stats.show"], require: { roles: ["Teller"] } },
      { operations: ["tollgate.auth.me"], rates: ["self"] },
      { operations: ["tollgate.health"], rates: ["probes"] },
    ],
  },
};
const scene = await startScene({ config });
const { gateway, operator, upstream } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

const own = (path: string, bearer?: string, method = "GET", body?: unknown) =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, body, ...(bearer === undefined ? {} : { bearer }) });

function shortly({ status, body }: JsonAnswer): string {
  return status < 300 ? String(status) : `${status} ${String(body.error)}`;
}

test("whoever lacks the role changes no keys of the account, and still lists them", async () => {
  const user = await operator.key({ roles: ["User"] });
  const admin = await operator.key({ account: user.account, roles: ["Admin", "User"] });
  const refused = await own("/api-keys", user.secret, "POST", {});
  expect(refused).toMatchObject({ status: 403, body: { error: "permission_denied", required_roles: ["Admin"] } });
  expect(shortly(await own(`/api-keys/${user.id}`, user.secret, "PATCH", { name: "x" }))).toBe("403 permission_denied");
  expect(shortly(await own(`/api-keys/${admin.id}`, user.secret, "DELETE"))).toBe("403 permission_denied");
  expect(shortly(await own("/api-keys", user.secret))).toBe("200");
  expect(shortly(await own("/api-keys", admin.secret, "POST", { roles: ["User"] }))).toBe("201");
  expect(shortly(await own(`/api-keys/${user.id}`, admin.secret, "DELETE"))).toBe("200");
});

test("an endpoint for tokens alone takes no key, and a token of an issuer without scopes rotates a key that has no such bounds", async () => {
  const account = await operator.account({ externalId: "proj-1" });
  const key = await operator.key({ account, roles: ["User"] });
  expect(await own(`/api-keys/${key.id}/rotate`, key.secret, "POST", {})).toMatchObject({
    status: 401,
    body: { error: "credentials_invalid" },
  });
  const { stdout } = await gateway.cli("token", "--account", "proj-1", "--user", "u1", "--role", "User");
  const rotated = await own(`/api-keys/${key.id}/rotate`, stdout.trim(), "POST", {});
  expect(rotated).toMatchObject({ status: 200, body: { id: key.id, scopes: null } });
  expect(shortly(await own("/auth/me", text(rotated.body, "key")))).toBe("200");
});

test("features, permissions and scopes are asked for as on any route, beside the endpoint's own permission", async () => {
  const account = await operator.account();
  const admin = await operator.key({ account });
  const user = await operator.key({ account, roles: ["User"] });
  const cap = (bearer: string) => own("/billing/spend-cap", bearer, "PUT", { units: {}, money: null });
  expect(shortly(await cap(admin.secret))).toBe("403 feature_not_in_plan");
  await operator.call("PATCH", `/admin/accounts/${account}`, { plan: "pro" });
  expect(shortly(await cap(admin.secret))).toBe("200");
  expect(await cap(user.secret)).toMatchObject({ status: 403, body: { required_permission: "caps:set" } });
  const scoped = await operator.key({ account, scopes: ["other"] });
  const ops = await operator.key({ account, roles: ["User"], scopes: ["ops"] });
  const both = await operator.key({ account, scopes: ["ops"] });
  const list = async ({ secret }: { readonly secret: string }) => shortly(await own("/admin/accounts", secret));
  expect([await list(scoped), await list(ops), await list(both)]).toEqual([
    "403 permission_denied",
    "403 permission_denied",
    "200",
  ]);
});

test("nobody gives a role by whose name an endpoint opens that is closed to them", async () => {
  const chief = await operator.key({ roles: ["Chief"] });
  const add = (user: string, role: string) => own("/members", chief.secret, "POST", { user, roles: [role] });
  expect(shortly(await add("m1", "User"))).toBe("201");
  expect(await add("m2", "Teller")).toMatchObject({ status: 403, body: { rule: "member:role" } });
});

test("nobody makes a key that an operation of the admin API is open to and they are not, by role or by scope", async () => {
  const clerk = await operator.key({ roles: ["Clerk"] });
  const make = (bearer: string, wish: object) =>
    own("/admin/keys", bearer, "POST", { account: clerk.account, roles: ["Clerk"], ...wish });
  expect(shortly(await own("/admin/stats", clerk.secret))).toBe("403 permission_denied");
  const refused = await make(clerk.secret, { roles: ["Clerk", "Teller"] });
  expect(refused).toMatchObject({ status: 403, body: { rule: "roles:beyond" } });
  expect(text(refused.body, "detail")).toContain("tollgate.admin.stats.show");
  expect(shortly(await make(clerk.secret, { roles: ["Teller"] }))).toBe("201");
  const scoped = await operator.key({ account: clerk.account, roles: ["Clerk"], scopes: ["other"] });
  expect(shortly(await own("/admin/accounts", scoped.secret))).toBe("403 permission_denied");
  expect(shortly(await make(scoped.secret, { scopes: ["ops"] }))).toBe("403 permission_denied");
  expect(shortly(await make(scoped.secret, {}))).toBe("403 permission_denied");
  expect(shortly(await make(scoped.secret, { scopes: ["more"] }))).toBe("201");
});

test("a rate holds exactly, for each account by itself, and for those without credentials by address", async () => {
  const [first, second] = [await operator.key(), await operator.key()];
  const answers = await Promise.all(Array.from({ length: 20 }, () => own("/auth/me", first.secret)));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
  const refused = answers.find(({ status }) => status !== 200);
  expect(refused).toMatchObject({ status: 429, body: { error: "rate_limited", rule: "rate:self" } });
  expect(Number(refused?.headers.get("retry-after"))).toBeGreaterThan(0);
  const other = await own("/auth/me", second.secret);
  expect([other.status, other.headers.get("ratelimit")]).toEqual([200, expect.stringContaining('"self";r=4')]);
  const probes = await Promise.all(Array.from({ length: 10 }, () => own("/health")));
  expect(probes.map(({ status }) => status).sort()).toEqual([200, 200, 200, ...Array<number>(7).fill(429)]);
  expect(shortly(await own("/ready"))).toBe("200");
});

test("the document tells what is asked, and explain decides alike", async () => {
  const { body } = await own("/openapi.json");
  expect(body.paths).toMatchObject({
    "/api-keys": {
      get: { "x-tollgate-name": "tollgate.api-keys.list" },
      post: { "x-tollgate-name": "tollgate.api-keys.create", description: "Needs one of the roles `Admin`." },
    },
    "/api-keys/{id}/rotate": { post: { description: "Takes tokens only.", security: [{ bearer: [] }] } },
    "/health": { get: { description: "Limited by the rates `probes`." } },
    "/billing/spend-cap": { put: { description: "Needs the permissions `caps:set`. Needs a plan with `caps`." } },
  });
  const user = await operator.key({ roles: ["User"] });
  const told = await gateway.cli("explain", "POST", "/_tollgate/api-keys", "--key", user.secret, "--json");
  expect(JSON.parse(told.stdout)).toMatchObject({ answer: { status: 403, code: "permission_denied" } });
});

test("a changed rule holds for the next request", async () => {
  const user = await operator.key({ roles: ["User"] });
  expect(shortly(await own("/api-keys", user.secret, "POST", {}))).toBe("403 permission_denied");
  const { endpoints: _, ...without } = config;
  const { event } = await gateway.reload({ ...sceneConfig(upstream.url), ...without });
  expect(event).toBe("reloaded");
  expect(shortly(await own("/api-keys", user.secret, "POST", {}))).toBe("201");
});

test("health asks past a rate that probes have used up", async () => {
  const probed = {
    rates: { asked: { limit: 1, per: "1h", by: "ip" } },
    endpoints: { rules: [{ operations: ["tollgate.*"], rates: ["asked"] }] },
  };
  await gateway.reload({ ...sceneConfig(upstream.url), ...config, ...probed });
  expect([shortly(await own("/ready")), shortly(await own("/ready"))]).toEqual(["200", "429 rate_limited"]);
  expect(await gateway.cli("health")).toMatchObject({ code: 0, stderr: "" });
});
