/** Members and invitations: customers run their own account, hand out no more than they have, and never lock themselves out. */
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { until } from "#test/support/until.ts";
import { ADMIN_TOKEN, askJson, rows, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks();
const scene = await startScene({
  config: {
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    identity: {
      issuers: [
        {
          name: "main",
          issuer: jwks.issuer,
          jwks: jwks.url,
          audiences: ["api"],
          claims: { account: "org" },
          roleSource: "members",
        },
      ],
      members: { firstRoles: ["OWNER"], quotaWindows: ["day"] },
      accountHeader: "x-account",
    },
    roles: {
      OWNER: ["*", "tollgate:members:*"],
      ADMIN: ["*", "tollgate:members:read", "tollgate:members:write"],
      VIEWER: ["models:read"],
      STAFF: ["tollgate:accounts:list"],
      INSIDER: [],
      AUDITOR: ["models:read"],
    },
    routes: [
      { name: "inside", match: { path: "/inside" }, upstream: "app", require: { roles: ["INSIDER"] } },
      { name: "books", match: { path: "/books" }, upstream: "app", require: { roles: ["AUDITOR", "OWNER"] } },
      { name: "all", match: { path: "/**" }, upstream: "app" },
    ],
  },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const tokenOf = (sub: string, org = sub, more: object = {}) =>
  jwks.token({ claims: { aud: "api", sub, org, ...more } });

function own(bearer: string, method: string, path: string, body?: unknown) {
  return askJson(`${gateway.url}/_tollgate${path}`, { method, body, bearer });
}

let count = 0;

/** A new account with its owner, who has been seen. */
async function team() {
  const org = `team-${++count}`;
  const owner = tokenOf(`${org}-owner`, org);
  expect((await own(owner, "GET", "/auth/me")).status).toBe(200);
  return { org, owner };
}

const rolesOf = async (bearer: string) => {
  const { status, body } = await own(bearer, "GET", "/auth/me");
  return status === 200 ? body.roles : [status, body.error, body.rule];
};

test("an owner adds a member, changes and removes them, each in force on the next request", async () => {
  const { org, owner } = await team();
  const added = await own(owner, "POST", "/members", { user: `${org}-m`, roles: ["VIEWER"] });
  expect(added).toMatchObject({ status: 201, body: { user: `${org}-m`, roles: ["VIEWER"], joinedAt: null } });
  const token = tokenOf(`${org}-m`, org);
  expect(await rolesOf(token)).toEqual(["VIEWER"]);
  expect(await own(owner, "PATCH", `/members/${org}-m`, { roles: ["OWNER"] })).toMatchObject({ status: 200 });
  for (let n = 0; n < 4; n++) expect(await rolesOf(token)).toEqual(["OWNER"]);
  const { body } = await own(owner, "GET", "/members");
  expect(rows(body, "data").map(({ user }) => user)).toEqual([`${org}-owner`, `${org}-m`]);
  expect(await own(owner, "POST", "/members", { user: `${org}-m` })).toMatchObject({ status: 409 });
  expect(await own(owner, "DELETE", `/members/${text(added.body, "id")}`)).toMatchObject({ status: 200 });
  for (let n = 0; n < 4; n++) expect(await rolesOf(token)).toEqual([403, "tenant_mismatch", "account:member"]);
  expect(await own(owner, "DELETE", `/members/${org}-m`)).toMatchObject({ status: 404 });
  // A removed member stays out until somebody lets them in.
  expect(await rolesOf(tokenOf(`${org}-m`, org, { jti: "new" }))).toEqual([403, "tenant_mismatch", "account:member"]);
  expect((await own(owner, "POST", "/members", { user: `${org}-m`, roles: ["VIEWER"] })).status).toBe(201);
  expect(await rolesOf(token)).toEqual(["VIEWER"]);
});

test("nobody hands out a role they do not hold, nor touches a member who has one", async () => {
  const { org, owner } = await team();
  await own(owner, "POST", "/members", { user: `${org}-v`, roles: [] });
  for (const role of ["STAFF", "Nothing"])
    expect(await own(owner, "POST", "/members", { user: "x", roles: [role] })).toMatchObject({ status: 403 });
  await operator.call("PATCH", `/admin/accounts/${org}/members/${org}-v`, { roles: ["ADMIN"] });
  const admin = tokenOf(`${org}-v`, org);
  expect(await rolesOf(admin)).toEqual(["ADMIN"]);
  for (const [method, path, body] of [
    ["POST", "/members", { user: "x", roles: ["OWNER"] }],
    ["PATCH", `/members/${org}-v`, { roles: ["OWNER"] }],
    ["PATCH", `/members/${org}-owner`, { roles: [] }],
    ["DELETE", `/members/${org}-owner`, undefined],
    ["POST", "/invitations", { roles: ["OWNER"] }],
    ["POST", "/members", { user: "x", roles: ["VIEWER"] }],
  ] as const)
    expect(await own(admin, method, path, body)).toMatchObject({ status: 403, body: { error: "permission_denied" } });
  expect(await rolesOf(owner)).toEqual(["OWNER"]);
  await own(admin, "POST", "/members", { user: `${org}-plain` });
  const plain = tokenOf(`${org}-plain`, org);
  for (const [method, path] of [
    ["GET", "/members"],
    ["POST", "/members"],
    ["GET", "/invitations"],
    ["DELETE", `/members/${org}-plain`],
  ] as const)
    expect(await own(plain, method, path, method === "POST" ? { user: "y" } : undefined)).toMatchObject({
      status: 403,
    });
});

test("the last who may manage members stays; of two who leave at once, one does", async () => {
  const { org, owner } = await team();
  expect(await own(owner, "DELETE", `/members/${org}-owner`)).toMatchObject({
    status: 409,
    body: { error: "conflict" },
  });
  expect(await own(owner, "PATCH", `/members/${org}-owner`, { roles: [] })).toMatchObject({ status: 409 });
  expect(await rolesOf(owner)).toEqual(["OWNER"]);
  await own(owner, "POST", "/members", { user: `${org}-second`, roles: ["OWNER"] });
  const second = tokenOf(`${org}-second`, org);
  const left = await Promise.all([
    own(owner, "DELETE", `/members/${org}-owner`),
    own(second, "DELETE", `/members/${org}-second`),
  ]);
  expect(left.map(({ status }) => status).toSorted()).toEqual([200, 409]);
  const { body } = await operator.call("GET", `/admin/accounts/${org}/members`);
  expect(rows(body, "data")).toHaveLength(1);
});

test("an owner gives no role that opens a route to them which is not open to the owner", async () => {
  const { org, owner } = await team();
  const denied = { status: 403, body: { rule: "member:role" } };
  expect(await own(owner, "POST", "/members", { user: `${org}-a`, roles: ["INSIDER"] })).toMatchObject(denied);
  expect(await own(owner, "PATCH", `/members/${org}-owner`, { roles: ["OWNER", "INSIDER"] })).toMatchObject(denied);
  expect(await own(owner, "POST", "/invitations", { roles: ["INSIDER"] })).toMatchObject(denied);
  expect((await own(owner, "POST", "/members", { user: `${org}-b`, roles: ["AUDITOR"] })).status).toBe(201);
  await operator.call("PATCH", `/admin/accounts/${org}/members/${org}-b`, { roles: ["INSIDER"] });
  expect(await own(owner, "DELETE", `/members/${org}-b`)).toMatchObject(denied);
});

test("members of other accounts are not found, whoever they are", async () => {
  const [one, other] = [await team(), await team()];
  for (const method of ["PATCH", "DELETE"])
    for (const id of [`${other.org}-owner`, "nobody"])
      expect(
        await own(one.owner, method, `/members/${id}`, method === "PATCH" ? { roles: [] } : undefined),
      ).toMatchObject({ status: 404, body: { rule: "member:id" } });
  const mine = await own(one.owner, "POST", "/invitations", { roles: [] });
  expect((await own(other.owner, "DELETE", `/invitations/${text(mine.body, "id")}`)).status).toBe(404);
});

test("pages go on where they were when the last one on a page is gone, and take no other cursors", async () => {
  const { org, owner } = await team();
  for (const user of ["b", "c", "d"]) await own(owner, "POST", "/members", { user: `${org}-${user}` });
  const page = async (cursor: unknown, path = "/members") => {
    const { status, body } = await own(owner, "GET", `${path}?limit=2&cursor=${String(cursor)}`);
    return status === 200 ? rows(body, "data").map(({ user }) => user) : [status, body.path];
  };
  const { body } = await own(owner, "GET", "/members?limit=2");
  expect(rows(body, "data").map(({ user }) => user)).toEqual([`${org}-owner`, `${org}-b`]);
  await own(owner, "DELETE", `/members/${org}-b`);
  expect(await page(body.nextCursor)).toEqual([`${org}-c`, `${org}-d`]);
  const stranger = await operator.key({ roles: [] });
  for (const [path, cursor] of [
    ["/members", "user_1"],
    ["/members", Buffer.from('["seen",1,"user_1"]').toString("base64url")],
    ["/api-keys", "key_none"],
    ["/api-keys", stranger.id],
  ] as const)
    expect(await page(cursor, path)).toEqual([400, "querystring/cursor"]);
  for (const path of ["/admin/users?cursor=user_1", "/admin/keys?cursor=key_none"])
    expect(await operator.call("GET", path)).toMatchObject({ status: 400, body: { path: "querystring/cursor" } });
});

test("who is put in is shown by the id alone; who came by themself with name and e-mail", async () => {
  const { org, owner } = await team();
  await operator.call("POST", "/admin/users", { externalId: `${org}-private`, email: `${org}@example.com`, name: "P" });
  const { body } = await own(owner, "POST", "/members", { user: `${org}-private` });
  expect(body).toMatchObject({ user: `${org}-private`, email: null, name: null });
  const admin = await operator.call("GET", `/admin/accounts/${org}/members`);
  expect(rows(admin.body, "data")[1]).toMatchObject({ email: `${org}@example.com`, name: "P" });
});

test("who was put in by the id alone has what their first token says, and keeps it", async () => {
  const { org, owner } = await team();
  const [sub, email] = [`${org}-late`, `late-${org}@example.com`];
  await own(owner, "POST", "/members", { user: sub });
  const say = (more: object) => own(tokenOf(sub, org, more), "GET", "/auth/me");
  await say({ email, name: "Late" });
  const shown = async () => (await operator.call("GET", `/admin/users/${sub}`)).body;
  expect(await shown()).toMatchObject({ email, name: "Late" });
  await until("they are seen", async () => (await shown()).lastSeenAt !== null);
  await operator.call("PATCH", `/admin/users/${sub}`, { email: null, name: null });
  await say({ email: `other-${org}@example.com`, name: "Other" });
  expect(await shown()).toMatchObject({ email: null, name: null });
});

test("an invitation lets one in, once, who then acts for the account by the header; its token is nowhere", async () => {
  const { org, owner } = await team();
  const made = await own(owner, "POST", "/invitations", { roles: ["OWNER"], expires: "2h" });
  expect(made).toMatchObject({ status: 201, body: { email: null, roles: ["OWNER"], createdBy: `${org}-owner` } });
  expect(made.headers.get("cache-control")).toBe("no-store");
  const token = text(made.body, "token");
  const guests = Array.from({ length: 10 }, (_, n) => tokenOf(`${org}-guest-${n}`));
  const outcomes = await Promise.all(guests.map((guest) => own(guest, "POST", "/invitations/accept", { token })));
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual([200, ...Array.from({ length: 9 }, () => 404)]);
  const winner = guests[outcomes.findIndex(({ status }) => status === 200)] ?? "";
  const asOrg = await fetch(`${gateway.url}/_tollgate/auth/me`, {
    headers: { authorization: `Bearer ${winner}`, "x-account": org },
  });
  expect(await asOrg.json()).toMatchObject({ account: { externalId: org }, roles: ["OWNER"] });
  expect(rows((await own(owner, "GET", "/invitations")).body, "data")).toEqual([]);
  const audit = await operator.call("GET", "/admin/audit?limit=1000");
  expect(JSON.stringify(audit.body)).not.toContain(token.slice(7));
  expect(gateway.output()).not.toContain(token.slice(7));
});

test("an invitation for an e-mail is for its user alone; revoked, false and lapsed ones are for nobody", async () => {
  const { org, owner } = await team();
  const invite = async (body: object) => (await own(owner, "POST", "/invitations", { roles: [], ...body })).body;
  const accept = async (bearer: string, { token }: Readonly<Record<string, unknown>>) => {
    const { status, body } = await own(bearer, "POST", "/invitations/accept", { token });
    return [status, body.rule];
  };
  const bound = await invite({ email: `Ann-${org}@Example.com` });
  const bob = tokenOf(`${org}-bob`, undefined, { email: `bob-${org}@example.com` });
  const claims = { email: `ann-${org}@example.com`, email_verified: false };
  expect(await accept(bob, bound)).toEqual([403, "invitation:email"]);
  expect(await accept(tokenOf(`${org}-liar`, undefined, claims), bound)).toEqual([403, "invitation:email"]);
  const ann = tokenOf(`${org}-ann`, undefined, { email: `ann-${org}@example.com`, email_verified: true });
  expect(await accept(ann, bound)).toEqual([200, undefined]);
  expect(await accept(ann, bound)).toEqual([404, "invitation:token"]);
  const second = await invite({});
  expect(await accept(ann, second)).toEqual([409, "state:conflict"]);
  // Not used up by that.
  expect(await accept(bob, second)).toEqual([200, undefined]);
  const taken = await invite({});
  expect((await own(owner, "DELETE", `/invitations/${text(taken, "id")}`)).status).toBe(200);
  const carl = tokenOf(`${org}-carl`);
  expect(await accept(carl, taken)).toEqual([404, "invitation:token"]);
  expect(await accept(carl, { token: "invite_none" })).toEqual([404, "invitation:token"]);
  const key = await operator.key({ roles: ["OWNER"] });
  expect(await accept(key.secret, await invite({}))).toEqual([403, "caller:user"]);
  const short = await invite({ expires: "1s" });
  await new Promise((resolve) => setTimeout(resolve, Date.parse(text(short, "expiresAt")) - Date.now() + 5));
  expect(await accept(carl, short)).toEqual([404, "invitation:token"]);
});

test("who is out lets nobody in: invitations of a removed member and of a deleted user are over", async () => {
  const { org, owner } = await team();
  for (const who of ["gone", "deleted"])
    await own(owner, "POST", "/members", { user: `${org}-${who}`, roles: ["OWNER"] });
  const tokens = await Promise.all(
    ["gone", "deleted"].map(async (who) =>
      text((await own(tokenOf(`${org}-${who}`, org), "POST", "/invitations", { roles: ["OWNER"] })).body, "token"),
    ),
  );
  await own(owner, "DELETE", `/members/${org}-gone`);
  await operator.call("DELETE", `/admin/users/${org}-deleted`);
  for (const token of tokens)
    expect((await own(tokenOf(`${org}-friend`), "POST", "/invitations/accept", { token })).status).toBe(404);
});

test("invitations that a deleted user's keys made are over too, and whatever ends an invitation is written down", async () => {
  const { org, owner } = await team();
  const revoked = async () => {
    const { body } = await operator.call("GET", `/admin/audit?account=${org}&action=invitation.revoked`);
    return rows(body, "data").map(({ target, before }) => [target, before]);
  };
  for (const who of ["gone", "deleted"])
    await own(owner, "POST", "/members", { user: `${org}-${who}`, roles: ["OWNER"] });
  const invite = async (bearer: string) => {
    const { body } = await own(bearer, "POST", "/invitations", { email: "x@example.com", roles: ["OWNER"] });
    return { id: text(body, "id"), token: text(body, "token") };
  };
  const key = async (bearer: string) => text((await own(bearer, "POST", "/api-keys", {})).body, "key");
  const byMember = await invite(tokenOf(`${org}-gone`, org));
  const byKey = await invite(await key(await key(tokenOf(`${org}-deleted`, org))));
  const byOwner = await invite(owner);
  const before = { email: "x@example.com", roles: ["OWNER"] };
  await own(owner, "DELETE", `/members/${org}-gone`);
  expect(await revoked()).toEqual([[byMember.id, before]]);
  await operator.call("DELETE", `/admin/users/${org}-deleted`);
  expect((await revoked())[0]).toEqual([byKey.id, before]);
  const friend = tokenOf(`${org}-friend`, undefined, { email: "x@example.com" });
  expect((await own(friend, "POST", "/invitations/accept", { token: byKey.token })).status).toBe(404);
  await operator.call("DELETE", `/admin/accounts/${org}`);
  expect((await revoked())[0]).toEqual([byOwner.id, before]);
});

test("a member's own limits hold for their tokens, and nobody widens their own", async () => {
  const { org, owner } = await team();
  const limits = { rates: [{ limit: 3, per: "1h" }] };
  await own(owner, "POST", "/members", { user: `${org}-slow`, roles: ["OWNER"], limits });
  const slow = tokenOf(`${org}-slow`, org);
  const statuses = async (bearer: string) => {
    const all: number[] = [];
    for (let n = 0; n < 5; n++)
      all.push((await fetch(`${gateway.url}/x`, { headers: { authorization: `Bearer ${bearer}` } })).status);
    return all;
  };
  expect(await statuses(slow)).toEqual([200, 200, 200, 429, 429]);
  expect(await statuses(owner)).toEqual([200, 200, 200, 200, 200]);
  const wider = await own(slow, "PATCH", `/members/${org}-slow`, { limits: { rates: [{ limit: 9, per: "1h" }] } });
  expect(wider.status === 403 || wider.status === 429).toBe(true);
  expect(await own(owner, "PATCH", `/members/${org}-slow`, { limits: null })).toMatchObject({ body: { limits: null } });
  expect(await statuses(slow)).toEqual([200, 200, 200, 200, 200]);
});

test("a member with limits comes by no key, which would be outside of them; without limits they do", async () => {
  const { org, owner } = await team();
  const limits = { rates: [{ limit: 100, per: "1h" }] };
  await own(owner, "POST", "/members", { user: `${org}-slow`, roles: ["VIEWER"], limits });
  const slow = tokenOf(`${org}-slow`, org);
  const denied = { status: 403, body: { error: "permission_denied", rule: "key:limits" } };
  const made = await own(owner, "POST", "/api-keys", { roles: [], limits });
  const key = `/api-keys/${text(made.body, "id")}`;
  for (const wish of [{}, { limits }, { roles: [], limits }])
    expect(await own(slow, "POST", "/api-keys", wish)).toMatchObject(denied);
  expect(await own(slow, "POST", `${key}/rotate`)).toMatchObject(denied);
  expect(await own(slow, "POST", `${key}/reveal`)).toMatchObject(denied);
  // A key whose secret they have is not freed of its limits either.
  expect(await own(slow, "PATCH", key, { limits: null })).toMatchObject(denied);
  await own(owner, "PATCH", `/members/${org}-slow`, { limits: null });
  expect((await own(slow, "POST", "/api-keys", {})).status).toBe(201);
});

test("a member with limits invites nobody, who would have none, and puts others in with limits as tight", async () => {
  const { org, owner } = await team();
  const limits = { rates: [{ limit: 100, per: "1h", burst: 100 }], quotas: [] };
  await own(owner, "POST", "/members", { user: `${org}-slow`, roles: ["OWNER"], limits });
  const slow = tokenOf(`${org}-slow`, org);
  expect(await own(slow, "POST", "/invitations", { roles: ["OWNER"] })).toMatchObject({
    status: 403,
    body: { error: "permission_denied", rule: "member:limits" },
  });
  const made = await own(slow, "POST", "/members", { user: `${org}-friend`, roles: ["OWNER"] });
  expect(made).toMatchObject({ status: 201, body: { limits } });
  expect((await own(owner, "POST", "/invitations", { roles: ["OWNER"] })).status).toBe(201);
});

test.each([
  ["POST", "/members", { user: "" }, "body/user"],
  ["POST", "/members", { user: "x", roles: "OWNER" }, "body/roles"],
  ["POST", "/members", { user: "x", admin: true }, "body/admin"],
  ["PATCH", "/members/x", {}, "body"],
  ["POST", "/invitations", {}, "body/roles"],
  ["POST", "/invitations", { roles: [], email: "nobody" }, "body/email"],
  ["POST", "/invitations", { roles: [], expires: "91d" }, "body/expires"],
  ["POST", "/invitations", { roles: [], expires: "0s" }, "body/expires"],
  ["POST", "/invitations/accept", { token: 5 }, "body/token"],
])("%s %s with %j is refused, naming the place of the fault", async (method, path, body, place) => {
  const { owner } = await team();
  expect(await own(owner, method, path, body)).toMatchObject({ status: 400, body: { path: place } });
});

test("operators run any account's members, the last one too", async () => {
  const { org } = await team();
  const path = `/admin/accounts/${org}/members`;
  expect(await operator.call("POST", path, { user: "anybody", roles: ["Nothing"] })).toMatchObject({ status: 400 });
  expect(await operator.call("POST", path, { user: "anybody", roles: ["ADMIN"] })).toMatchObject({ status: 201 });
  expect(await operator.call("DELETE", `${path}/anybody`)).toMatchObject({ status: 200 });
  expect(await operator.call("DELETE", `${path}/anybody`)).toMatchObject({ status: 404 });
  expect(await operator.call("DELETE", `${path}/${org}-owner`)).toMatchObject({ status: 200 });
  expect((await operator.call("GET", "/admin/accounts/none/members")).status).toBe(404);
});
