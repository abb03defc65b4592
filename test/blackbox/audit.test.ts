/** The audit log of a real gateway: every change there is has its entry, with who made it. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, askJson, rows, sceneConfig, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks(makeKey("ES256"));
const identity = {
  keys: { storage: "retrievable", foreign: [{ prefix: "sk_live_", length: 24 }] },
  issuers: [
    { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"] },
    { name: "local", preset: "local", audiences: ["api"] },
  ],
};
const plans = { free: { default: true }, pro: {} };
const server = { workers: 2, adminToken: ADMIN_TOKEN };
const resources = { models: {} };
const roles = { Admin: ["*", "tollgate:members:*", "tollgate:resources:share"], User: [] };
const config = { identity, plans, server, resources, roles };
const scene = await startScene({ config });
const { gateway, operator, upstream } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

type Entry = Readonly<Record<string, unknown>>;

async function entries(query = ""): Promise<readonly Entry[]> {
  return rows((await operator.call("GET", `/admin/audit${query}`)).body, "data");
}

async function newest(query = ""): Promise<Entry> {
  const [entry] = await entries(query);
  if (entry === undefined) throw new Error("No entry");
  return entry;
}

const own = (path: string, bearer: string, method: string, body?: unknown) =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, body, bearer });

let users = 0;

/** The id of a new user. */
async function madeUser(): Promise<string> {
  const { body } = await operator.call("POST", "/admin/users", { externalId: `u-${++users}` });
  return text(body, "id");
}

const imported = (what: string, body: string) =>
  fetch(`${gateway.adminUrl}/admin/${what}/import`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "text/csv" },
    body,
  });

/** A new user and their token, whose session is `s-` and their id. */
async function signedIn() {
  const user = await madeUser();
  const { body } = await operator.call("GET", `/admin/users/${user}`);
  const token = jwks.token({ claims: { aud: "api", sub: body.externalId, sid: `s-${user}` } });
  return { user, token };
}

/** Endpoints that change something, and a call of each. Each gives the id its entry is about. */
const CHANGES: Readonly<
  Record<string, (account: string, secret: string) => Promise<readonly [action: string, target: string]>>
