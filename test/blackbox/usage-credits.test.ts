/** Credits, spend caps, usage over time and forecasts through the real process: each change holds on the next request. */
import { afterAll, describe, expect, test } from "vitest";
import { askJson, type MadeKey, rows, startScene, text } from "#test/support/scene.ts";

const config = {
  timeZone: "Europe/Berlin",
  meters: { api_calls: {}, tokens: {}, seats: { aggregate: "last" } },
  roles: { Admin: ["*"] },
  plans: {
    free: { default: true, quotas: { api_calls: { limit: 2, per: "month", exceed: "credits", credits: 5 } } },
    granting: {
      quotas: { api_calls: { limit: 0, per: "day", exceed: "credits" } },
      credits: { amount: 3, per: "day", rollover: { max: 3 } },
    },
    over: {
      price: { monthly: 100, currency: "eur" },
      quotas: { api_calls: { limit: 2, per: "month", exceed: "overage", overage: { price: 30 } } },
    },
  },
};
const scene = await startScene({ config });
const { gateway, operator } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

async function use(key: MadeKey, count: number): Promise<readonly number[]> {
  const statuses: number[] = [];
  for (let at = 0; at < count; at++)
    statuses.push((await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } })).status);
  return statuses;
}

function own(key: MadeKey, path: string, method = "GET", body?: unknown) {
  return askJson(`${gateway.url}/_tollgate/billing${path}`, { method, body, bearer: key.secret });
}

function grant(account: string, body: object) {
  return operator.call("POST", `/admin/accounts/${account}/credits`, body);
}

describe("credits", () => {
  test("given are burnt on the next request beyond the limit, and their owner sees what is left", async () => {
    const key = await operator.key();
    expect(await use(key, 3)).toEqual([200, 200, 402]);
    expect((await own(key, "/credits")).body).toEqual({ account: key.account, balance: 0, grants: [] });
    const made = await grant(key.account, { amount: 12, source: "purchase", note: "Top up" });
    expect(made).toMatchObject({
      status: 201,
      body: { amount: 12, used: 0, remaining: 12, priority: 100, state: "active" },
    });
    expect(await use(key, 3)).toEqual([200, 200, 402]);
    expect((await own(key, "/credits")).body).toMatchObject({
      balance: 2,
      grants: [{ source: "purchase", used: 10, remaining: 2, expiresAt: null, note: "Top up" }],
    });
  });

  test("burn in the order priority, soonest end", async () => {
    const key = await operator.key();
    await use(key, 2);
    const end = new Date(Date.now() + 3_600_000).toISOString();
    const ids: string[] = [];
    for (const wish of [{ priority: 2 }, { priority: 1 }, { priority: 1, expiresAt: end }])
      ids.push(text((await grant(key.account, { amount: 5, ...wish })).body, "id"));
    const left = async () => rows((await own(key, "/credits")).body, "grants").map(({ id }) => ids.indexOf(String(id)));
    expect((await left()).toSorted()).toEqual([0, 1, 2]);
    await use(key, 1);
    expect((await left()).toSorted()).toEqual([0, 1]);
    await use(key, 1);
    expect(await left()).toEqual([0]);
  });

  test("that begin later are no balance yet, and void ones never", async () => {
    const key = await operator.key();
    await use(key, 2);
    await grant(key.account, { amount: 50, startsAt: new Date(Date.now() + 3_600_000).toISOString() });
    expect((await own(key, "/credits")).body).toMatchObject({
      balance: 0,
      grants: [{ state: "scheduled", remaining: 50 }],
    });
    const id = text((await grant(key.account, { amount: 50 })).body, "id");
    expect(await use(key, 1)).toEqual([200]);
    const gone = await operator.call("DELETE", `/admin/credits/${id}`);
    expect(gone).toMatchObject({ status: 200, body: { state: "void", used: 5, remaining: 0 } });
    expect(await use(key, 1)).toEqual([402]);
    expect((await operator.call("DELETE", "/admin/credits/grant_none")).status).toBe(404);
    const listed = await operator.call("GET", `/admin/accounts/${key.account}/credits?limit=1`);
    expect(rows(listed.body, "data")).toHaveLength(1);
    const rest = await operator.call(
      "GET",
      `/admin/accounts/${key.account}/credits?cursor=${text(listed.body, "nextCursor")}`,
    );
    expect(rest.body).toMatchObject({ data: [{ id, state: "void" }], nextCursor: null });
  });

  test("with an idempotency key are given once", async () => {
    const account = await operator.account();
    const first = await grant(account, { amount: 7, idempotencyKey: "pi_1" });
    const again = await grant(account, { amount: 7, idempotencyKey: "pi_1" });
    expect([first.status, again.status, again.body.id]).toEqual([201, 200, first.body.id]);
    expect((await grant(account, { amount: 8, idempotencyKey: "pi_1" })).status).toBe(409);
  });

  test("of a plan are there at first sight, and change with the plan", async () => {
    const key = await operator.key({ account: await operator.account({ plan: "granting" }) });
    expect(await use(key, 4)).toEqual([200, 200, 200, 402]);
    expect((await own(key, "/credits")).body).toMatchObject({ balance: 0 });
    await operator.call("PATCH", `/admin/accounts/${key.account}`, { plan: "free" });
    await operator.call("PATCH", `/admin/accounts/${key.account}`, { plan: "granting" });
    expect(await use(key, 1)).toEqual([402]);
  });

  test("of 40 requests at once are burnt for exactly as many as they pay for", async () => {
    const key = await operator.key();
    await use(key, 2);
    await grant(key.account, { amount: 27 });
    await grant(key.account, { amount: 28 });
    const statuses = await Promise.all(Array.from({ length: 40 }, () => use(key, 1)));
    expect(statuses.flat().filter((status) => status === 200)).toHaveLength(11);
    expect((await own(key, "/credits")).body).toMatchObject({ balance: 0 });
  });

  test.each([
    ["no amount", {}],
    ["nothing", { amount: 0 }],
    ["a negative amount", { amount: -5 }],
    ["a fraction", { amount: 1.5 }],
    ["a huge amount", { amount: 1e300 }],
    ["an unknown source", { amount: 1, source: "theft" }],
    ["an end before the start", { amount: 1, startsAt: "2030-01-02T00:00:00Z", expiresAt: "2030-01-01T00:00:00Z" }],
    ["an end that is over", { amount: 1, expiresAt: "2020-01-01T00:00:00Z" }],
    ["a time that is none", { amount: 1, expiresAt: "tomorrow" }],
    ["an unknown member", { amount: 1, credits: 1 }],
  ])("with %s are refused", async (_name, body) => {
    const account = await operator.account();
    expect((await grant(account, body)).status).toBe(400);
    expect(rows((await operator.call("GET", `/admin/accounts/${account}/credits`)).body, "data")).toEqual([]);
  });
});

