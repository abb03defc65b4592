/** What answers tell of limits: the current draft's fields as structured fields, the older sets by option, `Retry-After`. */
import { afterAll, describe, expect, test } from "vitest";
import { noonZone } from "#test/support/noon.ts";
import { askJson, type JsonAnswer, type MadeKey, sceneConfig, startScene } from "#test/support/scene.ts";
import { type Item, parseList } from "#test/support/structured-fields.ts";

const DAY_S = 86_400;

const config = {
  rates: {
    burst: { limit: 60, per: "1m", burst: 5 },
    fixed: { limit: 4, per: "1h", algorithm: "fixed-window" },
    "slow.one": { limit: 1, per: "30d", burst: 3, algorithm: "token-bucket" },
    sliding: { limit: 7, per: "1h", algorithm: "sliding-window" },
  },
  meters: { calls: {}, jobs: {}, much: {} },
  plans: {
    free: {
      default: true,
      quotas: {
        calls: [
          { limit: 10, per: "day", timeZone: noonZone() },
          { limit: 6, per: "lifetime" },
          { limit: 5, per: "month", by: "key" },
        ],
        jobs: { limit: 1, per: "day", timeZone: noonZone(), exceed: "overage" },
        much: { limit: Number.MAX_SAFE_INTEGER, per: "lifetime", exceed: "warn" },
      },
    },
  },
  concurrency: { one: { limit: 10 } },
  routes: [
    { name: "all", match: { path: "/all" }, upstream: "app", rates: ["burst", "fixed"], meters: { calls: 1 } },
    { name: "rates", match: { path: "/rates" }, upstream: "app", rates: ["slow.one", "sliding"] },
    { name: "jobs", match: { path: "/jobs" }, upstream: "app", meters: { jobs: 1 } },
    { name: "much", match: { path: "/much" }, upstream: "app", meters: { much: 1 } },
    { name: "none", match: { path: "/none" }, upstream: "app", concurrency: ["one"] },
  ],
};
const scene = await startScene({ config, handler: (_request, response) => void response.end("{}") });
const { gateway, operator, upstream } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

const ask = (path: string, key: MadeKey) => askJson(`${gateway.url}${path}`, { bearer: key.secret });

/** Items of a list by their name; each must be a string, and there once. */
function itemsOf(answer: JsonAnswer, field: string): Readonly<Record<string, Readonly<Record<string, unknown>>>> {
  const items: readonly Item[] = parseList(answer.headers.get(field) ?? "");
  const named = items.map(({ value, parameters }) => [String(value), Object.fromEntries(parameters)] as const);
  expect(new Set(named.map(([name]) => name)).size).toBe(items.length);
  for (const { value } of items) expect(typeof value).toBe("string");
  return Object.fromEntries(named);
}

function others(answer: JsonAnswer): readonly string[] {
  return [...answer.headers.keys()].filter((name) => /ratelimit|x-ratelimit/.test(name)).sort();
}

