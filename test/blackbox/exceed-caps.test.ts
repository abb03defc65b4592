/** Spend caps that customers set, and thresholds that tell of usage: in force at once, and told once a window, restarts included. */
import { afterAll, expect, test } from "vitest";
import { connectionToEach, openConnection } from "#test/support/connection.ts";
import { startGateway } from "#test/support/process.ts";
import {
  ADMIN_TOKEN,
  askJson,
  type MadeKey,
  type Operator,
  operatorOf,
  rows,
  startScene,
} from "#test/support/scene.ts";

const config = {
  meters: { calls: {}, minutes: {}, marked: {}, seats: { aggregate: "last" }, mine: {} },
  plans: {
    free: {
      default: true,
      price: { monthly: 0, currency: "usd" },
      quotas: {
        calls: { limit: 2, per: "lifetime", exceed: "overage", overage: { price: 30 } },
        minutes: { limit: 1, per: "lifetime", exceed: "overage", overage: { price: 50 } },
        marked: { limit: 10, per: "lifetime", exceed: "warn" },
        seats: { limit: 10, per: "lifetime", thresholds: [50] },
        mine: { limit: 2, per: "lifetime", by: "key", exceed: "warn", thresholds: [100] },
      },
    },
  },
  routes: [
    ...["calls", "minutes", "marked", "mine"].map((meter) => ({
      name: meter,
      match: { path: `/${meter}` },
      upstream: "app",
      meters: { [meter]: 1 },
    })),
    { name: "join", match: { path: "/seats", methods: ["POST"] }, upstream: "app", meters: { seats: 1 } },
    { name: "leave", match: { path: "/seats", methods: ["DELETE"] }, upstream: "app", meters: { seats: -1 } },
  ],
};
const scene = await startScene({ config });
const { gateway, operator } = scene;
const workers = await connectionToEach(gateway, 2);
afterAll(async () => {
  for (const connection of workers) connection[Symbol.dispose]();
  await scene[Symbol.asyncDispose]();
});

const capUrl = `${gateway.url}/_tollgate/billing/spend-cap`;

async function setCap(key: MadeKey, cap: object): Promise<void> {
  const { status, body } = await askJson(capUrl, { method: "PUT", body: cap, bearer: key.secret });
  expect([status, body]).toEqual([200, expect.objectContaining(cap)]);
  expect((await askJson(capUrl, { bearer: key.secret })).body).toMatchObject(cap);
}

/** One request on each worker: 200, or the rule that refused. */
async function onEach(target: string, key: MadeKey): Promise<readonly string[]> {
  const answers: string[] = [];
  for (const connection of workers) {
    const answer = await connection.ask("GET", target, [key.line]);
    answers.push(answer.status === 200 ? "200" : `${answer.status} ${String(Object(answer.json()).rule)}`);
  }
  return answers;
}

test("a cap in units holds from the next request on, on every worker, and so does another or none", async () => {
  const key = await operator.key();
  expect(await onEach("/calls", key)).toEqual(["200", "200"]);
  await setCap(key, { units: { calls: 1 } });
  expect(await onEach("/calls", key)).toEqual(["200", "429 spend-cap:calls"]);
  await setCap(key, { units: { calls: 2 } });
  expect(await onEach("/calls", key)).toEqual(["200", "429 spend-cap:calls"]);
  // Of another meter: this one has none.
  await setCap(key, { units: { minutes: 0 } });
  expect(await onEach("/calls", key)).toEqual(["200", "200"]);
  await setCap(key, { units: { calls: 0 } });
  expect(await onEach("/calls", key)).toEqual(["429 spend-cap:calls", "429 spend-cap:calls"]);
  await setCap(key, {});
  expect(await onEach("/calls", key)).toEqual(["200", "200"]);
});

test("a cap in money is one for all meters", async () => {
  const key = await operator.key();
  await setCap(key, { money: 110 });
  expect(await onEach("/calls", key)).toEqual(["200", "200"]);
  expect(await onEach("/calls", key)).toEqual(["200", "200"]);
  // 60 are spent: one minute is free, one costs 50, and then nothing fits.
  expect(await onEach("/minutes", key)).toEqual(["200", "200"]);
  expect(await onEach("/minutes", key)).toEqual(["402 spend-cap:money", "402 spend-cap:money"]);
  expect(await onEach("/calls", key)).toEqual(["402 spend-cap:money", "402 spend-cap:money"]);
  await setCap(key, { money: 140 });
  expect(await onEach("/calls", key)).toEqual(["200", "402 spend-cap:money"]);
});