test("a list of grants goes on behind a grant of the account, and behind nothing else", async () => {
  const [account, other] = [await operator.account(), await operator.account()];
  const give = async (id: string) => text((await operator.call("POST", `/admin/accounts/${id}/credits`, { amount: 1 })).body, "id");
  const [, theirs] = [await give(account), await give(other)];
  for (const cursor of [theirs, "grant_none", "x"])
    expect(await operator.call("GET", `/admin/accounts/${account}/credits?cursor=${cursor}`)).toMatchObject({ status: 400, body: { path: "querystring/cursor" } });
}); // biome-ignore format: calls

describe("a spend cap", () => {
  test("in units and in money holds on the next request, and can be taken off", async () => {
    const key = await operator.key({ account: await operator.account({ plan: "over" }) });
    expect((await own(key, "/spend-cap")).body).toEqual({
      account: key.account,
      units: {},
      money: null,
      currency: "eur",
    });
    expect(await use(key, 3)).toEqual([200, 200, 200]);
    const set = await own(key, "/spend-cap", "PUT", { units: { api_calls: 2 } });
    expect(set).toMatchObject({ status: 200, body: { units: { api_calls: 2 }, money: null } });
    expect(await use(key, 2)).toEqual([200, 429]);
    await own(key, "/spend-cap", "PUT", { money: 95 });
    expect((await own(key, "/spend-cap")).body).toMatchObject({ units: {}, money: 95 });
    expect(await use(key, 2)).toEqual([200, 429]);
    await operator.call("PUT", `/admin/accounts/${key.account}/spend-cap`, {});
    expect(await use(key, 1)).toEqual([200]);
    expect((await operator.call("GET", `/admin/accounts/${key.account}/spend-cap`)).body).toMatchObject({
      money: null,
    });
  });

  test("is not for a key with scopes to set, which may read it", async () => {
    const key = await operator.key({ account: await operator.account({ plan: "over" }), scopes: ["*"] });
    expect(await own(key, "/spend-cap", "PUT", {})).toMatchObject({
      status: 403,
      body: { error: "permission_denied", rule: "spend-cap:key" },
    });
    expect(await own(key, "/spend-cap")).toMatchObject({ status: 200, body: { units: {}, money: null } });
  });

  test.each([
    ["an unknown meter", { units: { nothing: 1 } }],
    ["a name of the prototype", '{"units":{"__proto__":1}}'],
    ["negative units", { units: { api_calls: -1 } }],
    ["negative money", { money: -1 }],
    ["a fraction", { money: 0.5 }],
    ["an unknown member", { cap: 5 }],
  ])("of %s is refused", async (_name, body) => {
    const key = await operator.key({ account: await operator.account({ plan: "over" }) });
    expect((await own(key, "/spend-cap", "PUT", body)).status).toBe(400);
    expect((await own(key, "/spend-cap")).body).toMatchObject({ units: {}, money: null });
  });
});

