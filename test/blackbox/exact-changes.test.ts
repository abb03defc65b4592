/** What an operator changes holds on the very next request, on every worker, however the change was made. */
import { afterAll, expect, test } from "vitest";
import { connectionToEach } from "#test/support/connection.ts";
import { type MadeKey, startScene } from "#test/support/scene.ts";

/** Change and next answer together, on loopback. The median of several rounds: a busy machine may delay any single one. */
const CHANGE_MAX_MS = 50;
const ROUNDS = 9;

const scene = await startScene({
  config: {
    plans: {
      free: { default: true, quotas: { api_calls: { limit: 3, per: "month" } } },
      pro: { quotas: { api_calls: { limit: 1000, per: "month" } }, features: ["custom"] },
    },
    routes: [
      { name: "counted", match: { path: "/counted" }, upstream: "app", meters: { api_calls: 1 } },
      { name: "free", match: { path: "/free" }, upstream: "app" },
      { name: "feature", match: { path: "/feature" }, upstream: "app", require: { features: ["custom"] } },
    ],
  },
});
const { gateway, operator } = scene;
const workers = await connectionToEach(gateway, 2);

afterAll(async () => {
  for (const connection of workers) connection[Symbol.dispose]();
  await scene[Symbol.asyncDispose]();
});

/** One request on each worker: status and error code of each answer. */
async function onEachWorker(target: string, key: MadeKey): Promise<readonly string[]> {
  const answers = await Promise.all(workers.map((connection) => connection.ask("GET", target, [key.line])));
  return answers.map((answer) => (answer.status === 200 ? "200" : `${answer.status} ${errorOf(answer.json())}`));
}

function errorOf(body: unknown): string {
  return typeof body === "object" && body !== null && "error" in body ? String(body.error) : "";
}

function both(answer: string): readonly string[] {
  return [answer, answer];
}

const byApi = {
  revoke: async (key: MadeKey) => operator.call("DELETE", `/admin/keys/${key.id}`),
  patch: async (key: MadeKey, change: object) => operator.call("PATCH", `/admin/accounts/${key.account}`, change),
};

async function byCli(...args: readonly string[]): Promise<void> {
  const { code, stderr } = await gateway.cli(...args);
  if (code !== 0) throw new Error(stderr);
}

test("a key revoked through the API is refused by both workers at once", async () => {
  const key = await operator.key();
  expect(await onEachWorker("/free", key)).toEqual(both("200"));
  expect((await byApi.revoke(key)).status).toBe(200);
  expect(await onEachWorker("/free", key)).toEqual(both("401 key_revoked"));
});

test("a key revoked through the command line is refused by both workers at once", async () => {
  const key = await operator.key();
  expect(await onEachWorker("/free", key)).toEqual(both("200"));
  await byCli("keys", "revoke", key.id);
  expect(await onEachWorker("/free", key)).toEqual(both("401 key_revoked"));
});

test("an account suspended and activated is refused and let in again at once", async () => {
  const key = await operator.key();
  expect(await onEachWorker("/free", key)).toEqual(both("200"));
  const ways = [
    (state: string) => byApi.patch(key, { state }),
    (state: string) => byCli("accounts", state === "active" ? "activate" : "suspend", key.account),
  ];
  for (const change of ways) {
    await change("suspended");
    expect(await onEachWorker("/free", key)).toEqual(both("403 account_suspended"));
    await change("active");
    expect(await onEachWorker("/free", key)).toEqual(both("200"));
  }
});

test("a plan set through the API or the command line gives its limits and features at once, and carries usage over", async () => {
  const key = await operator.key();
  expect(await onEachWorker("/counted", key)).toEqual(both("200"));
  expect(await onEachWorker("/feature", key)).toEqual(both("403 feature_not_in_plan"));
  await byApi.patch(key, { plan: "pro" });
  expect(await onEachWorker("/feature", key)).toEqual(both("200"));
  expect(await onEachWorker("/counted", key)).toEqual(both("200"));
  await byCli("accounts", "set-plan", key.account, "free");
  // Four used: over the three of the free plan.
  expect(await onEachWorker("/counted", key)).toEqual(both("429 quota_exceeded"));
  expect(await operator.used(key.account)).toBe(4);
});

test("a key that was refused as unknown works from the moment it is made", async () => {
  const key = await operator.key();
  await byApi.revoke(key);
  expect(await onEachWorker("/free", key)).toEqual(both("401 key_revoked"));
  expect(await onEachWorker("/free", await operator.key({ account: key.account }))).toEqual(both("200"));
});

test("from the wish to revoke to the refusal on both workers it takes less than 50 ms", async () => {
  const timesMs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const key = await operator.key();
    expect(await onEachWorker("/free", key)).toEqual(both("200"));
    const started = performance.now();
    await byApi.revoke(key);
    expect(await onEachWorker("/free", key)).toEqual(both("401 key_revoked"));
    timesMs.push(performance.now() - started);
  }
  expect(timesMs.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]).toBeLessThan(CHANGE_MAX_MS);
});
