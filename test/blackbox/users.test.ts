/** Users at the first sight of their tokens: made once, members of their account, with the roles of one source of truth alone. */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { afterAll, expect, test } from "vitest";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { startJwks } from "#test/support/jwks.ts";
import { ADMIN_TOKEN, askJson, startScene } from "#test/support/scene.ts";

const key = makeKey("ES256");
const jwks = await startJwks(key);
const claims = { account: "org", roles: "roles", permissions: "permissions" };
const scene = await startScene({
  config: {
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    identity: {
      issuers: [
        { name: "truth", issuer: "token:truth", jwks: jwks.url, audiences: ["api"], claims },
        {
          name: "list",
          issuer: "members:truth",
          jwks: jwks.url,
          audiences: ["api"],
          claims,
          roleSource: "members",
        },
      ],
      members: { firstRoles: ["Owner"], roles: ["Viewer"] },
      accountHeader: "x-account",
    },
    roles: { Owner: ["*"], Viewer: ["models:read"], Admin: ["*"] },
    plans: { free: { default: true } },
    routes: [
      { name: "admin", match: { path: "/admin-only" }, upstream: "app", require: { permissions: ["models:write"] } },
      { name: "all", match: { path: "/**" }, upstream: "app" },
    ],
  },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

type Claims = Readonly<Record<string, unknown>>;
const sign = (issuer: "token" | "members", more: Claims) =>
  signToken(key, { claims: { iss: `${issuer}:truth`, aud: "api", ...more } });

/** What the gateway makes of a caller; of a refused one `[status, error, rule]`. */
async function caller(token: string, headers: Readonly<Record<string, string>> = {}) {
  const answer = await fetch(`${gateway.url}/_tollgate/auth/me`, {
    headers: { authorization: `Bearer ${token}`, ...headers },
  });
  // Written by our own endpoint or as a problem.
  const body = (await answer.json()) as Claims;
  if (answer.status !== 200) return [answer.status, body.error, body.rule];
  const { externalId } = body.account as Claims;
  return { account: externalId, user: body.user, roles: body.roles };
}

const statusOf = async (token: string, path: string) =>
  (await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;

function rowsOf(sql: string, ...values: readonly string[]): readonly unknown[] {
  const store = new SQLite(join(gateway.dir, "data", "tollgate.db"), { readonly: true });
  try {
    return store.prepare(sql).all(...values);
  } finally {
    store.close();
  }
}

test("sixty first requests at once over two workers make one account, one user, one membership", async () => {
  const tokens = Array.from({ length: 60 }, (_, n) =>
    sign("members", { sub: "u-crowd", org: "o-crowd", jti: `j${n}` }),
  );
  const seen = await Promise.all(tokens.map((token) => caller(token)));
  expect(new Set(seen.map((one) => JSON.stringify(one)))).toEqual(
    new Set([JSON.stringify({ account: "o-crowd", user: "u-crowd", roles: ["Owner"] })]),
  );
  expect(rowsOf("SELECT id FROM accounts WHERE external_id = 'o-crowd'")).toHaveLength(1);
  expect(rowsOf("SELECT id FROM users WHERE external_id = 'u-crowd'")).toHaveLength(1);
  const members = rowsOf(
    "SELECT m.roles FROM members m JOIN accounts a ON a.id = m.account WHERE a.external_id = 'o-crowd'",
  );
  expect(members).toEqual([{ roles: '["Owner"]' }]);
  const made = rowsOf("SELECT action FROM audit_log WHERE action = 'user.created' AND after LIKE '%u-crowd%'");
  expect(made).toHaveLength(1);
});

test("twenty users at once in a new account: one of them made it", async () => {
  const tokens = Array.from({ length: 20 }, (_, n) => sign("members", { sub: `u-many-${n}`, org: "o-many" }));
  const roles = (await Promise.all(tokens.map((token) => caller(token)))).map((one) =>
    "roles" in one ? String(one.roles) : "refused",
  );
  expect(roles.toSorted()).toEqual(["Owner", ...Array.from({ length: 19 }, () => "Viewer")]);
});

test("roleSource members: what the token says of roles and permissions counts for nothing", async () => {
  await caller(sign("members", { sub: "founder", org: "o-roles" }));
  const boast = { roles: ["Admin"], permissions: ["*", "models:write"] };
  const token = sign("members", { sub: "guest", org: "o-roles", ...boast });
  expect(await caller(token)).toEqual({ account: "o-roles", user: "guest", roles: ["Viewer"] });
  expect(await statusOf(token, "/admin-only")).toBe(403);
  expect(await statusOf(sign("members", { sub: "founder", org: "o-roles", roles: [] }), "/admin-only")).toBe(200);
});

test("roleSource token: what the list of members says of roles counts for nothing", async () => {
  const owner = sign("token", { sub: "founder", org: "o-roles", roles: ["Viewer"] });
  expect(await caller(owner)).toEqual({ account: "o-roles", user: "founder", roles: ["Viewer"] });
  expect(await statusOf(owner, "/admin-only")).toBe(403);
  const admin = sign("token", { sub: "guest", org: "o-roles", roles: ["Admin"] });
  expect(await statusOf(admin, "/admin-only")).toBe(200);
});

test("the account header: members act for their other accounts, by either id; to others an account is not there", async () => {
  await caller(sign("members", { sub: "first-b", org: "o-b" }));
  const inA = sign("members", { sub: "both", org: "o-a" });
  expect(await caller(inA)).toMatchObject({ account: "o-a", roles: ["Owner"] });
  expect(await caller(inA, { "x-account": "o-b" })).toEqual([403, "tenant_mismatch", "account:header"]);
  expect(await caller(sign("members", { sub: "both", org: "o-b" }))).toMatchObject({ roles: ["Viewer"] });
  const { body } = await operator.call("GET", "/admin/accounts/o-b");
  const asB = { account: "o-b", user: "both", roles: ["Viewer"] };
  expect(await caller(inA, { "x-account": "o-b" })).toEqual(asB);
  expect(await caller(inA, { "x-account": String(body.id) })).toEqual(asB);
  expect(await caller(inA, { "x-account": "o-a" })).toMatchObject({ account: "o-a" });
  expect(await caller(inA)).toMatchObject({ account: "o-a" });
  for (const none of ["o-none", "", "o-roles"])
    expect(await caller(inA, { "x-account": none })).toEqual([403, "tenant_mismatch", "account:header"]);
  const byToken = sign("token", { sub: "both", org: "o-a" });
  expect(await caller(byToken, { "x-account": "o-b" })).toEqual([403, "tenant_mismatch", "account:header"]);
});

test("the account header on one connection: each request is its own account's, and the app never sees the header", async () => {
  await caller(sign("members", { sub: "first-d", org: "o-d" }));
  await caller(sign("members", { sub: "turns", org: "o-d" }));
  const token = sign("members", { sub: "turns", org: "o-c" });
  const accounts: unknown[] = [];
  for (const header of [null, "o-d", null, "o-d", "o-c"]) {
    await fetch(`${gateway.url}/x`, {
      headers: { authorization: `Bearer ${token}`, ...(header === null ? {} : { "x-account": header }) },
    });
    const { headers } = scene.upstream.last();
    accounts.push([headers["x-tollgate-account"], headers["x-tollgate-roles"], headers["x-account"]]);
  }
  const [c, d] = [
    ["o-c", "Owner", undefined],
    ["o-d", "Viewer", undefined],
  ];
  expect(accounts).toEqual([c, d, c, d, c]);
});

test("a key with the account header acts for its own account or not at all", async () => {
  const own = await operator.key({ roles: ["Viewer"] });
  const ask = (account: string) => caller(own.secret, { "x-account": account });
  expect(await ask(own.account)).toMatchObject({ roles: ["Viewer"] });
  expect(await ask("o-a")).toEqual([403, "tenant_mismatch", "account:header"]);
});

test("an e-mail is kept once, in lower case; a claim takes it from nobody and blocks nobody", async () => {
  const emailOf = (user: string) => rowsOf("SELECT email, name FROM users WHERE external_id = ?", user)[0];
  await caller(sign("token", { sub: "ann", email: " Ann@Example.COM ", name: "Ann" }));
  expect(emailOf("ann")).toBeUndefined();
  await caller(sign("token", { sub: "ann", org: "o-mail", email: "Ann@Example.COM", name: "Ann" }));
  expect(emailOf("ann")).toEqual({ email: "ann@example.com", name: "Ann" });
  expect(await caller(sign("token", { sub: "thief", org: "o-thief", email: "ann@example.com" }))).toMatchObject({
    user: "thief",
  });
  expect(emailOf("thief")).toEqual({ email: null, name: null });
  for (const [sub, more] of [
    ["no-1", { email: "bob@example.com", email_verified: false }],
    ["no-2", { email: "bob@example.com", email_verified: "false" }],
    ["no-3", { email: "no address" }],
    ["no-4", { email: `${"b".repeat(250)}@example.com` }],
    ["no-5", { email: ["bob@example.com"], name: { first: "Bob" } }],
  ] as const) {
    await caller(sign("token", { sub, org: "o-mail", ...more }));
    expect(emailOf(sub)).toEqual({ email: null, name: null });
  }
});

test("ids that look like ours are nobody's", async () => {
  const token = sign("token", { sub: `user_${"a".repeat(22)}`, org: "o-mail" });
  expect(await caller(token)).toEqual([401, "credentials_invalid", "token:account"]);
  expect(await caller(sign("token", { sub: `user_${"a".repeat(27)}`, org: "o-mail" }))).toMatchObject({ roles: [] });
});

test("a header sent twice is refused, whatever it says", async () => {
  const token = sign("members", { sub: "both", org: "o-a" });
  const { status, body } = await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: token });
  expect([status, body.user]).toEqual([200, "both"]);
  const { request } = await import("node:http");
  const twice = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, "x-account": ["o-a", "o-a"] };
    request(`${gateway.url}/_tollgate/auth/me`, { headers }, (answer) => resolve(answer.resume().statusCode))
      .on("error", reject)
      .end();
  });
  expect(twice).toBe(400);
});
