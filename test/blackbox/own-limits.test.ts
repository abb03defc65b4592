/** Limits of one key: in force on the next request, on every route, beside those of the plan; told in headers and usage; hostile wishes. */
import { afterAll, describe, expect, test } from "vitest";
import { askJson, type JsonAnswer, rows, startScene, text } from "#test/support/scene.ts";

const config = {
  identity: { keys: { quotaWindows: ["month"] } },
  roles: { Admin: ["*"], Reporter: ["tollgate:usage:write"] },
  meters: { calls: {}, jobs: {} },
  plans: {
    free: {
      default: true,
      quotas: { calls: [{ limit: 1000, per: "month" }, { limit: 4, per: "day", by: "key" }], jobs: { limit: null, per: "day", by: "key" } },
    },
  },
  routes: [
    { name: "calls", match: { path: "/calls" }, upstream: "app", meters: { calls: 1 } },
    { name: "jobs", match: { path: "/jobs" }, upstream: "app", meters: { jobs: 1 } },
    { name: "both", match: { path: "/both" }, upstream: "app", meters: { calls: 1, jobs: 5 } },
  ],
}; // biome-ignore format: one list
const scene = await startScene({ config });
const { gateway, operator, upstream } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

interface Made {
  readonly id: string;
  readonly secret: string;
  readonly account: string;
}

async function keyWith(limits: unknown, account?: string): Promise<Made> {
  const { status, body } = await make(limits, account);
  expect(status).toBe(201);
  return { id: text(body, "id"), secret: text(body, "key"), account: text(body, "account") };
}

async function make(limits: unknown, account?: string): Promise<JsonAnswer> {
  return operator.call("POST", "/admin/keys", {
    account: account ?? (await operator.account()),
    roles: ["Admin"],
    limits,
  });
}

const ask = (path: string, key: Made, method = "GET", body?: unknown) =>
  askJson(`${gateway.url}${path}`, { method, body, bearer: key.secret });

async function outcomes(path: string, key: Made, count: number): Promise<readonly number[]> {
  const all = [];
  for (let n = 0; n < count; n++) all.push((await ask(path, key)).status);
  return all;
}

test("a rate holds over all routes, for this key alone, and is told as `key`", async () => {
  const key = await keyWith({ rates: [{ limit: 3, per: "30d" }] });
  const other = await keyWith(null, key.account);
  expect(await outcomes("/calls", key, 2)).toEqual([200, 200]);
  const third = await ask("/jobs", key);
  expect(third.headers.get("ratelimit-policy")).toContain('"key";q=3;w=2592000');
  expect(third.headers.get("ratelimit")).toContain('"key";r=0');
  expect(await ask("/calls", key)).toMatchObject({ status: 429, body: { error: "rate_limited", limit: 3 } });
  expect(await ask("/_tollgate/auth/me", key)).toMatchObject({ status: 429 });
  expect(await outcomes("/calls", other, 3)).toEqual([200, 200, 200]);
});

test("of several rates the one that is used up refuses, and takes nothing of the others", async () => {
  const rates = [{ limit: 5, per: "30d" }, { limit: 2, per: "20d", burst: 3 }]; // biome-ignore format: one list
  const key = await keyWith({ rates });
  expect(await outcomes("/jobs", key, 5)).toEqual([200, 200, 200, 429, 429]);
  const answer = await ask("/jobs", key);
  expect(answer.headers.get("ratelimit")).toMatch(/"key";r=2;t=\d+, "key\/2";r=0/);
});

test("a quota by a window of `quotaWindows` refuses the unit beyond it and charges nothing then", async () => {
  const key = await keyWith({ quotas: [{ meter: "jobs", limit: 7, per: "month" }] });
  upstream.clear();
  expect(await outcomes("/both", key, 2)).toEqual([200, 429]);
  expect(await outcomes("/jobs", key, 3)).toEqual([200, 200, 429]);
  expect(upstream.count).toBe(3);
  const refused = await ask("/jobs", key);
  expect(refused.body).toMatchObject({ error: "quota_exceeded", meter: "jobs", limit: 7, used: 7, remaining: 0 });
  expect(refused.headers.get("ratelimit")).toContain('"jobs/month/key";r=0');
  const usage = await ask("/_tollgate/billing/usage", key);
  expect(rows(usage.body, "meters")).toContainEqual(
    expect.objectContaining({ meter: "jobs", by: "key", used: 7, limit: 7, remaining: 0, exceed: "block" }),
  );
  // Refused with `/both`, so no call of it counts.
  expect(await operator.used(key.account, "calls")).toBe(1);
});

test.each([
  [2, [200, 200, 429, 429, 429], 2],
  [9, [200, 200, 200, 200, 429], 4],
])("beside the plan's own quota for keys of 4, one of %i: the smaller one refuses", async (limit, wanted, told) => {
  const key = await keyWith({ quotas: [{ meter: "calls", limit, per: "day" }] });
  expect(await outcomes("/calls", key, 5)).toEqual(wanted);
  const refused = await ask("/calls", key);
  expect(refused).toMatchObject({ status: 429, body: { limit: told, used: told } });
  expect(refused.headers.get("ratelimit-policy")).toContain(`"calls/day/key";q=${told};`);
  const lines = rows((await ask("/_tollgate/billing/usage", key)).body, "meters");
  expect(lines.filter(({ by, meter }) => by === "key" && meter === "calls")).toMatchObject([{ limit: told }]);
});

test("beside a plan's quota that is unlimited it holds alone; 0 lets nothing through", async () => {
  const key = await keyWith({ quotas: [{ meter: "jobs", limit: 1, per: "day" }] });
  expect(await outcomes("/jobs", key, 2)).toEqual([200, 429]);
  expect(await outcomes("/jobs", await keyWith({ quotas: [{ meter: "jobs", limit: 0, per: "day" }] }), 1)).toEqual([
    429,
  ]);
});

