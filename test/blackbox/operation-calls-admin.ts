/** Calls of the operations for operators, on the admin listener and on `listen`; as `operation-calls.ts` says. */
import { randomBytes } from "node:crypto";
import { text } from "#test/support/scene.ts";
import { type Call, type Calls, type CallWorld, event } from "./operation-calls.ts";

const once = async (): Promise<readonly Call[]> => [{ status: 200 }];
const ofBoss = async ({ boss }: CallWorld): Promise<readonly Call[]> => [{ status: 200, params: { id: boss.account } }];

async function grant({ scene, boss }: CallWorld): Promise<string> {
  const answer = await scene.operator.call("POST", `/admin/accounts/${boss.account}/credits`, { amount: 5 });
  return text(answer.body, "id");
}

/** An account that nobody else knows. */
async function fresh({ scene }: CallWorld): Promise<string> {
  return scene.operator.account({ name: "Fresh" });
}

async function deleted(world: CallWorld): Promise<string> {
  const id = await fresh(world);
  await world.scene.operator.call("DELETE", `/admin/accounts/${id}`);
  return id;
}

const withReason = async (world: CallWorld): Promise<readonly Call[]> => [
  { status: 200, params: { id: await fresh(world) }, body: { reason: "r" } },
  { status: 200, params: { id: await fresh(world) } },
];

export const ADMIN_CALLS: Calls = {
  listAccounts: async () => [
    { status: 200 },
    { status: 200, query: "limit=1&sort=name&count=true&state=active&plan=free&search=a" },
  ],
  createAccount: async () => [
    { status: 201, body: { name: "New" } },
    { status: 201, body: { name: "New", externalId: null, plan: "other", email: `${Math.random()}@example.com` } },
  ],
  getAccount: async (world) => [...(await ofBoss(world)), { status: 200, params: { id: await fresh(world) } }],
  updateAccount: async (world) => [
    { status: 200, params: { id: await fresh(world) }, body: { name: "Other", plan: "other", planDuration: "5d" } },
    { status: 200, params: { id: await fresh(world) }, body: { extendTrial: "5d", state: "suspended", reason: "r" } },
  ],
  getAccountUsage: async (world) => {
    const { id: key } = await world.scene.operator.key({ account: world.boss.account });
    return [...(await ofBoss(world)), { status: 200, params: { id: world.boss.account }, query: `key=${key}` }];
  },
  suspendAccount: withReason,
  activateAccount: withReason,
  setAccountExternalId: async (world) => {
    const params = { id: await fresh(world) };
    return [
      { status: 200, params, body: { externalId: `other-${params.id}`, reason: "r" } },
      { status: 200, params, body: { externalId: null } },
    ];
  },
  changeAccounts: async (world) => {
    const filter = { ids: [await fresh(world)] };
    return [
      { status: 200, body: { filter, action: "suspend" } },
      { status: 200, body: { filter, action: "setPlan", plan: "other", dryRun: false, expected: 1, reason: "r" } },
      { status: 200, body: { filter, action: "grantCredits", credits: { amount: 5 }, dryRun: false, expected: 1 } },
    ];
  },
  deleteAccount: withReason,
  clearAccountLimits: async (world) => [
    { status: 200, params: { id: await fresh(world) } },
    { status: 200, params: { id: world.boss.account }, body: {} },
  ],
  restoreAccount: async (world) => [{ status: 200, params: { id: await deleted(world) } }],
  getMetrics: once,
  getStats: async () => [{ status: 200 }, { status: 200, query: "from=2026-01-01T00:00:00Z" }],
  getAccountUsageOverTime: async ({ boss }) => [
    { status: 200, params: { id: boss.account }, query: "meter=minutes&interval=hour" },
    { status: 200, params: { id: boss.account }, query: "groupBy=meter,status,route,key" },
  ],
  getAccountUsageForecast: ofBoss,
  listAccountCredits: async (world) => {
    await grant(world);
    return [{ status: 200, params: { id: world.boss.account }, query: "limit=1" }];
  },
  grantCredits: async ({ boss }) => {
    const params = { id: boss.account };
    const body = { amount: 7, note: "n", expiresAt: "2100-01-01T00:00:00Z", idempotencyKey: `k${Math.random()}` };
    return [
      { status: 201, params, body },
      { status: 200, params, body },
    ];
  },
  voidCredits: async (world) => [{ status: 200, params: { id: await grant(world) } }],
  getAccountSpendCap: ofBoss,
  setAccountSpendCap: async ({ boss }) => [
    { status: 200, params: { id: boss.account }, body: { units: { minutes: 5 }, money: 900 } },
    { status: 200, params: { id: boss.account }, body: {} },
  ],
  reportAnyUsage: async ({ boss }) => [
    { status: 200, body: event({ subject: boss.account }) },
    { status: 207, body: [event({ subject: boss.account }), event({ subject: "nobody" })] },
  ],
  listUsage: async () => ["minute", "hour", "day"].map((by) => ({ status: 200, query: `by=${by}` })),
  listEvents: once,
  listAuditEntries: async () => [{ status: 200 }, { status: 200, query: "limit=1" }],
  verifyAuditLog: once,
  reconcileUsage: once,
  listUpstreamCredentials: ofBoss,
  setUpstreamCredential: async ({ boss }) => [
    { status: 200, params: { id: boss.account, upstream: "app", header: "x-token" }, body: { value: "v" } },
  ],
  removeUpstreamCredential: async ({ scene, boss }) => {
    const path = `/admin/accounts/${boss.account}/upstream-credentials/app/x-other`;
    await scene.operator.call("PUT", path, { value: "v" });
    return [{ status: 200, params: { id: boss.account, upstream: "app", header: "x-other" } }];
  },
  importKeys: async ({ boss }) => {
    const hash = { kind: "sha256", digest: randomBytes(32).toString("hex") };
    return [{ status: 201, body: [{ account: boss.account, hash }] }];
  },
  revealKey: async ({ boss }) => [{ status: 200, params: { id: boss.id } }],
};
