/** Calls of the operations on API keys, own ones and those of operators; as `operation-calls.ts` says. */
import { type MadeKey, text } from "#test/support/scene.ts";
import type { Calls, CallWorld } from "./operation-calls.ts";

/** A key of the boss's account that may nothing, so that whoever is of the account may do anything with it. */
async function fresh({ scene, boss }: CallWorld): Promise<MadeKey> {
  return scene.operator.key({ account: boss.account, roles: [], scopes: [] });
}

async function rotated(world: CallWorld): Promise<string> {
  const { id } = await fresh(world);
  const { body } = await world.own("POST", `/api-keys/${id}/rotate`, { overlap: "1h" });
  return text(body, "id");
}

const WISH = {
  name: "ci",
  env: "test",
  roles: [],
  scopes: { read: true },
  expires: "30d",
  routes: ["all"],
  methods: ["GET"],
  addresses: ["10.0.0.0/8"],
  limits: { rates: [{ limit: 5, per: "1m", burst: 9 }], quotas: [{ meter: "api_calls", limit: 7, per: "day" }] },
};
const PATCH = { name: "other", enabled: false, expires: "2d", methods: null };

const show = async (world: CallWorld) => [
  { status: 200, params: { id: (await fresh(world)).id } },
  { status: 200, params: { id: await rotated(world) } },
];
const change = async (world: CallWorld) => [{ status: 200, params: { id: (await fresh(world)).id }, body: PATCH }];
const rotate = async (world: CallWorld) => [
  { status: 200, params: { id: (await fresh(world)).id }, body: { overlap: "1h" } },
  { status: 200, params: { id: (await fresh(world)).id } },
];
const revoke = async (world: CallWorld) => [{ status: 200, params: { id: (await fresh(world)).id } }];

export const KEY_CALLS: Calls = {
  listOwnKeys: async (world) => {
    await rotated(world);
    return [{ status: 200 }, { status: 200, query: "limit=1&state=active" }];
  },
  createOwnKey: async ({ token }) => [
    { status: 201, body: {} },
    { status: 201, body: WISH, bearer: token("ada") },
  ],
  getOwnKey: show,
  updateOwnKey: change,
  rotateOwnKey: rotate,
  revokeOwnKey: revoke,
  // A key reads out no key but itself.
  revealOwnKey: async (world) => [{ status: 200, params: { id: (await fresh(world)).id }, bearer: world.token("ada") }],
  listKeys: async ({ boss }) => [{ status: 200 }, { status: 200, query: `limit=1&account=${boss.account}` }],
  createKey: async ({ boss }) => [
    { status: 201, body: { account: boss.account } },
    { status: 201, body: { ...WISH, account: boss.account } },
  ],
  lookUpKey: async (world) => [{ status: 200, body: { key: (await fresh(world)).secret } }],
  getKey: show,
  updateKey: change,
  rotateKey: rotate,
  revokeKey: revoke,
  revealKey: async (world) => [{ status: 200, params: { id: (await fresh(world)).id } }],
  getKeySets: async () => [{ status: 200 }],
};