describe("usage over time", () => {
  test("has every interval, and what was used in the right one at once", async () => {
    const key = await operator.key();
    await use(key, 2);
    const { status, body } = await own(key, "/usage/timeseries?meter=api_calls&interval=hour");
    const points = rows(body, "data");
    expect(status).toBe(200);
    expect(body).toMatchObject({
      account: key.account,
      meter: "api_calls",
      interval: "hour",
      timeZone: "Europe/Berlin",
      groupBy: [],
    });
    expect(points.length).toBe(25);
    expect(points.reduce((sum, { units }) => sum + Number(units), 0)).toBe(2);
    expect(Date.parse(String(points.at(-1)?.end))).toBeGreaterThan(Date.now());
  });

  test("is told apart by route, key, status and meter", async () => {
    const key = await operator.key();
    await use(key, 2);
    const { body } = await own(key, "/usage/timeseries?groupBy=status,meter,route,key&interval=month");
    expect(rows(body, "data")).toMatchObject([
      { meter: "api_calls", route: "all", key: key.id, status: 200, units: 2, requests: 2 },
    ]);
  });

  test("is everybody's own; operators see all", async () => {
    const [key, other] = [await operator.key(), await operator.key()];
    await use(key, 1);
    const query = "/usage/timeseries?meter=api_calls&interval=month";
    const sum = (body: Readonly<Record<string, unknown>>) =>
      rows(body, "data").reduce((all, { units }) => all + Number(units), 0);
    expect(sum((await own(other, query)).body)).toBe(0);
    expect((await own(other, `${query}&account=${key.account}`)).status).toBe(404);
    expect(sum((await own(key, `${query}&account=${key.account}`)).body)).toBe(1);
    expect(sum((await operator.call("GET", `/admin/accounts/${key.account}${query}`)).body)).toBe(1);
  });

  test.each([
    ["no meter", "interval=day"],
    ["an unknown meter", "meter=nothing"],
    ["an unknown interval", "meter=tokens&interval=year"],
    ["an unknown group", "meter=tokens&groupBy=user"],
    ["a group twice", "meter=tokens&groupBy=key,key"],
    ["an unknown zone", "meter=tokens&timeZone=Mars/Olympus"],
    ["a time that is none", "meter=tokens&from=yesterday"],
    ["an end before the start", "meter=tokens&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z"],
    ["too many points", "meter=tokens&interval=minute&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:00Z"],
    ["an unknown parameter", "meter=tokens&per=day"],
  ])("with %s is refused", async (_name, query) => {
    const key = await operator.key();
    expect(await own(key, `/usage/timeseries?${query}`)).toMatchObject({
      status: 400,
      body: { error: "malformed_request" },
    });
  });
});

test("a forecast names its method and where each meter will stand", async () => {
  const key = await operator.key({ account: await operator.account({ plan: "over" }) });
  await use(key, 3);
  const { status, body } = await own(key, "/usage/forecast");
  expect(status).toBe(200);
  expect(body).toMatchObject({
    account: key.account,
    plan: "over",
    currency: "eur",
    meters: [
      {
        meter: "api_calls",
        used: 3,
        limit: 2,
        method: "run-rate",
        window: { kind: "month" },
        overage: { cost: expect.any(Number) },
      },
      { meter: "tokens", used: 0, limit: null, projected: { p50: 0, p90: 0 }, exhaustedAt: null },
      { meter: "seats", used: 0, method: "none", window: { kind: "lifetime", end: null } },
    ],
  });
  const [calls] = rows(body, "meters");
  expect(Number(Object(calls?.projected).p50)).toBeGreaterThanOrEqual(3);
  expect(Date.parse(String(calls?.exhaustedAt))).toBeLessThanOrEqual(Date.now());
  expect((await operator.call("GET", `/admin/accounts/${key.account}/usage/forecast`)).body).toMatchObject({
    plan: "over",
  });
});

test.each(["/credits", "/spend-cap", "/usage/timeseries?meter=tokens", "/usage/forecast"])(
  "%s needs credentials",
  async (path) => {
    const answer = await askJson(`${gateway.url}/_tollgate/billing${path}`);
    expect(answer).toMatchObject({ status: 401, body: { error: "credentials_missing" } });
  },
);
