/** Calls of the operations on users and sessions; as `operation-calls.ts` says. */
import { text } from "#test/support/scene.ts";
import type { Call, Calls, CallWorld } from "./operation-calls.ts";

let count = 0;

/** A user that nobody else knows. */
async function fresh({ scene }: CallWorld, more: object = {}): Promise<string> {
  const answer = await scene.operator.call("POST", "/admin/users", { externalId: `fresh-${++count}`, ...more });
  return text(answer.body, "id");
}

const once = async (): Promise<readonly Call[]> => [{ status: 200 }];

export const USER_CALLS: Calls = {
  listUsers: async ({ boss, seen }) => [
    { status: 200 },
    { status: 200, query: `limit=1&account=${boss.account}&search=${seen.user}&state=active&sort=seen` },
  ],
  createUser: async () => [
    { status: 201, body: { externalId: `made-${++count}` } },
    { status: 201, body: { externalId: `made-${++count}`, email: `made-${count}@example.com`, name: "Made" } },
  ],
  getUser: async (world) => [
    { status: 200, params: { id: await fresh(world) } },
    { status: 200, params: { id: world.seen.user } },
  ],
  changeUsers: async (world) => {
    const ids = [await fresh(world)];
    return [
      { status: 200, body: { filter: { ids }, action: "revokeSessions" } },
      { status: 200, body: { filter: { search: "fresh-", ids }, action: "suspend", dryRun: false, expected: 1 } },
    ];
  },
  getUserUsage: async ({ seen }) => [
    { status: 200, params: { id: seen.user } },
    { status: 200, params: { id: seen.user }, query: "from=2026-01-01T00:00:00Z&to=2099-01-01T00:00:00Z&limit=1" },
  ],
  updateUser: async (world) => [
    { status: 200, params: { id: await fresh(world) }, body: { name: "Other", state: "suspended" } },
    {
      status: 200,
      params: { id: await fresh(world) },
      body: { sessionsNotBefore: "2026-01-01T00:00:00Z", email: null },
    },
  ],
  deleteUser: async (world) => [{ status: 200, params: { id: await fresh(world, { name: "Gone" }) } }],
  importUsers: async ({ seen }) => [
    { status: 200, type: "text/csv", body: `external_id,name\nimported-${++count},I\n` },
    { status: 200, type: "text/csv", body: `external_id\n${seen.user}\n`, query: "onConflict=skip&dryRun=true" },
  ],
  importAccounts: async () => [{ status: 200, type: "text/csv", body: `external_id\nimported-${++count}\n` }],
  listUserSessions: async ({ seen }) => [{ status: 200, params: { id: seen.user } }],
  revokeUserSessions: async (world) => [{ status: 200, params: { id: await fresh(world) } }],
  revokeUserSession: async ({ seen }) => [{ status: 200, params: { id: seen.user, session: seen.session() } }],
  denyUserSession: async (world) => [
    {
      status: 200,
      params: { id: await fresh(world) },
      body: { session: "leaked", expiresAt: new Date(Date.now() + 60_000).toISOString() },
    },
  ],
  impersonateUser: async ({ seen }) => [
    { status: 201, params: { id: seen.user }, body: { reason: "r", ttl: "5m", roles: ["User"] } },
  ],
  listOwnSessions: async ({ token, seen }) => [{ status: 200, bearer: token(seen.user) }],
  revokeOwnSessions: async ({ token }) => [{ status: 200, bearer: token(`leaves-${++count}`) }],
  revokeOwnSession: async ({ token, seen }) => [
    { status: 200, bearer: token(seen.user), params: { id: seen.session() } },
  ],
};

/** External id of a user who is a member of the boss's account, without roles. */
async function member({ scene, boss }: CallWorld): Promise<string> {
  const user = `member-${++count}`;
  await scene.operator.call("POST", `/admin/accounts/${boss.account}/members`, { user });
  return user;
}

const LIMITS = { rates: [{ limit: 5, per: "1m" }], quotas: [{ meter: "api_calls", limit: 7, per: "day" }] };

export const MEMBER_CALLS: Calls = {
  listMembers: async (world) => {
    await member(world);
    return [{ status: 200 }, { status: 200, query: "limit=1" }];
  },
  addMember: async () => [
    { status: 201, body: { user: `joins-${++count}` } },
    { status: 201, body: { user: `joins-${++count}`, roles: ["User"], limits: LIMITS } },
  ],
  updateMember: async (world) => [{ status: 200, params: { user: await member(world) }, body: { limits: LIMITS } }],
  removeMember: async (world) => [{ status: 200, params: { user: await member(world) } }],
  listAccountMembers: async (world) => {
    await member(world);
    return [{ status: 200, params: { id: world.boss.account }, query: "limit=2" }];
  },
  addAccountMember: async ({ boss }) => [
    { status: 201, params: { id: boss.account }, body: { user: `joins-${++count}`, roles: [], limits: LIMITS } },
  ],
  updateAccountMember: async (world) => [
    { status: 200, params: { id: world.boss.account, user: await member(world) }, body: { roles: [] } },
  ],
  removeAccountMember: async (world) => [
    { status: 200, params: { id: world.boss.account, user: await member(world) } },
  ],
  listInvitations: async (world) => {
    await invitation(world);
    return once();
  },
  createInvitation: async () => [
    { status: 201, body: { roles: [] } },
    { status: 201, body: { email: "ada@example.com", roles: ["User"], expires: "3d" } },
  ],
  revokeInvitation: async (world) => [{ status: 200, params: { id: text(await invitation(world), "id") } }],
  acceptInvitation: async (world) => [
    {
      status: 200,
      body: { token: text(await invitation(world), "token") },
      bearer: world.token(`joins-${++count}`, "guest-org"),
    },
  ],
};

async function invitation({ own }: CallWorld): Promise<Readonly<Record<string, unknown>>> {
  return (await own("POST", "/invitations", { roles: [] })).body;
}

export const SECRET_CALLS: Calls = {
  listSealingKeys: once,
  rotateSealingKeys: once,
  listUpstreamCredentials: async (world) => {
    const id = await credential(world);
    return [{ status: 200, params: { id } }];
  },
  setUpstreamCredential: async ({ boss }) => [
    { status: 200, params: { id: boss.account, upstream: "app", header: "x-app-key" }, body: { value: "v" } },
  ],
  removeUpstreamCredential: async (world) => [
    { status: 200, params: { id: await credential(world), upstream: "app", header: "x-app-key" } },
  ],
};

/** The account that has one then. */
async function credential({ scene }: CallWorld): Promise<string> {
  const id = await scene.operator.account();
  await scene.operator.call("PUT", `/admin/accounts/${id}/upstream-credentials/app/x-app-key`, { value: "secret" });
  return id;
}