test("a cap of a meter that is not there, or of less than nothing, is refused and changes nothing", async () => {
  const key = await operator.key();
  await setCap(key, { units: { calls: 0 } });
  for (const cap of [
    { units: { nothing: 1 } },
    { units: { calls: -1 } },
    { money: -1 },
    { money: 1.5 },
    { units: { calls: 1e300 } },
  ]) {
    const { status } = await askJson(capUrl, { method: "PUT", body: cap, bearer: key.secret });
    expect.soft(status, JSON.stringify(cap)).toBe(400);
  }
  expect((await askJson(capUrl, { bearer: key.secret })).body).toMatchObject({ units: { calls: 0 }, money: null });
});

/** Thresholds that have been told of, in their order: meter and percent. */
async function told(by: Operator, account: string): Promise<readonly string[]> {
  const { status, body } = await by.call("GET", `/admin/events?account=${account}`);
  expect(status).toBe(200);
  const events = rows(body, "data").filter(({ type }) => type === "quota.threshold");
  return events.map(({ data }) => `${Object(data).meter} ${Object(data).threshold}`);
}

test("each threshold is told of once, whatever happens behind it", async () => {
  const key = await operator.key();
  const connection = await openConnection(gateway.port);
  const call = async (times: number, method = "GET", target = "/marked") => {
    for (let i = 0; i < times; i++) await connection.ask(method, target, [key.line]);
    // Usage that is asked for is folded first.
    await operator.call("GET", `/admin/usage?account=${key.account}`);
  };
  await call(7);
  expect(await told(operator, key.account)).toEqual([]);
  await call(1);
  expect(await told(operator, key.account)).toEqual(["marked 80"]);
  await call(2);
  expect(await told(operator, key.account)).toEqual(["marked 80", "marked 90", "marked 100"]);
  await call(15);
  const all = ["marked 80", "marked 90", "marked 100"];
  expect(await told(operator, key.account)).toEqual(all);
  // A gauge that goes up and down.
  for (let round = 0; round < 2; round++) {
    await call(6, "POST", "/seats");
    await call(3, "DELETE", "/seats");
  }
  expect(await told(operator, key.account)).toEqual([...all, "seats 50"]);
  connection[Symbol.dispose]();
});

test("thresholds crossed by many at once on all workers are told of once each, for each key that has its own", async () => {
  const one = await operator.key();
  const two = await operator.key({ account: one.account });
  const asked = [one, two].flatMap((key) =>
    Array.from({ length: 30 }, (_, at) =>
      askJson(`${gateway.url}/${at % 2 === 0 ? "marked" : "mine"}`, { bearer: key.secret }),
    ),
  );
  await Promise.all(asked);
  await operator.call("GET", `/admin/usage?account=${one.account}`);
  const { body } = await operator.call("GET", `/admin/events?account=${one.account}`);
  const events = rows(body, "data").map(({ data }) => Object(data));
  expect(events.map(({ meter, threshold, holder }) => `${meter} ${threshold} ${holder}`).sort()).toEqual(
    ["marked 100 null", "marked 80 null", "marked 90 null", `mine 100 ${one.id}`, `mine 100 ${two.id}`].sort(),
  );
  expect(events[0]).toMatchObject({ limit: expect.any(Number), plan: "free", window: { kind: "lifetime" } });
});

// The last one: it ends the gateway that the others share.
test("thresholds told of before a crash are not told of again behind it", async () => {
  const key = await operator.key();
  for (let i = 0; i < 9; i++) await askJson(`${gateway.url}/marked`, { bearer: key.secret });
  await gateway.kill();
  const again = {
    ...config,
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    upstreams: { app: { targets: [scene.upstream.url] } },
  };
  await using second = await startGateway(again, { dir: gateway.dir });
  const next = operatorOf(second);
  expect(await told(next, key.account)).toEqual(["marked 80", "marked 90"]);
  for (let i = 0; i < 3; i++) await askJson(`${second.url}/marked`, { bearer: key.secret });
  await next.call("GET", `/admin/usage?account=${key.account}`);
  expect(await told(next, key.account)).toEqual(["marked 80", "marked 90", "marked 100"]);
});
