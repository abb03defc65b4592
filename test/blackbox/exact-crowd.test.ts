/**
 * Every kind of limit against everybody at once: so many attempts on as many connections, on one, two and four workers, let exactly
 * the limit through, and neither the upstream nor the ledger saw one more. 1,500 attempts on two workers and 750 on one and
 * four, 10,000 everywhere with TOLLGATE_LONG=1.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Crowd, openCrowd, type StatusCounts } from "#test/support/crowd.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { noonZone } from "#test/support/noon.ts";
import { requestHead } from "#test/support/raw.ts";
import { randomOf } from "#test/support/random.ts";
import { ledgerUnits } from "#test/support/ledger.ts";
import { askJson, type JsonAnswer, type MadeKey, type Scene, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const LIMIT = 100;
/** So slow that nothing comes back while a test runs. */
const SLOW = { limit: 1, per: "30d", burst: LIMIT, by: "account" };
const ENDLESS = { per: "lifetime" };

const jwks = await startJwks(makeKey("ES256"));
afterAll(() => jwks[Symbol.asyncDispose]());

const config = {
  identity: {
    issuers: [
      { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "project" } },
    ],
  },
  server: { adminToken: "an-admin-token-for-tests-0123456789", limits: { idleTimeout: "10m" } },
  rates: {
    bucket: SLOW,
    fixed: { limit: LIMIT, per: "30d", algorithm: "fixed-window" },
    sliding: { limit: LIMIT, per: "30d", algorithm: "sliding-window" },
    wide: { ...SLOW, burst: LIMIT + 30 },
    wider: { limit: LIMIT + 60, per: "30d", algorithm: "fixed-window" },
  },
  concurrency: { slots: { limit: LIMIT } },
  meters: {
    daily: {},
    endless: {},
    each_key: {},
    each_user: {},
    burning: {},
    dear: {},
    seats: { aggregate: "last" },
    capped: {},
    priced: {},
    priced_too: {},
  },
  plans: {
    free: {
      default: true,
      quotas: {
        daily: { limit: LIMIT, per: "day", timeZone: noonZone() },
        endless: { limit: LIMIT, ...ENDLESS },
        each_key: { limit: LIMIT, by: "key", ...ENDLESS },
        each_user: { limit: LIMIT, by: "user", ...ENDLESS },
        burning: { limit: 0, exceed: "credits", ...ENDLESS },
        dear: { limit: 10, exceed: "credits", credits: 3, ...ENDLESS },
        seats: { limit: LIMIT, ...ENDLESS },
        capped: { limit: 60, exceed: "overage", ...ENDLESS },
      },
    },
    paid: { quotas: { priced: { limit: 60, exceed: "overage", overage: { price: 5 }, ...ENDLESS } } },
    paid_twice: {
      quotas: {
        priced: { limit: 10, exceed: "overage", overage: { price: 5 }, ...ENDLESS },
        priced_too: { limit: 20, exceed: "overage", overage: { price: 7, per: 2 }, ...ENDLESS },
      },
    },
  },
  routes: [
    ...["bucket", "fixed", "sliding"].map((rate) => route(rate, { rates: [rate] })),
    route("three", { rates: [{ rate: "bucket", cost: 3 }] }),
    ...["daily", "endless", "each_key", "each_user", "burning", "dear", "capped", "priced", "priced_too"].map((meter) =>
      route(meter, { meters: { [meter]: 1 } }),
    ),
    route("slots", { concurrency: ["slots"] }),
    { ...route("join", { meters: { seats: 1 } }), match: { path: "/seats", methods: ["POST"] } },
    { ...route("leave", { meters: { seats: -1 } }), match: { path: "/seats", methods: ["DELETE"] } },
    route("all", { rates: ["wide", "wider"], concurrency: ["slots"], meters: { endless: 1, daily: 1, burning: 1 } }),
  ],
};

function route(name: string, limits: object) {
  return { name, match: { path: `/${name}` }, upstream: "app", ...limits };
}

function done({ status, body }: JsonAnswer): void {
  if (status >= 300) throw new Error(`Answered ${status}: ${JSON.stringify(body)}`);
}

interface Kind {
  readonly what: string;
  readonly route: string;
  readonly allowed?: number;
  /** Of refusals; default 429. */
  readonly status?: number;
  /** What the ledger has then, where the route is metered. */
  readonly meter?: string;
  readonly plan?: string;
  /** Amounts of grants. */
  readonly grants?: readonly number[];
  readonly cap?: object;
}