> = {
  "POST /admin/accounts": async () => ["account.created", await operator.account()],
  "PATCH /admin/accounts/{id}": async (account) => {
    await operator.call("PATCH", `/admin/accounts/${account}`, { state: "suspended" });
    await operator.call("PATCH", `/admin/accounts/${account}`, { state: "active" });
    return ["account.activated", account];
  },
  "PUT /admin/accounts/{id}/external-id": async (account) => {
    await operator.call("PUT", `/admin/accounts/${account}/external-id`, { externalId: `known-as-${account}` });
    return ["account.external_id_changed", account];
  },
  "POST /admin/accounts/bulk": async (account) => {
    const wish = { filter: { ids: [account] }, action: "extendTrial", extendTrial: "1d" };
    await operator.call("POST", "/admin/accounts/bulk", { ...wish, dryRun: false, expected: 1 });
    return ["accounts.bulk", "accounts"];
  },
  "POST /admin/accounts/{id}/clear-limits": async (account) => {
    await operator.call("POST", `/admin/accounts/${account}/clear-limits`);
    return ["account.limits_cleared", account];
  },
  "POST /admin/accounts/{id}/suspend": async (account) => {
    await operator.call("POST", `/admin/accounts/${account}/suspend`);
    return ["account.suspended", account];
  },
  "POST /admin/accounts/{id}/activate": async (account) => {
    await operator.call("POST", `/admin/accounts/${account}/suspend`);
    await operator.call("POST", `/admin/accounts/${account}/activate`);
    return ["account.activated", account];
  },
  "DELETE /admin/accounts/{id}": async (account) => {
    await operator.call("DELETE", `/admin/accounts/${account}`);
    return ["account.deleted", account];
  },
  "POST /admin/accounts/{id}/restore": async (account) => {
    await operator.call("DELETE", `/admin/accounts/${account}`);
    await operator.call("POST", `/admin/accounts/${account}/restore`);
    return ["account.restored", account];
  },
  "POST /admin/accounts/{id}/credits": async (account) => {
    const { body } = await operator.call("POST", `/admin/accounts/${account}/credits`, { amount: 5 });
    return ["credits.granted", text(body, "id")];
  },
  "DELETE /admin/credits/{id}": async (account) => {
    const { body } = await operator.call("POST", `/admin/accounts/${account}/credits`, { amount: 5 });
    await operator.call("DELETE", `/admin/credits/${text(body, "id")}`);
    return ["credits.voided", text(body, "id")];
  },
  "PUT /admin/accounts/{id}/spend-cap": async (account) => {
    await operator.call("PUT", `/admin/accounts/${account}/spend-cap`, { units: { api_calls: 7 } });
    return ["account.spend_cap_changed", account];
  },
  "PUT /admin/resources/{kind}/{id}": async (account) => {
    await operator.call("PUT", "/admin/resources/models/m1", { account });
    return ["resource.registered", "models/m1"];
  },
  "DELETE /admin/resources/{kind}/{id}": async (account) => {
    await operator.call("PUT", "/admin/resources/models/m2", { account });
    await operator.call("DELETE", "/admin/resources/models/m2");
    return ["resource.removed", "models/m2"];
  },
  "POST /admin/resources/import": async (account) => {
    await operator.call("POST", "/admin/resources/import", { resources: [{ kind: "models", id: "m3", account }] });
    return ["resources.imported", "resources"];
  },
  "PUT /admin/resources/{kind}/{id}/grants/{account}": async (account) => {
    await operator.call("PUT", "/admin/resources/models/m4", { account });
    await operator.call("PUT", `/admin/resources/models/m4/grants/${await operator.account()}`, { access: "read" });
    return ["resource.shared", "models/m4"];
  },
  "DELETE /admin/resources/{kind}/{id}/grants/{account}": async (account) => {
    const friend = await operator.account();
    await operator.call("PUT", "/admin/resources/models/m5", { account });
    await operator.call("PUT", `/admin/resources/models/m5/grants/${friend}`, { access: "read" });
    await operator.call("DELETE", `/admin/resources/models/m5/grants/${friend}`);
    return ["resource.unshared", "models/m5"];
  },
  "PUT /resources/{kind}/{id}/grants/{account}": async (account, secret) => {
    await operator.call("PUT", "/admin/resources/models/m6", { account });
    await own(`/resources/models/m6/grants/${await operator.account()}`, secret, "PUT", { access: "write" });
    return ["resource.shared", "models/m6"];
  },
  "DELETE /resources/{kind}/{id}/grants/{account}": async (account, secret) => {
    const friend = await operator.account();
    await operator.call("PUT", "/admin/resources/models/m7", { account });
    await own(`/resources/models/m7/grants/${friend}`, secret, "PUT", { access: "write" });
    await own(`/resources/models/m7/grants/${friend}`, secret, "DELETE");
    return ["resource.unshared", "models/m7"];
  },
  "POST /admin/keys": async (account) => ["key.created", (await operator.key({ account })).id],
  "DELETE /admin/keys/{id}": async (account) => {
    const { id } = await operator.key({ account });
    await operator.call("DELETE", `/admin/keys/${id}`);
    return ["key.revoked", id];
  },
  "PATCH /admin/keys/{id}": async (account) => {
    const { id } = await operator.key({ account });
    await operator.call("PATCH", `/admin/keys/${id}`, { enabled: false });
    return ["key.disabled", id];
  },
  "POST /admin/keys/{id}/rotate": async (account) => {
    const { id } = await operator.key({ account });
    await operator.call("POST", `/admin/keys/${id}/rotate`);
    return ["key.rotated", id];
  },
  "POST /api-keys": async (_account, secret) => {
    const { body } = await own("/api-keys", secret, "POST", {});
    return ["key.created", text(body, "id")];
  },
  "DELETE /api-keys/{id}": async (_account, secret) => {
    const { body } = await own("/api-keys", secret, "POST", {});
    await own(`/api-keys/${text(body, "id")}`, secret, "DELETE");
    return ["key.revoked", text(body, "id")];
  },
  "PATCH /api-keys/{id}": async (_account, secret) => {
    const { body } = await own("/api-keys", secret, "POST", {});
    await own(`/api-keys/${text(body, "id")}`, secret, "PATCH", { name: "other" });
    return ["key.updated", text(body, "id")];
  },
  "POST /api-keys/{id}/rotate": async (_account, secret) => {
    const { body } = await own("/api-keys", secret, "POST", {});
    await own(`/api-keys/${text(body, "id")}/rotate`, secret, "POST", { overlap: "0s" });
    return ["key.rotated", text(body, "id")];
  },
  "POST /api-keys/{id}/reveal": async (_account, secret) => {
    const { body } = await own("/auth/me", secret, "GET");
    await own(`/api-keys/${text(body, "keyId")}/reveal`, secret, "POST");
    return ["key.revealed", text(body, "keyId")];
  },
  "POST /admin/keys/import": async (account) => {
    const hash = { kind: "sha256", digest: randomBytes(32).toString("hex") };
    const { body } = await operator.call("POST", "/admin/keys/import", { account, hash });
    return ["key.imported", text(rows(body, "data")[0] ?? {}, "id")];
  },
  "POST /admin/keys/{id}/reveal": async (account) => {
    const { id } = await operator.key({ account });
    await operator.call("POST", `/admin/keys/${id}/reveal`);
    return ["key.revealed", id];
  },
  "PUT /billing/spend-cap": async (account, secret) => {
    await own("/billing/spend-cap", secret, "PUT", { units: { api_calls: 9 } });
    return ["account.spend_cap_changed", account];
  },
  "PUT /admin/accounts/{id}/upstream-credentials/{upstream}/{header}": async (account, secret) => {
    await operator.call("PUT", `/admin/accounts/${account}/upstream-credentials/app/X-Token`, { value: secret });
    return ["upstream_credential.set", `${account}/app/x-token`];
  },
  "DELETE /admin/accounts/{id}/upstream-credentials/{upstream}/{header}": async (account, secret) => {
    await operator.call("PUT", `/admin/accounts/${account}/upstream-credentials/app/x-token`, { value: secret });
    await operator.call("DELETE", `/admin/accounts/${account}/upstream-credentials/app/x-token`);
    return ["upstream_credential.removed", `${account}/app/x-token`];
  },
  "POST /admin/secrets/rotate": async () => {
    const { body } = await operator.call("POST", "/admin/secrets/rotate");
    return ["secrets.rotated", text(body, "sealing")];
  },
  "POST /admin/users": async () => ["user.created", await madeUser()],
  "POST /admin/users/bulk": async () => {
    const wish = { filter: { ids: [await madeUser()] }, action: "suspend" };
    await operator.call("POST", "/admin/users/bulk", { ...wish, dryRun: false, expected: 1 });
    return ["users.bulk", "users"];
  },
  "PATCH /admin/users/{id}": async () => {
    const id = await madeUser();
    await operator.call("PATCH", `/admin/users/${id}`, { state: "suspended" });
    return ["user.suspended", id];
  },
  "DELETE /admin/users/{id}": async () => {
    const id = await madeUser();
    await operator.call("DELETE", `/admin/users/${id}`);
    return ["user.deleted", id];
  },
  "POST /admin/users/{id}/impersonate": async () => {
    const id = await madeUser();
    await operator.call("POST", `/admin/users/${id}/impersonate`, { reason: "a ticket" });
    return ["user.impersonated", id];
  },
  "POST /admin/accounts/import": async () => {
    const { status } = await imported("accounts", `external_id\nimp-${++users}\n`);
    expect(status).toBe(200);
    return ["account.created", text((await operator.call("GET", `/admin/accounts/imp-${users}`)).body, "id")];
  },
  "POST /admin/users/import": async () => {
    const { status } = await imported("users", `external_id\nimp-${++users}\n`);
    expect(status).toBe(200);
    return ["user.created", text((await operator.call("GET", `/admin/users/imp-${users}`)).body, "id")];
  },
  "DELETE /admin/users/{id}/sessions": async () => {
    const id = await madeUser();
    await operator.call("DELETE", `/admin/users/${id}/sessions`);
    return ["user.sessions_revoked", id];
  },
  "DELETE /admin/users/{id}/sessions/{session}": async () => {
    const { user, token } = await signedIn();
    await own("/auth/me", token, "GET");
    await operator.call("DELETE", `/admin/users/${user}/sessions/s-${user}`);
    return ["user.session_revoked", user];
  },
  "POST /admin/users/{id}/sessions/deny": async () => {
    const id = await madeUser();
    const expiresAt = new Date(Date.now() + 60_000).toISOString();
    await operator.call("POST", `/admin/users/${id}/sessions/deny`, { session: "leaked", expiresAt });
    return ["user.session_revoked", id];
  },
  "POST /admin/accounts/{id}/members": async (account) => {
    const user = await madeUser();
    await operator.call("POST", `/admin/accounts/${account}/members`, { user });
    return ["member.added", user];
  },
  "PATCH /admin/accounts/{id}/members/{user}": async (account) => {
    const user = await madeUser();
    await operator.call("POST", `/admin/accounts/${account}/members`, { user });
    await operator.call("PATCH", `/admin/accounts/${account}/members/${user}`, { roles: ["Admin"] });
    return ["member.changed", user];
  },
  "DELETE /admin/accounts/{id}/members/{user}": async (account) => {
    const user = await madeUser();
    await operator.call("POST", `/admin/accounts/${account}/members`, { user });
    await operator.call("DELETE", `/admin/accounts/${account}/members/${user}`);
    return ["member.removed", user];
  },
  "POST /members": async (_account, secret) => {
    const { body } = await own("/members", secret, "POST", { user: `m-${++users}` });
    return ["member.added", text(body, "id")];
  },
  "PATCH /members/{user}": async (_account, secret) => {
    const { body } = await own("/members", secret, "POST", { user: `m-${++users}` });
    await own(`/members/${text(body, "id")}`, secret, "PATCH", { roles: ["Admin"] });
    return ["member.changed", text(body, "id")];
  },
  "DELETE /members/{user}": async (_account, secret) => {
    const { body } = await own("/members", secret, "POST", { user: `m-${++users}` });
    await own(`/members/${text(body, "id")}`, secret, "DELETE");
    return ["member.removed", text(body, "id")];
  },
  "POST /invitations": async (_account, secret) => {
    const { body } = await own("/invitations", secret, "POST", { roles: [] });
    return ["invitation.created", text(body, "id")];
  },
  "DELETE /invitations/{id}": async (_account, secret) => {
    const { body } = await own("/invitations", secret, "POST", { roles: [] });
    await own(`/invitations/${text(body, "id")}`, secret, "DELETE");
    return ["invitation.revoked", text(body, "id")];
  },
  "POST /invitations/accept": async (_account, secret) => {
    const { body } = await own("/invitations", secret, "POST", { roles: [] });
    const { token } = await signedIn();
    await own("/invitations/accept", token, "POST", { token: body.token });
    return ["invitation.accepted", text(body, "id")];
  },
  "DELETE /sessions": async () => {
    const { user, token } = await signedIn();
    await own("/sessions", token, "DELETE");
    return ["user.sessions_revoked", user];
  },
  "DELETE /sessions/{id}": async () => {
    const { user, token } = await signedIn();
    await own(`/sessions/s-${user}`, token, "DELETE");
    return ["user.session_revoked", user];
  },
  "POST /admin/backup": async () => {
    const dir = join(gateway.dir, "copy");
    expect((await gateway.cli("backup", dir)).code).toBe(0);
    return ["backup.made", dir];
  },
};

