/** Calls of the operations about things that apps make, by their owners and by operators; as `operation-calls.ts` says. */
import { text } from "#test/support/scene.ts";
import type { Call, Calls, CallWorld } from "./operation-calls.ts";

let things = 0;

/** A thing of the boss's account, by its kind and id. */
async function thing({ scene, boss }: CallWorld): Promise<{ readonly kind: string; readonly id: string }> {
  const id = `m${++things}`;
  const owner = { account: boss.account, user: "ada" };
  const answer = await scene.operator.call("PUT", `/admin/resources/models/${id}`, owner);
  if (answer.status !== 201) throw new Error(`Not made: ${JSON.stringify(answer.body)}`);
  return { kind: "models", id };
}

let friends = 0;

/** A thing that is shared with a new account. */
async function shared(world: CallWorld): Promise<Readonly<Record<string, string>>> {
  const name = await thing(world);
  const { operator } = world.scene;
  const externalId = `friend-${++friends}`;
  await operator.account({ externalId });
  const path = `/admin/resources/models/${name.id}/grants/${externalId}`;
  text((await operator.call("PUT", path, { access: "read" })).body, "account");
  return { ...name, account: externalId };
}

const ofThing = async (world: CallWorld): Promise<readonly Call[]> => [{ status: 200, params: await thing(world) }];
const ofShared = async (world: CallWorld): Promise<readonly Call[]> => [{ status: 200, params: await shared(world) }];
const sharing = async (world: CallWorld): Promise<readonly Call[]> => [
  { status: 200, params: await shared(world), body: { access: "write" } },
];

export const RESOURCE_CALLS: Calls = {
  listResourceGrants: ofShared,
  getResourceGrant: ofShared,
  setResourceGrant: sharing,
  removeResourceGrant: ofShared,
  listAccountResourceGrants: ofShared,
  getAccountResourceGrant: ofShared,
  setAccountResourceGrant: sharing,
  removeAccountResourceGrant: ofShared,
  listResources: async (world) => {
    await thing(world);
    return [{ status: 200 }, { status: 200, query: "limit=1&kind=models" }];
  },
  importResources: async ({ boss }) => [
    { status: 200, body: { resources: [{ kind: "models", id: `i${++things}`, account: boss.account }] } },
  ],
  getResource: ofThing,
  setResourceOwner: async (world) => {
    const params = await thing(world);
    const body = { account: world.boss.account };
    return [
      { status: 200, params, body: { ...body, user: "ada" } },
      { status: 201, params: { kind: "models", id: `n${++things}` }, body },
    ];
  },
  removeResource: ofThing,
};
