/** How values add up: counts, sums, maxima and gauges, what is reserved meanwhile, and sums larger than numbers can be. */
import { afterAll, expect, test } from "vitest";
import { askJson, type MadeKey, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const HUGE = Number.MAX_SAFE_INTEGER;
const value = { from: "response.header:x-value" };
const METERS = {
  sum: value,
  count: { ...value, aggregate: "count" },
  max: { ...value, aggregate: "max" },
  last: { ...value, aggregate: "last" },
};

const scene = await startScene({
  config: {
    meters: {
      ...METERS,
      reserved: { ...value, estimate: 10 },
      asked: { ...value, estimate: "request.header:x-most" },
      highest: { ...value, aggregate: "max", estimate: "request.header:x-most" },
      seats: { aggregate: "last" },
      storage: { ...value, aggregate: "last" },
      huge: value,
    },
    plans: {
      free: {
        default: true,
        quotas: {
          reserved: { limit: 25, per: "lifetime" },
          asked: { limit: 100, per: "lifetime" },
          highest: { limit: 8, per: "lifetime" },
          seats: { limit: 3, per: "lifetime" },
          storage: { limit: 50, per: "lifetime" },
        },
      },
    },
    routes: [
      {
        name: "all",
        match: { path: "/all" },
        upstream: "app",
        meters: Object.fromEntries(Object.keys(METERS).map((meter) => [meter, "measured"])),
      },
      ...["reserved", "asked", "highest", "storage", "huge"].map((meter) => ({
        name: meter,
        match: { path: `/${meter}` },
        upstream: "app",
        meters: { [meter]: "measured" },
      })),
      { name: "join", match: { path: "/seats", methods: ["POST"] }, upstream: "app", meters: { seats: 1 } },
      { name: "leave", match: { path: "/seats", methods: ["DELETE"] }, upstream: "app", meters: { seats: -1 } },
      { name: "leave.all", match: { path: "/seats/all", methods: ["DELETE"] }, upstream: "app", meters: { seats: -3 } },
    ],
  },
});
const { gateway, upstream, operator } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

/** One request whose answer has this value and status. */
async function ask(
  target: string,
  key: MadeKey,
  { method = "GET", value: text = "", status = 200, headers = {} } = {},
) {
  upstream.answer((_request, response) => void response.writeHead(status, { "x-value": text }).end());
  const answer = await fetch(`${gateway.url}${target}`, {
    method,
    headers: { authorization: `Bearer ${key.secret}`, ...headers },
  });
  await answer.arrayBuffer();
  return answer.status;
}

const used = (key: MadeKey, meter: string) => operator.used(key.account, meter);

test("of the values 5, 9 and 3 the count is 3, the sum 17, the maximum 9 and the last one 3", async () => {
  const key = await operator.key();
  for (const text of ["5", "9", "3"]) await ask("/all", key, { value: text });
  const [count, sum, max, last] = [
    await used(key, "count"),
    await used(key, "sum"),
    await used(key, "max"),
    await used(key, "last"),
  ];
  expect({ count, sum, max, last }).toEqual({ count: 3, sum: 17, max: 9, last: 3 });
  const { body } = await askJson(`${gateway.url}/_tollgate/billing/usage`, { bearer: key.secret });
  expect(body).toMatchObject({ meters: expect.arrayContaining([expect.objectContaining({ meter: "max", used: 9 })]) });
});

test("an estimate is reserved while the request is under way, refuses others meanwhile, and gives way to the real value", async () => {
  const key = await operator.key();
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  upstream.clear();
  upstream.answer(async (_request, response) => {
    await released;
    response.writeHead(200, { "x-value": "4" }).end();
  });
  const headers = { authorization: `Bearer ${key.secret}` };
  const asked = [1, 2].map(() => fetch(`${gateway.url}/reserved`, { headers }));
  await until("both are at the app", () => upstream.count === 2);
  expect(await used(key, "reserved")).toBe(20);
  // Five are left, ten would be reserved.
  expect((await fetch(`${gateway.url}/reserved`, { headers })).status).toBe(429);
  release();
  await Promise.all(asked);
  expect(await used(key, "reserved")).toBe(8);
  expect(await ask("/reserved", key, { value: "2" })).toBe(200);
  expect(await used(key, "reserved")).toBe(10);
});

test("an estimate that the client names is reserved, and one that does not fit is refused", async () => {
  const key = await operator.key();
  expect(await ask("/asked", key, { headers: { "x-most": "101" } })).toBe(429);
  expect(await ask("/asked", key, { value: "60", headers: { "x-most": "100" } })).toBe(200);
  expect(await ask("/asked", key, { headers: { "x-most": "41" } })).toBe(429);
  expect(await ask("/asked", key, { value: "50", headers: { "x-most": "1" } })).toBe(200);
  // Measured, and so counted, though it went beyond; then nothing fits.
  expect(await used(key, "asked")).toBe(110);
  expect(await ask("/asked", key, { headers: { "x-most": "0" } })).toBe(429);
});

test("a maximum is limited by itself, not on top of what there is", async () => {
  const key = await operator.key();
  for (const most of ["7", "8", "1"])
    expect(await ask("/highest", key, { value: most, headers: { "x-most": most } })).toBe(200);
  expect(await ask("/highest", key, { value: "9", headers: { "x-most": "9" } })).toBe(429);
  expect(await used(key, "highest")).toBe(8);
});

test("a measured gauge is what was said last, above its limit too, and goes down again", async () => {
  const key = await operator.key();
  for (const [text, status] of [
    ["20", 200],
    ["49", 200],
    ["70", 200],
    ["10", 429],
  ] as const) {
    expect([text, await ask("/storage", key, { value: text })]).toEqual([text, status]);
  }
  expect(await used(key, "storage")).toBe(70);
});

test("units of a gauge are given back when the app did what was asked, and never more than there are", async () => {
  const key = await operator.key();
  for (const left of [1, 2, 3]) {
    expect(await ask("/seats", key, { method: "POST", status: 201 })).toBe(201);
    expect(await used(key, "seats")).toBe(left);
  }
  expect(await ask("/seats", key, { method: "POST" })).toBe(429);
  // Refused, failed, not there: nothing was given up.
  for (const status of [403, 404, 409, 500, 503, 302]) {
    expect(await ask("/seats", key, { method: "DELETE", status })).toBe(status);
    expect([status, await used(key, "seats")]).toEqual([status, 3]);
  }
  expect(await ask("/seats", key, { method: "POST" })).toBe(429);
  expect(await ask("/seats", key, { method: "DELETE", status: 204 })).toBe(204);
  expect(await used(key, "seats")).toBe(2);
  expect(await ask("/seats", key, { method: "POST", status: 500 })).toBe(500);
  expect(await used(key, "seats")).toBe(2);
  expect(await ask("/seats/all", key, { method: "DELETE" })).toBe(200);
  expect(await used(key, "seats")).toBe(0);
  expect(await ask("/seats", key, { method: "DELETE" })).toBe(200);
  expect(await used(key, "seats")).toBe(0);
  for (const _ of [1, 2, 3]) expect(await ask("/seats", key, { method: "POST" })).toBe(200);
  expect(await ask("/seats", key, { method: "POST" })).toBe(429);
});

test("a client that leaves during a DELETE neither raises nor lowers the gauge", async () => {
  const key = await operator.key();
  for (const _ of [1, 2]) await ask("/seats", key, { method: "POST" });
  upstream.clear();
  upstream.answer(() => undefined);
  const leaving = new AbortController();
  const asked = fetch(`${gateway.url}/seats`, {
    method: "DELETE",
    headers: { authorization: `Bearer ${key.secret}` },
    signal: leaving.signal,
  });
  await until("it is at the app", () => upstream.count === 1);
  leaving.abort();
  await expect(asked).rejects.toMatchObject({ name: "AbortError" });
  await until("a POST is admitted or refused", async () => (await used(key, "seats")) === 2);
  expect(await ask("/seats", key, { method: "POST" })).toBe(200);
  expect(await ask("/seats", key, { method: "POST" })).toBe(429);
});

test("values whose sum no number holds stop neither the account's requests nor anybody else's ledger", async () => {
  const [key, other] = [await operator.key(), await operator.key()];
  for (const _ of [1, 2, 3]) expect(await ask("/huge", key, { value: String(HUGE) })).toBe(200);
  expect(await ask("/all", other, { value: "5" })).toBe(200);
  expect(await used(other, "sum")).toBe(5);
  expect(await used(key, "huge")).toBeGreaterThanOrEqual(HUGE);
  expect(await ask("/huge", key, { value: "1" })).toBe(200);
  expect(gateway.logs().filter(({ level }) => Number(level) >= 50)).toEqual([]);
});