/** Those of users alone. */
const BY_TOKEN = ["DELETE /sessions", "DELETE /sessions/{id}", "POST /invitations/accept"];

/** Usage has a ledger of its own; a lookup changes nothing. */
const NO_CHANGE = [
  "POST /admin/usage/events",
  "POST /admin/keys/lookup",
  "POST /keys/verify",
  "POST /usage/events",
  "POST /usage/reservations",
  "POST /usage/reservations/{id}/confirm",
  "POST /usage/reservations/{id}/release",
];

test("every endpoint that is no GET is known here, to change something or not", () => {
  const page = readFileSync(new URL("../../docs/endpoints.md", import.meta.url), "utf8");
  const documented = [...page.matchAll(/^\| (POST|PUT|PATCH|DELETE) +\| `([^`]+)`/gm)].map(
    ([, method, path]) => `${method} ${path}`,
  );
  expect(documented.sort()).toEqual([...Object.keys(CHANGES), ...NO_CHANGE].sort());
});

test.each(Object.entries(CHANGES))("%s leaves an entry with who did it, and no secret", async (endpoint, change) => {
  const { account, secret, id } = await operator.key();
  const [action, target] = await change(account, secret);
  const entry = await newest(`?target=${encodeURIComponent(target)}`);
  expect(entry).toMatchObject({ action, target });
  const isCustomer = !endpoint.includes(" /admin/");
  const isCommand = endpoint === "POST /admin/backup";
  const staff = { kind: isCommand ? "command" : "operator", id: null, account: null };
  const user = { kind: "user", id: expect.stringMatching(/^u-/), account: expect.stringMatching(/^acct_/) };
  const customer = BY_TOKEN.includes(endpoint) ? user : { kind: "key", id, account };
  expect(entry.actor).toEqual(isCustomer ? customer : staff);
  expect(entry.ip).toBe(isCommand ? null : "127.0.0.1");
  expect(entry.requestId).toMatch(/^req_/);
  const all = JSON.stringify(await entries("?limit=1000"));
  expect([all.includes(secret), all.includes(secret.slice(-20)), all.includes(ADMIN_TOKEN)]).toEqual([
    false,
    false,
    false,
  ]);
});

test("what was before and after, of what changed alone; what changes nothing leaves no entry", async () => {
  const id = await operator.account({ name: "One" });
  const patch = (body: object) => operator.call("PATCH", `/admin/accounts/${id}`, body);
  await patch({ name: "Two", plan: "pro" });
  expect(await newest(`?account=${id}`)).toMatchObject({
    action: "account.plan_changed",
    before: { name: "One", plan: null },
    after: { name: "Two", plan: "pro" },
  });
  await patch({ billingAnchor: "2026-01-31T09:00:00Z" });
  expect(await newest(`?account=${id}`)).toMatchObject({
    action: "account.billing_anchor_changed",
    after: { billingAnchor: "2026-01-31T09:00:00.000Z" },
  });
  const before = await entries(`?account=${id}`);
  await patch({ name: "Two", plan: "pro", state: "active", billingAnchor: "2026-01-31T09:00:00Z" });
  const { id: key } = await operator.key({ account: id });
  await operator.call("DELETE", `/admin/keys/${key}`);
  await operator.call("DELETE", `/admin/keys/${key}`);
  const actions = (await entries(`?account=${id}`)).map(({ action }) => action);
  expect(actions).toEqual(["key.revoked", "key.created", ...before.map(({ action }) => action)]);
});

test("the gateway's own doings: an account at first sight, a reload; refused requests leave nothing", async () => {
  const token = jwks.token({ claims: { aud: "api", sub: "newcomer" } });
  await Promise.all(
    Array.from({ length: 20 }, () => fetch(`${gateway.url}/x`, { headers: { authorization: `Bearer ${token}` } })),
  );
  const { body } = await operator.call("GET", "/admin/accounts/newcomer");
  const made = await entries(`?account=${text(body, "id")}`);
  const self = { kind: "gateway", id: null, account: null };
  expect(made.map(({ action, actor }) => [action, actor])).toEqual([
    ["member.added", self],
    ["account.created", self],
  ]);
  const after = made[0]?.after as Readonly<Record<string, unknown>>;
  const [user] = await entries(`?target=${String(after.user)}&action=user.created`);
  expect(user).toMatchObject({ actor: self, account: null, after: { externalId: "newcomer", email: null } });
  const count = (await entries("?limit=1000")).length;
  await operator.call("PATCH", "/admin/accounts/newcomer", { plan: "none" });
  await operator.call("POST", "/admin/accounts", { name: "A", externalId: "newcomer" });
  await askJson(`${gateway.adminUrl}/admin/accounts`, { method: "POST", body: { name: "A" }, bearer: "wrong" });
  expect((await entries("?limit=1000")).length).toBe(count);
  const reloaded = await gateway.reload({ ...sceneConfig(upstream.url), ...config, timeZone: "Europe/Berlin" });
  expect([reloaded.event, reloaded.faults]).toEqual(["reloaded", undefined]);
  expect(await newest()).toMatchObject({
    action: "config.reloaded",
    target: gateway.file,
    after: { sections: ["timeZone"] },
  });
});

test("bad filters are refused by name; pages go to the end", async () => {
  const status = async (query: string) => {
    const { status: code, body } = await operator.call("GET", `/admin/audit?${query}`);
    return [code, body.rule];
  };
  expect(await status("account=none")).toEqual([404, "account:id"]);
  expect(await status("from=yesterday")).toEqual([400, "query:from"]);
  for (const query of ["cursor=0", "limit=0", "who=me", "cursor=x"]) expect((await status(query))[0]).toBe(400);
  const all = (await entries("?limit=1000")).map(({ seq }) => seq);
  const paged: unknown[] = [];
  for (let cursor: unknown = ""; cursor !== null; ) {
    const { body } = await operator.call(
      "GET",
      `/admin/audit?limit=7${cursor === "" ? "" : `&cursor=${String(cursor)}`}`,
    );
    paged.push(...rows(body, "data").map(({ seq }) => seq));
    cursor = body.nextCursor;
  }
  expect(paged).toEqual(all);
});
