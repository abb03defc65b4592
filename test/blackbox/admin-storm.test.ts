/**
 * Operators who change the same things all at once: nobody is answered 5xx, nothing is half done, and what there is in the end is what
 * the audit log tells.
 */
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { seededRandom } from "#test/support/random.ts";
import { startScene } from "#test/support/scene.ts";
import { expectStory } from "../durability/admin-story.ts";
import { Storm } from "../durability/admin-storm.ts";

const STORM_MS = 8000;
const ROUNDS = 50;

const scene = await startScene({ config: { plans: { free: { default: true }, pro: {} }, meters: {}, routes: [] } });
afterAll(() => scene[Symbol.asyncDispose]());

test("a storm of changes of the same things ends as the audit log tells, and without a fault", async () => {
  const { gateway, operator } = scene;
  await Storm.prepare(operator);
  const storm = new Storm(operator, seededRandom("admin storm"));
  storm.start();
  await pause(STORM_MS);
  await storm.stop();
  const counts = Object.groupBy(storm.heard, ({ status }) => String(status));
  process.stdout.write(
    `${JSON.stringify(Object.fromEntries(Object.entries(counts).map(([status, all]) => [status, all?.length])))}\n`,
  );
  expect(storm.heard.filter(({ status }) => ![200, 201, 204, 404, 409].includes(status))).toEqual([]);
  expect((await operator.call("GET", "/admin/audit/verify")).body).toMatchObject({ faults: [] });
  expectStory(gateway.dir, storm.heard);
  expect(gateway.logs().filter(({ level }) => Number(level) >= 50)).toEqual([]);
}, 60_000);

test("a key that is made while its account is deleted was there before, and is revoked with it, or is not made", async () => {
  const { gateway, operator } = scene;
  for (let round = 0; round < ROUNDS; round++) {
    const account = await operator.account();
    const make = () => Array.from({ length: 6 }, () => operator.call("POST", "/admin/keys", { account }));
    const answers = await Promise.all([...make(), operator.call("DELETE", `/admin/accounts/${account}`), ...make()]);
    expect(answers.map(({ status }) => status).filter((status) => ![200, 201, 409].includes(status))).toEqual([]);
  }
  expectStory(gateway.dir, []);
}, 60_000);

test("whatever is made in the name of a user who is deleted goes with them", async () => {
  const { gateway, operator } = scene;
  const account = await operator.account();
  for (let round = 0; round < ROUNDS; round++) {
    const user = `leaver-${round}`;
    await operator.call("POST", "/admin/users", { externalId: user });
    const join = () => operator.call("POST", `/admin/accounts/${account}/members`, { user, roles: ["User"] });
    const answers = await Promise.all([join(), operator.call("DELETE", `/admin/users/${user}`), join(), join()]);
    expect(answers.map(({ status }) => status).filter((status) => ![200, 201, 404, 409].includes(status))).toEqual([]);
  }
  expectStory(gateway.dir, []);
}, 60_000);
