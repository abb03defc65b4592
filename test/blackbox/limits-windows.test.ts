/** Windows of quotas across changes: another plan, another window, other holders; all usage is found counted, also while requests come in. */
import { afterAll, expect, test } from "vitest";
import { openCrowd } from "#test/support/crowd.ts";
import { ledgerUnits } from "#test/support/ledger.ts";
import { noonZone } from "#test/support/noon.ts";
import { requestHead } from "#test/support/raw.ts";
import { askJson, type MadeKey, rows, sceneConfig, startScene } from "#test/support/scene.ts";

const day = { per: "day", timeZone: noonZone() };
const month = { per: "month", timeZone: noonZone() };

const scene = await startScene();
const { gateway, operator, upstream } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

type Quotas = Readonly<Record<string, unknown>>;

async function use(quotas: Quotas, more: object = {}): Promise<void> {
  const plans = { free: { default: true, quotas }, ...more };
  const { event } = await gateway.reload({ ...sceneConfig(upstream.url), plans });
  expect(event).toBe("reloaded");
}

async function call(key: MadeKey, times: number): Promise<number> {
  let passed = 0;
  for (let i = 0; i < times; i++) {
    const { status } = await askJson(`${gateway.url}/x`, { bearer: key.secret });
    if (status === 200) passed += 1;
  }
  return passed;
}

/** What the customer sees: used units by window and holder. */
async function seen(key: MadeKey): Promise<Readonly<Record<string, unknown>>> {
  const { body } = await askJson(`${gateway.url}/_tollgate/billing/usage`, { bearer: key.secret });
  return Object.fromEntries(rows(body, "meters").map((row) => [`${Object(row.window).kind} ${row.by}`, row.used]));
}

test("a plan with other windows finds the usage of all of them, and so does the way back", async () => {
  const other = {
    other: {
      quotas: {
        api_calls: [
          { limit: 9, ...day },
          { limit: 100, per: "lifetime", by: "key" },
        ],
      },
    },
  };
  await use({ api_calls: { limit: 5, ...month } }, other);
  const key = await operator.key();
  const plan = (name: string | null) => operator.call("PATCH", `/admin/accounts/${key.account}`, { plan: name });
  expect(await call(key, 7)).toBe(5);
  await plan("other");
  expect(await seen(key)).toEqual({ "day account": 5, "lifetime key": 5 });
  expect(await call(key, 6)).toBe(4);
  await plan("free");
  expect(await seen(key)).toEqual({ "month account": 9 });
  expect(await call(key, 1)).toBe(0);
  await plan("other");
  expect(await call(key, 1)).toBe(0);
});

test("a window or holder that the file did not know before finds what was used before", async () => {
  await use({ api_calls: { limit: 1000, ...month } });
  const one = await operator.key();
  const two = await operator.key({ account: one.account });
  expect([await call(one, 4), await call(two, 3)]).toEqual([4, 3]);
  const holders = [
    { limit: 8, ...day },
    { limit: 5, per: "lifetime", by: "key" },
    { limit: 100, per: "billing-period" },
    { limit: 100, per: "week", timeZone: noonZone() },
  ];
  await use({ api_calls: holders });
  expect(await seen(one)).toEqual({
    "day account": 7,
    "lifetime key": 4,
    "billing-period account": 7,
    "week account": 7,
  });
  // The key has one left, and then the account none.
  expect([await call(two, 2), await call(one, 2)]).toEqual([1, 0]);
  await use({ api_calls: { limit: 9, ...month } });
  expect([await seen(one), await call(one, 2)]).toEqual([{ "month account": 8 }, 1]);
});

test("a meter that gets its first quota is limited by what it has counted", async () => {
  await use({});
  const key = await operator.key();
  expect(await call(key, 6)).toBe(6);
  await use({ api_calls: { limit: 7, per: "lifetime" } });
  expect([await call(key, 3), await seen(key)]).toEqual([1, { "lifetime account": 7 }]);
});

test("while requests come in, reloads that add and drop windows lose none and count none twice", async () => {
  const kinds = [day, month, { per: "lifetime" }, { per: "billing-period" }, { per: "week", timeZone: noonZone() }];
  const keys = await Promise.all(Array.from({ length: 8 }, () => operator.key()));
  upstream.clear();
  const load = { isOver: false };
  const calls = Promise.all(
    keys.map(async (key) => {
      using crowd = await openCrowd(gateway.port, 4);
      let passed = 0;
      while (!load.isOver) passed += (await crowd.ask(requestHead("GET", "/x", [key.line])).all)[200] ?? 0;
      return passed;
    }),
  );
  for (let round = 0; round < 12; round++) {
    const chosen = kinds.filter((_, index) => (round >> (index % 3)) % 2 === 0 || index === round % kinds.length);
    await use({ api_calls: chosen.map((kind) => ({ limit: null, ...kind })) });
  }
  await use({ api_calls: kinds.map((kind) => ({ limit: null, ...kind })) });
  load.isOver = true;
  const passed = await calls;
  expect(passed.reduce((sum, one) => sum + one, 0)).toBe(upstream.count);
  for (const [index, key] of keys.entries()) {
    const all = passed[index] ?? 0;
    expect(all).toBeGreaterThan(0);
    expect(await ledgerUnits(operator, key.account, "api_calls")).toBe(all);
    const windows = ["day", "month", "lifetime", "billing-period", "week"];
    expect(await seen(key)).toEqual(Object.fromEntries(windows.map((kind) => [`${kind} account`, all])));
  }
});

test("a limit that a reload adds under load is exact as soon as what was under way is in the ledger", async () => {
  await use({ api_calls: { limit: null, ...month } });
  const key = await operator.key();
  using crowd = await openCrowd(gateway.port, 200);
  const request = requestHead("GET", "/x", [key.line]);
  expect(await crowd.ask(request).all).toEqual({ 200: 200 });
  const answers = crowd.ask(request);
  await use({ api_calls: { limit: 500, per: "lifetime" } });
  expect(await answers.all).toEqual({ 200: 200 });
  // Those that began by the old file are counted for the new window by the ledger, within a second, or when somebody asks it.
  expect(await ledgerUnits(operator, key.account, "api_calls")).toBe(400);
  expect(await crowd.ask(request).all).toEqual({ 200: 100, 429: 100 });
  expect(await ledgerUnits(operator, key.account, "api_calls")).toBe(500);
});