describe("draft-10", () => {
  test("has an item for each rate and each quota, in both fields, and no legacy fields", async () => {
    const key = await operator.key();
    const answer = await ask("/all", key);
    expect(others(answer)).toEqual(["ratelimit", "ratelimit-policy"]);
    expect(itemsOf(answer, "ratelimit-policy")).toEqual({
      burst: { q: 5, w: 60 },
      fixed: { q: 4, w: 3600 },
      "calls/day": { q: 10, w: DAY_S },
      "calls/lifetime": { q: 6 },
      "calls/month/key": { q: 5, w: expect.any(Number) },
    });
    expect([28, 29, 30, 31].map((days) => days * DAY_S)).toContain(
      itemsOf(answer, "ratelimit-policy")["calls/month/key"]?.w,
    );
    const state = itemsOf(answer, "ratelimit");
    expect(state).toMatchObject({
      burst: { r: 4, t: 1 },
      fixed: { r: 3, t: 3600 },
      "calls/day": { r: 9 },
      "calls/lifetime": { r: 5 },
      "calls/month/key": { r: 4 },
    });
    expect(Object.keys(state["calls/lifetime"] ?? {})).toEqual(["r"]);
    for (const [name, most] of [
      ["calls/day", DAY_S],
      ["calls/month/key", 31 * DAY_S],
    ] as const) {
      expect(state[name]?.t).toBeGreaterThan(0);
      expect(state[name]?.t).toBeLessThanOrEqual(most);
    }
  });

  test("counts down to the refusal, which carries it too, with nothing left of what refused", async () => {
    const key = await operator.key();
    const left: unknown[] = [];
    for (let i = 0; i < 5; i++) left.push(itemsOf(await ask("/all", key), "ratelimit").fixed?.r);
    expect(left).toEqual([3, 2, 1, 0, 0]);
    const refused = await ask("/all", key);
    expect(refused.status).toBe(429);
    expect(refused.body).toMatchObject({ rule: "rate:fixed", retry_after: Number(refused.headers.get("retry-after")) });
    expect(refused.headers.get("retry-after")).toMatch(/^[1-9][0-9]{0,3}$/);
    // The refused requests took nothing of the others.
    expect(itemsOf(refused, "ratelimit")).toMatchObject({
      fixed: { r: 0 },
      "calls/day": { r: 6 },
      "calls/lifetime": { r: 2 },
    });
    expect(others(refused)).toEqual(["ratelimit", "ratelimit-policy"]);
  });

  test("tells of what is beyond the limit that nothing is left", async () => {
    const key = await operator.key();
    for (const _ of [1, 2]) await ask("/jobs", key);
    const answer = await ask("/jobs", key);
    expect(answer.status).toBe(200);
    expect(itemsOf(answer, "ratelimit")["jobs/day"]).toMatchObject({ r: 0 });
    expect(parseList(answer.headers.get("x-tollgate-warning") ?? "")).toEqual([
      { value: "jobs/day", parameters: new Map([["p", 300]]) },
    ]);
  });

  test("has no number that is too long for a structured field", async () => {
    const answer = await ask("/much", await operator.key());
    expect(itemsOf(answer, "ratelimit-policy")).toEqual({ "much/lifetime": { q: 999_999_999_999_999 } });
    expect(itemsOf(answer, "ratelimit")).toEqual({ "much/lifetime": { r: 999_999_999_999_999 } });
  });

  test("is on every answer of the app, errors and answers without a body too", async () => {
    for (const status of [204, 304, 404, 500]) {
      const key = await operator.key();
      upstream.answer((_request, response) => void response.writeHead(status).end());
      const answer = await ask("/rates", key);
      expect([answer.status, Object.keys(itemsOf(answer, "ratelimit"))]).toEqual([status, ["slow.one", "sliding"]]);
    }
    upstream.answer((_request, response) => void response.end("{}"));
  });

  test("is not there where nothing limits but slots", async () => {
    expect(others(await ask("/none", await operator.key()))).toEqual([]);
  });
});

describe("by option", () => {
  const SETS: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ["draft-6 alone", ["draft-6"], ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"]],
    ["x-ratelimit alone", ["x-ratelimit"], ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"]],
    [
      "all three",
      ["draft-10", "draft-6", "x-ratelimit"],
      [
        "ratelimit",
        "ratelimit-limit",
        "ratelimit-policy",
        "ratelimit-remaining",
        "ratelimit-reset",
        "x-ratelimit-limit",
        "x-ratelimit-remaining",
        "x-ratelimit-reset",
      ],
    ],
  ];

  test.each(SETS)("%s", async (_what, limitHeaders, wanted) => {
    const { event } = await gateway.reload({ ...sceneConfig(upstream.url), ...config, limitHeaders });
    expect(event).toBe("reloaded");
    const key = await operator.key();
    for (let i = 0; i < 2; i++) await ask("/rates", key);
    const answer = await ask("/rates", key);
    expect(others(answer)).toEqual(wanted);
    for (const prefix of ["", "x-"]) {
      if (!wanted.includes(`${prefix}ratelimit-limit`)) continue;
      const [limit, remaining, reset] = ["limit", "remaining", "reset"].map((name) =>
        answer.headers.get(`${prefix}ratelimit-${name}`),
      );
      // Of the two rates, the one with less left.
      expect([limit, remaining]).toEqual(["3", "0"]);
      expect(reset).toMatch(/^[0-9]{1,9}$/);
      expect(Number(reset)).toBeGreaterThan(89 * DAY_S);
    }
    const refused = await ask("/rates", key);
    expect([refused.status, others(refused)]).toEqual([429, wanted]);
    expect(refused.headers.get("retry-after")).toMatch(/^[1-9][0-9]*$/);
  });
});
