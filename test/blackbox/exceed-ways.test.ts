/** What happens beyond a quota's limit: blocked, after a grace or not, counted and priced, warned, slowed down, or paid with credits. */
import { afterAll, expect, test } from "vitest";
import { metricOf } from "#test/support/metrics.ts";
import { askJson, type JsonAnswer, type MadeKey, rows, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const ENDLESS = { per: "lifetime" };

const scene = await startScene({
  config: {
    meters: {
      plain: {},
      graced: {},
      priced: {},
      cents: {},
      warned: {},
      slowed: {},
      paid: {},
      tokens: { from: "response.header:x-tokens", estimate: 10 },
      forbidden: {},
      shadowed: {},
    },
    plans: {
      free: {
        default: true,
        price: { monthly: 0, currency: "usd" },
        quotas: {
          plain: { limit: 2, ...ENDLESS, status: 402 },
          graced: { limit: 5, grace: 2, ...ENDLESS },
          priced: { limit: 3, exceed: "overage", overage: { price: 7, per: 2 }, ...ENDLESS },
          cents: { limit: 0, exceed: "overage", ...ENDLESS },
          warned: { limit: 5, exceed: "warn", ...ENDLESS },
          slowed: { limit: 10, exceed: "throttle", throttle: { from: 50, limit: 1, per: "30d", burst: 2 }, ...ENDLESS },
          paid: { limit: 1, exceed: "credits", credits: 2, ...ENDLESS },
          tokens: { limit: 0, exceed: "credits", credits: 3, ...ENDLESS },
          forbidden: { limit: 1, status: 403, ...ENDLESS },
          shadowed: { limit: 1, shadow: true, ...ENDLESS },
        },
      },
      larger: { quotas: { plain: { limit: 20, ...ENDLESS } } },
    },
    routes: ["plain", "graced", "priced", "cents", "warned", "slowed", "paid", "forbidden", "shadowed"]
      .map((meter): object => ({ name: meter, match: { path: `/${meter}` }, upstream: "app", meters: { [meter]: 1 } }))
      .concat({ name: "tokens", match: { path: "/tokens" }, upstream: "app", meters: { tokens: "measured" } }),
  },
  handler: (_request, response) => void response.end("{}"),
});
const { gateway, operator, upstream } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

const ask = (path: string, key: MadeKey) => askJson(`${gateway.url}${path}`, { bearer: key.secret });

async function asked(path: string, key: MadeKey, times: number): Promise<readonly JsonAnswer[]> {
  const answers: JsonAnswer[] = [];
  for (let i = 0; i < times; i++) answers.push(await ask(path, key));
  return answers;
}

const statuses = (answers: readonly JsonAnswer[]) => answers.map(({ status }) => status);

/** The customer's own view of a meter. */
async function usageOf(key: MadeKey, meter: string) {
  const { body } = await ask("/_tollgate/billing/usage", key);
  return rows(body, "meters").find((row) => row.meter === meter);
}

async function give(key: MadeKey, grant: object): Promise<string> {
  const { status, body } = await operator.call("POST", `/admin/accounts/${key.account}/credits`, grant);
  expect(status).toBe(201);
  return String(body.id);
}

/** What is left of each grant, by id. */
async function left(key: MadeKey): Promise<Readonly<Record<string, unknown>>> {
  const { body } = await operator.call("GET", `/admin/accounts/${key.account}/credits`);
  return Object.fromEntries(rows(body, "data").map(({ id, remaining }) => [String(id), remaining]));
}

test("block refuses with the status of the file, and says what would help", async () => {
  const key = await operator.key();
  const answers = await asked("/plain", key, 3);
  expect(statuses(answers)).toEqual([200, 200, 402]);
  expect(answers[2]?.body).toMatchObject({
    error: "quota_exceeded",
    rule: "quota:plain",
    meter: "plain",
    used: 2,
    limit: 2,
    remaining: 0,
    plan: "free",
    next_plan: "larger",
    window: { kind: "lifetime" },
  });
  expect(statuses(await asked("/forbidden", key, 2))).toEqual([200, 403]);
});

test("block with a grace refuses behind it, and says that nothing remained before", async () => {
  const key = await operator.key();
  const answers = await asked("/graced", key, 8);
  expect(statuses(answers)).toEqual([200, 200, 200, 200, 200, 200, 200, 429]);
  expect(answers[7]?.body).toMatchObject({ used: 7, limit: 5, remaining: 0 });
  expect(await usageOf(key, "graced")).toMatchObject({ used: 7, limit: 5, remaining: 0, grace: 2, exceed: "block" });
});

test("overage passes, and its units and cost are in the usage", async () => {
  const key = await operator.key();
  expect(statuses(await asked("/priced", key, 3))).toEqual([200, 200, 200]);
  expect(await usageOf(key, "priced")).toMatchObject({ used: 3, remaining: 0, overage: { units: 0, cost: 0 } });
  await asked("/priced", key, 7);
  // 7 units at 3.5, half up.
  expect(await usageOf(key, "priced")).toMatchObject({
    used: 10,
    remaining: 0,
    exceed: "overage",
    overage: { units: 7, cost: 25 },
  });
  await asked("/cents", key, 2);
  expect(await usageOf(key, "cents")).toMatchObject({ used: 2, overage: { units: 2, cost: 0 } });
});

test("warn passes everything and says so from the first threshold on", async () => {
  const key = await operator.key();
  const answers = await asked("/warned", key, 7);
  expect(statuses(answers)).toEqual(Array.from({ length: 7 }, () => 200));
  expect(answers.map(({ headers }) => headers.get("x-tollgate-warning"))).toEqual([
    null,
    null,
    null,
    '"warned/lifetime";p=80',
    '"warned/lifetime";p=100',
    '"warned/lifetime";p=120',
    '"warned/lifetime";p=140',
  ]);
  expect(await operator.used(key.account, "warned")).toBe(7);
});

test("throttle lets so many through freely, and then at its own rate", async () => {
  const key = await operator.key();
  const answers = await asked("/slowed", key, 9);
  expect(statuses(answers)).toEqual([200, 200, 200, 200, 200, 200, 200, 429, 429]);
  expect(answers[8]?.body).toMatchObject({ error: "rate_limited", rule: "rate:slowed/throttle" });
  expect(Number(answers[8]?.headers.get("retry-after"))).toBeGreaterThan(29 * 86_400);
  expect(await operator.used(key.account, "slowed")).toBe(7);
});

test("credits pay beyond the limit, at their price, until none are left; then 402, and a new grant helps at once", async () => {
  const key = await operator.key();
  expect(statuses(await asked("/paid", key, 2))).toEqual([200, 402]);
  const first = await give(key, { amount: 5 });
  const answers = await asked("/paid", key, 3);
  expect(statuses(answers)).toEqual([200, 200, 402]);
  expect(answers[2]?.body).toMatchObject({
    error: "credits_exhausted",
    rule: "credits:paid",
    meter: "paid",
    credits_needed: 2,
    credits_left: 1,
  });
  expect(await usageOf(key, "paid")).toMatchObject({ used: 3, credits: { perUnit: 2, remaining: 1 } });
  // One credit of the old grant and one of the new.
  const second = await give(key, { amount: 2 });
  expect(statuses(await asked("/paid", key, 2))).toEqual([200, 402]);
  expect(await left(key)).toEqual({ [first]: 0, [second]: 1 });
});

test("credits burn by priority, then soonest expiry, then age; what has not begun or is void burns not at all", async () => {
  const key = await operator.key();
  const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
  const late = await give(key, { amount: 2, priority: 200 });
  const never = await give(key, { amount: 2 });
  const younger = await give(key, { amount: 2 });
  const soon = await give(key, { amount: 2, expiresAt: inDays(1) });
  const first = await give(key, { amount: 2, priority: 1, expiresAt: inDays(9) });
  const future = await give(key, { amount: 100, priority: 0, startsAt: inDays(1) });
  const voided = await give(key, { amount: 100, priority: 0 });
  expect((await operator.call("DELETE", `/admin/credits/${voided}`)).status).toBe(200);
  await ask("/paid", key);
  const order = [first, soon, never, younger, late];
  for (const [index, grant] of order.entries()) {
    expect((await ask("/paid", key)).status).toBe(200);
    const remaining = await left(key);
    expect([grant, order.map((id) => remaining[id])]).toEqual([grant, order.map((_, at) => (at <= index ? 0 : 2))]);
  }
  expect((await ask("/paid", key)).body).toMatchObject({ error: "credits_exhausted", credits_left: 0 });
  expect((await left(key))[future]).toBe(100);
});

test("credits for units that were not used in the end come back, and those for more are burnt as far as there are any", async () => {
  const key = await operator.key();
  const grant = await give(key, { amount: 100 });
  const spend = async (tokens: string, status = 200) => {
    upstream.answer((_request, response) => void response.writeHead(status, { "x-tokens": tokens }).end("{}"));
    return (await ask("/tokens", key)).status;
  };
  expect(await spend("4")).toBe(200);
  expect(await left(key)).toEqual({ [grant]: 88 });
  expect(await spend("9", 500)).toBe(500);
  expect(await left(key)).toEqual({ [grant]: 88 });
  expect(await spend("15")).toBe(200);
  expect(await left(key)).toEqual({ [grant]: 43 });
  expect(await spend("1000")).toBe(200);
  expect(await left(key)).toEqual({ [grant]: 0 });
  expect(await spend("1")).toBe(402);
  upstream.answer((_request, response) => void response.end("{}"));
  expect(await operator.used(key.account, "tokens")).toBe(4 + 15 + 1000);
});

test("a quota in shadow refuses nobody, counts, and says what it would have refused", async () => {
  const key = await operator.key();
  const before = await metricOf(gateway, "tollgate_shadow_refusals_total");
  expect(statuses(await asked("/shadowed", key, 3))).toEqual([200, 200, 200]);
  expect((await metricOf(gateway, "tollgate_shadow_refusals_total")) - before).toBe(2);
  await until(
    "the log",
    () => gateway.logs().filter(({ event, reason }) => event === "shadow" && reason === "quota:shadowed").length === 2,
  );
  expect(await operator.used(key.account, "shadowed")).toBe(3);
});
