/** Limits are exact: across workers, across refusals of other limits, and from the next request on. Across restarts: `restarts.test.ts`. */
import { afterAll, expect, test } from "vitest";
import { type Connection, connectionToEach, openConnection } from "#test/support/connection.ts";
import { type MadeKey, startScene } from "#test/support/scene.ts";

const REQUESTS = 400;
const LIMIT = 100;

const config = {
  plans: {
    free: { default: true, quotas: { api_calls: { limit: LIMIT, per: "month" }, scarce: { limit: 5, per: "day" } } },
    large: { quotas: { api_calls: { limit: 1000, per: "month" } } },
  },
  meters: { api_calls: {}, scarce: {} },
  // So slow that nothing comes back while a test runs.
  rates: {
    burst: { limit: 1, per: "30d", burst: LIMIT, by: "account" },
    few: { limit: 1, per: "30d", burst: 8, by: "account" },
  },
  routes: [
    { name: "quota", match: { path: "/quota" }, upstream: "app", meters: { api_calls: 1 } },
    { name: "rate", match: { path: "/rate" }, upstream: "app", rates: ["burst"] },
    { name: "both", match: { path: "/both" }, upstream: "app", rates: ["few"], meters: { api_calls: 1, scarce: 1 } },
    { name: "few", match: { path: "/few" }, upstream: "app", rates: ["few"] },
    { name: "ten", match: { path: "/ten" }, upstream: "app", meters: { api_calls: 10 } },
    ...["always", "2xx", "not-5xx"].map((countWhen) => ({
      name: `when.${countWhen}`,
      match: { path: `/when/${countWhen}` },
      upstream: "app",
      meters: { api_calls: 1 },
      countWhen,
    })),
  ],
};
const scene = await startScene({ config });
const { gateway, upstream, operator } = scene;
const workers = await connectionToEach(gateway, 2);

afterAll(async () => {
  for (const connection of workers) connection[Symbol.dispose]();
  await scene[Symbol.asyncDispose]();
});

/** `count` requests at once, each on a connection of its own, so that both workers get many. How often each status came. */
async function flood(target: string, key: MadeKey, count = REQUESTS): Promise<Readonly<Record<number, number>>> {
  const connections = await Promise.all(Array.from({ length: count }, () => openConnection(gateway.port)));
  const answers = await Promise.all(connections.map((connection) => connection.ask("GET", target, [key.line])));
  for (const connection of connections) connection[Symbol.dispose]();
  return Object.fromEntries(
    Object.entries(Object.groupBy(answers, ({ status }) => status)).map(([status, same]) => [
      status,
      same?.length ?? 0,
    ]),
  );
}

async function statuses(
  connection: Connection,
  target: string,
  key: MadeKey,
  count: number,
): Promise<readonly number[]> {
  const all: number[] = [];
  for (let i = 0; i < count; i++) all.push((await connection.ask("GET", target, [key.line])).status);
  return all;
}

test.each(["/quota", "/rate"])(
  "400 requests at once on two workers against a limit of 100 on %s let exactly 100 through",
  async (target) => {
    const key = await operator.key();
    upstream.clear();
    expect(await flood(target, key)).toEqual({ 200: LIMIT, 429: REQUESTS - LIMIT });
    expect(upstream.count).toBe(LIMIT);
    expect(await operator.used(key.account)).toBe(target === "/quota" ? LIMIT : 0);
  },
);

test("requests of ten units against a limit of 100 let exactly ten through, and a single unit after them none", async () => {
  const key = await operator.key();
  expect(await flood("/ten", key, 50)).toEqual({ 200: 10, 429: 40 });
  expect(await flood("/quota", key, 4)).toEqual({ 429: 4 });
});

test("the keys of an account share its quota, other accounts have their own", async () => {
  const one = await operator.key();
  const two = await operator.key({ account: one.account });
  const [first, second] = await Promise.all([flood("/quota", one, 100), flood("/quota", two, 100)]);
  expect((first[200] ?? 0) + (second[200] ?? 0)).toBe(LIMIT);
  expect(await flood("/quota", await operator.key(), 10)).toEqual({ 200: 10 });
});

test("a request refused by one quota takes nothing of the others and no token of the rate", async () => {
  const key = await operator.key();
  const [connection] = workers;
  if (connection === undefined) throw new Error("No connection");
  // scarce 5, few 8: five pass, then three refusals by `scarce`, after which the rate still has three tokens.
  expect(await statuses(connection, "/both", key, 8)).toEqual([200, 200, 200, 200, 200, 429, 429, 429]);
  expect(await operator.used(key.account)).toBe(5);
  expect(await statuses(connection, "/few", key, 4)).toEqual([200, 200, 200, 429]);
});

test("a request refused by the rate takes nothing of the quotas, also when many come at once", async () => {
  const key = await operator.key();
  expect(await flood("/few", key, 20)).toEqual({ 200: 8, 429: 12 });
  expect(await flood("/both", key, 40)).toEqual({ 429: 40 });
  expect(await operator.used(key.account)).toBe(0);
  expect(await operator.used(key.account, "scarce")).toBe(0);
});

test("of a rate of 8 and a quota of 5 met by 60 requests at once, exactly 5 pass and 3 tokens are left", async () => {
  const key = await operator.key();
  expect(await flood("/both", key, 60)).toEqual({ 200: 5, 429: 55 });
  expect(await operator.used(key.account)).toBe(5);
  expect(await flood("/few", key, 20)).toEqual({ 200: 3, 429: 17 });
});

test.each([
  ["always", 500, 1],
  ["always", 404, 1],
  ["2xx", 201, 1],
  ["2xx", 304, 0],
  ["2xx", 404, 0],
  ["not-5xx", 200, 1],
  ["not-5xx", 404, 1],
  ["not-5xx", 500, 0],
  ["not-5xx", 503, 0],
])("countWhen %s charges an answer %i with %i", async (when, status, units) => {
  const key = await operator.key();
  upstream.answer((_request, response) => void response.writeHead(status).end());
  expect(await statuses(await openConnection(gateway.port), `/when/${when}`, key, 3)).toEqual([status, status, status]);
  upstream.answer();
  expect(await operator.used(key.account)).toBe(3 * units);
});

test("a failing app does not use up the quota", async () => {
  const key = await operator.key();
  upstream.answer((_request, response) => void response.writeHead(500).end());
  expect(await flood("/quota", key, 150)).toMatchObject({ 500: expect.any(Number) });
  upstream.answer();
  expect(await operator.used(key.account)).toBe(0);
  expect(await flood("/quota", key, 120)).toEqual({ 200: LIMIT, 429: 20 });
});