const KINDS: readonly Kind[] = [
  { what: "a token bucket", route: "bucket" },
  { what: "a token bucket at three tokens a request", route: "three", allowed: 33 },
  { what: "a fixed window", route: "fixed" },
  { what: "a sliding window", route: "sliding" },
  { what: "a quota of the day", route: "daily", meter: "daily" },
  { what: "a quota for ever", route: "endless", meter: "endless" },
  { what: "credits of three grants", route: "burning", meter: "burning", grants: [40, 35, 25], status: 402 },
  {
    what: "credits at three a unit beyond ten",
    route: "dear",
    meter: "dear",
    grants: [50, 51],
    allowed: 10 + 33,
    status: 402,
  },
  { what: "a spend cap in units", route: "capped", meter: "capped", cap: { units: { capped: 40 } } },
  { what: "a spend cap in money", route: "priced", meter: "priced", plan: "paid", cap: { money: 203 } },
];

describe.each([1, 2, 4])("on %i workers", (workers) => {
  const attempts = LONG ? 10_000 : workers === 2 ? 1_500 : 750;
  let scene: Scene;
  let crowd: Crowd;

  beforeAll(async () => {
    scene = await startScene({ config: { ...config, server: { ...config.server, workers } } });
    crowd = await openCrowd(scene.gateway.port, attempts);
  });
  afterAll(async () => {
    crowd[Symbol.dispose]();
    await scene[Symbol.asyncDispose]();
  });

  /** Everybody asks once; what each got, and what reached the upstream. */
  async function flood(line: string | ((member: number) => string), target: string): Promise<StatusCounts> {
    scene.upstream.clear();
    scene.upstream.answer((_request, response) => void response.end("ok"));
    const lineOf = typeof line === "string" ? () => line : line;
    const counts = await crowd.ask((member) => requestHead("GET", target, [lineOf(member)])).all;
    expect(scene.upstream.count, "requests the upstream saw").toBe(counts[200] ?? 0);
    return counts;
  }

  /** Units of a meter, on which live counters and ledger must agree. */
  async function counted(account: string, meter: string): Promise<number> {
    const { operator } = scene;
    const [live, ledger] = [await operator.used(account, meter), await ledgerUnits(operator, account, meter)];
    if (live !== ledger) throw new Error(`${meter}: the live counter has ${live}, the ledger ${ledger}`);
    return live;
  }

  async function customer({ plan, grants = [], cap }: Partial<Kind>): Promise<MadeKey> {
    const { operator, gateway } = scene;
    const account = await operator.account(plan === undefined ? {} : { plan });
    const key = await operator.key({ account });
    for (const amount of grants)
      done(await operator.call("POST", `/admin/accounts/${account}/credits`, { amount, source: "purchase" }));
    const url = `${gateway.url}/_tollgate/billing/spend-cap`;
    if (cap !== undefined) done(await askJson(url, { method: "PUT", body: cap, bearer: key.secret }));
    return key;
  }

  test.each(KINDS)("$what lets exactly as many through as it allows", async (kind) => {
    const { allowed = LIMIT, status = 429, meter } = kind;
    const key = await customer(kind);
    expect(await flood(key.line, `/${kind.route}`)).toEqual({ 200: allowed, [status]: attempts - allowed });
    expect(meter === undefined ? null : await counted(key.account, meter)).toBe(meter === undefined ? null : allowed);
  });

  test("of a quota by key each key has its own, though the account is one", async () => {
    const one = await customer({});
    const two = await scene.operator.key({ account: one.account });
    const counts = await flood((member) => (member % 2 === 0 ? one : two).line, "/each_key");
    expect(counts).toEqual({ 200: 2 * LIMIT, 429: attempts - 2 * LIMIT });
    expect(await counted(one.account, "each_key")).toBe(2 * LIMIT);
  });

  test("of a quota by user each user has their own, though the account is one", async () => {
    await scene.operator.account({ externalId: "acme" });
    const claims = (sub: string) => ({ claims: { aud: "api", sub, project: "acme" } });
    const tokens = ["ann", "bob", "eve"].map((sub) => `Authorization: Bearer ${jwks.token(claims(sub))}`);
    const counts = await flood((member) => tokens[member % 3] ?? "", "/each_user");
    expect(counts).toEqual({ 200: 3 * LIMIT, 429: attempts - 3 * LIMIT });
    expect(await counted("acme", "each_user")).toBe(3 * LIMIT);
  });

  test("a spend cap in money over two meters is never passed, and leaves no room for the cheaper one", async () => {
    const money = 200;
    const key = await customer({ plan: "paid_twice", cap: { money } });
    scene.upstream.clear();
    scene.upstream.answer((_request, response) => void response.end("ok"));
    const paths = ["/priced", "/priced_too"];
    const counts = await crowd.ask((member) => requestHead("GET", paths[member % 2] ?? "", [key.line])).all;
    const [priced, pricedToo] = [await counted(key.account, "priced"), await counted(key.account, "priced_too")];
    expect(counts[200]).toBe(priced + pricedToo);
    expect(scene.upstream.count).toBe(priced + pricedToo);
    const cost = (more: number) => (priced - 10) * 5 + Math.ceil(((pricedToo + more - 20) * 7) / 2);
    expect(cost(0)).toBeLessThanOrEqual(money);
    expect(cost(1)).toBeGreaterThan(money);
  });

  test("of five limits on one request the tightest decides, and the others are charged for what passed alone", async () => {
    const key = await customer({ grants: [LIMIT + 1] });
    // Two of the quota's units are gone.
    for (const _ of [1, 2]) await askJson(`${scene.gateway.url}/endless`, { bearer: key.secret });
    const counts = await flood(key.line, "/all");
    const allowed = LIMIT - 2;
    expect(counts).toEqual({ 200: allowed, 429: attempts - allowed });
    for (const [meter, used] of Object.entries({ endless: LIMIT, daily: allowed, burning: allowed }))
      expect.soft(await counted(key.account, meter), meter).toBe(used);
    const left = await flood(key.line, "/burning");
    expect(left, "credits left").toEqual({ 200: LIMIT + 1 - allowed, 402: attempts - (LIMIT + 1 - allowed) });
    expect(await flood(key.line, "/slots"), "slots are free").toMatchObject({ 200: expect.any(Number) });
  });

  test("slots hold so many and no more at the upstream, and all are free afterwards", async () => {
    const key = await customer({});
    for (const round of [1, 2]) {
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      scene.upstream.clear();
      scene.upstream.answer(async (_request, response) => {
        await released;
        response.end("ok");
      });
      const answers = crowd.ask(requestHead("GET", "/slots", [key.line]));
      await until("all others are refused", () => answers.count === attempts - LIMIT, 20_000);
      expect(answers.counts(), `round ${round}`).toEqual({ 429: attempts - LIMIT });
      await until("the held ones are at the upstream", () => scene.upstream.count === LIMIT);
      release();
      expect(await answers.all).toEqual({ 200: LIMIT, 429: attempts - LIMIT });
      expect(scene.upstream.count).toBe(LIMIT);
    }
  });

  test("while requests come and go, the upstream never has more at once than there are slots", async () => {
    const key = await customer({});
    const random = randomOf(workers);
    const seen = { now: 0, most: 0 };
    scene.upstream.answer((_request, response) => {
      seen.most = Math.max(seen.most, ++seen.now);
      setTimeout(
        () => {
          seen.now -= 1;
          response.end("ok");
        },
        random.between(0, 20),
      );
    });
    for (let round = 0; round < 3; round++) {
      const counts = await crowd.ask(requestHead("GET", "/slots", [key.line])).all;
      expect(counts[200]).toBeGreaterThanOrEqual(LIMIT);
      expect((counts[200] ?? 0) + (counts[429] ?? 0)).toBe(attempts);
    }
    expect(seen.now).toBe(0);
    expect(seen.most).toBeLessThanOrEqual(LIMIT);
  });

  test("a gauge that many raise and lower at once is what the app has, and never more than its limit", async () => {
    const key = await customer({});
    const app = { seats: 0, most: 0 };
    scene.upstream.answer((request, response) => {
      if (request.method === "POST") app.most = Math.max(app.most, ++app.seats);
      else if (app.seats === 0) response.statusCode = 404;
      else app.seats -= 1;
      response.end("ok");
    });
    // Most of these are forwarded, so fewer do.
    const size = attempts / 5;
    using few = await openCrowd(scene.gateway.port, size);
    const ask = (isPost: (member: number) => boolean) =>
      few.ask((member) => requestHead(isPost(member) ? "POST" : "DELETE", "/seats", [key.line])).all;
    expect(await ask(() => true)).toEqual({ 200: LIMIT, 429: size - LIMIT });
    for (const posts of [1, 2]) {
      await ask((member) => member % 3 < posts);
      expect(await counted(key.account, "seats")).toBe(app.seats);
    }
    expect(app.most).toBe(LIMIT);
    const { seats } = app;
    expect((await ask(() => false))[200] ?? 0).toBe(seats);
    expect([app.seats, await counted(key.account, "seats")]).toEqual([0, 0]);
  });
});