test("400 requests at once on both workers get exactly as far as the key's rate and quota", async () => {
  const key = await keyWith({
    rates: [{ limit: 100, per: "30d" }],
    quotas: [{ meter: "jobs", limit: 60, per: "month" }],
  });
  const all = await Promise.all(Array.from({ length: 400 }, () => ask("/jobs", key)));
  expect(all.filter(({ status }) => status === 200)).toHaveLength(60);
  // The 340 that the quota refused took nothing of the rate.
  const more = await Promise.all(Array.from({ length: 60 }, () => ask("/_tollgate/auth/me", key)));
  expect(more.filter(({ status }) => status === 200)).toHaveLength(40);
});

test("a reservation for a key keeps to the key's quotas", async () => {
  const key = await keyWith({ quotas: [{ meter: "jobs", limit: 5, per: "month" }] });
  const app = await operator.key({ roles: ["Reporter"] });
  const reserve = (units: number) => {
    const body = { meter: "jobs", units, account: key.account, key: key.id };
    return askJson(`${gateway.url}/_tollgate/usage/reservations`, { method: "POST", bearer: app.secret, body });
  };
  expect((await reserve(4)).status).toBe(201);
  expect(await reserve(2)).toMatchObject({ status: 429, body: { error: "quota_exceeded", used: 4, limit: 5 } });
  expect(await outcomes("/jobs", key, 2)).toEqual([200, 429]);
});

describe("wishes", () => {
  test("are shown as they were made, in whole units of time", async () => {
    const { body } = await make({ rates: [{ limit: 5, per: "60s" }], quotas: [] });
    expect(body.limits).toEqual({ rates: [{ limit: 5, per: "1m", burst: 5 }], quotas: [] });
    expect((await make(null)).body.limits).toBeNull();
    expect((await make({})).body.limits).toBeNull();
    expect((await make({ rates: [], quotas: [] })).body.limits).toBeNull();
  });

  const rate = { limit: 1, per: "1m" };
  const quota = { meter: "jobs", limit: 1, per: "day" };
  test.each([
    ["an unknown member", { burst: 1 }, "body/limits/burst"],
    ["a rate of nothing", { rates: [{ ...rate, limit: 0 }] }, "body/limits/rates/0/limit"],
    ["a fraction", { rates: [{ ...rate, limit: 1.5 }] }, "body/limits/rates/0/limit"],
    ["text for a number", { rates: [{ ...rate, limit: "1" }] }, "body/limits/rates/0/limit"],
    ["a period that is none", { rates: [{ ...rate, per: "1 m" }] }, "body/limits/rates/0/per"],
    ["a period of centuries", { rates: [{ ...rate, per: "99999d" }] }, "body/limits/rates/0/per"],
    ["a burst of centuries", { rates: [{ limit: 1, per: "366d", burst: 1_000_000_000 }] }, "body/limits/rates/0/burst"],
    ["two rates of one period", { rates: [rate, { ...rate, per: "60s", limit: 9 }] }, "body/limits/rates/1"],
    ["nine rates", { rates: Array.from({ length: 9 }, (_, n) => ({ limit: 1, per: `${n + 1}m` })) }, "body/limits/rates"],
    ["an unknown meter", { quotas: [{ ...quota, meter: "nothing" }] }, "body/limits/quotas/0/meter"],
    ["what every object has", { quotas: [{ ...quota, meter: "constructor" }] }, "body/limits/quotas/0/meter"],
    ["a window that is not counted", { quotas: [quota, { ...quota, per: "week" }] }, "body/limits/quotas/1/per"],
    ["a window that is none", { quotas: [{ ...quota, per: "year" }] }, "body/limits/quotas/0/per"],
    ["a quota below nothing", { quotas: [{ ...quota, limit: -1 }] }, "body/limits/quotas/0/limit"],
    ["no limit at all", { quotas: [{ ...quota, limit: null }] }, "body/limits/quotas/0/limit"],
    ["two quotas on one counter", { quotas: [quota, { ...quota, limit: 2 }] }, "body/limits/quotas/1"],
    ["33 quotas", { quotas: Array.from({ length: 33 }, () => quota) }, "body/limits/quotas"],
  ])("%s is refused with its path", async (_what, limits, path) => {
    expect(await make(limits)).toMatchObject({ status: 400, body: { error: "malformed_request", path } });
  }); // biome-ignore format: one table

  test("a window that is not counted is refused with what to do", async () => {
    const { body } = await make({ quotas: [{ ...quota, per: "hour" }] });
    expect(body.detail).toContain("counted: month, day");
    expect(body.detail).toContain("identity.keys.quotaWindows");
  });
});

test("a limited key comes by no other key: neither by making one nor by another's secret; its own it rotates", async () => {
  const limits = { rates: [{ limit: 9, per: "1h" }], quotas: [{ meter: "jobs", limit: 9, per: "month" }] };
  const key = await keyWith(limits);
  const twin = await keyWith(limits, key.account);
  const denied = { status: 403, body: { error: "permission_denied", rule: "key:limits" } };
  for (const wish of [{}, { limits: null }, { limits }, { limits: { ...limits, rates: [{ limit: 1, per: "1h" }] } }])
    expect(await ask("/_tollgate/api-keys", key, "POST", wish)).toMatchObject(denied);
  expect(await ask(`/_tollgate/api-keys/${twin.id}/rotate`, key, "POST")).toMatchObject(denied);
  expect((await ask(`/_tollgate/api-keys/${key.id}/rotate`, key, "POST")).status).toBe(200);
});
