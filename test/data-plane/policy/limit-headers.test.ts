/** Headers that tell of limits: structured fields that any parser reads, one item for each rate and quota, with numbers that are true. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isRefusal } from "#data-plane/exchange.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { LimitSite, runtimeOf } from "#test/data-plane/policy/limit-site.ts";
import { accountOf, callerOf } from "#test/data-plane/policy/limit-worker.ts";

const NOW_MS = Date.UTC(2026, 0, 15, 12, 0, 30);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "hrtime"], now: NOW_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Item {
  readonly name: string;
  readonly parameters: Readonly<Record<string, number>>;
}

/** A list of strings with integer parameters (RFC 9651 §4.2.1); throws on anything else. */
function parsedList(text: string): readonly Item[] {
  if (!/^[\x20-\x7e]+$/.test(text)) throw new Error(`No structured field: ${text}`);
  return text.split(/, /).map((member) => {
    const [, name, rest] = /^"((?:[^"\\]|\\["\\])*)"((?:;[a-z*][a-z0-9_.*-]*=-?[0-9]{1,15})*)$/.exec(member) ?? [];
    if (name === undefined || rest === undefined) throw new Error(`No item: ${member}`);
    const pairs = rest
      .split(";")
      .slice(1)
      .map((pair) => pair.split("="));
    return { name, parameters: Object.fromEntries(pairs.map(([key = "", value]) => [key, Number(value)])) };
  });
}

function headersOf(site: LimitSite, caller: Principal | null, path = "all"): ReadonlyMap<string, string> {
  const admission = site.admit(caller, path);
  const list = isRefusal(admission) ? (admission.headers ?? []) : admission.limitState.headers();
  const pairs = list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1] ?? ""] as const] : []));
  expect(new Set(pairs.map(([name]) => name.toLowerCase())).size).toBe(pairs.length);
  return new Map(pairs);
}

const ALL = `
limitHeaders: [draft-10, draft-6, x-ratelimit]
rates:
  burst: { limit: 60, per: 1m, burst: 10, by: account }
  fixed: { limit: 5, per: 90s, by: key, algorithm: fixed-window }
  slide: { limit: 7, per: 500ms, by: route, algorithm: sliding-window }
  quiet: { limit: 100, per: 1h, by: ip, shadow: true }
meters: { calls: { aggregate: count }, seats: { aggregate: last }, big: {}, free: {} }
plans:
  pro:
    default: true
    quotas:
      calls: [{ limit: 10, per: minute }, { limit: 100, per: hour, by: key }, { limit: 1000, per: lifetime, exceed: warn }]
      seats: { limit: 3, per: lifetime }
      big: { limit: 9007199254740991, per: month }
      free: { limit: null, per: day }
routes:
  - { name: all, match: { path: /all }, upstream: app, rates: [burst, { rate: fixed, cost: 2 }, slide, quiet], meters: { calls: 1, seats: 1, big: 1, free: 1 } }
  - { name: open, match: { path: /open }, upstream: app, auth: none }
  - { name: stranger, match: { path: /stranger }, upstream: app, auth: optional, rates: [burst] }
`;

test("every rate and every quota has one item in both fields, in the same order", () => {
  const runtime = runtimeOf(ALL);
  using site = new LimitSite(runtime);
  const headers = headersOf(site, callerOf(runtime, accountOf("acct")));
  expect(parsedList(headers.get("RateLimit-Policy") ?? "")).toEqual([
    { name: "burst", parameters: { q: 10, w: 60 } },
    { name: "fixed", parameters: { q: 5, w: 90 } },
    { name: "slide", parameters: { q: 7, w: 1 } },
    { name: "quiet", parameters: { q: 100, w: 3600 } },
    { name: "calls/minute", parameters: { q: 10, w: 60 } },
    { name: "calls/lifetime", parameters: { q: 1000 } },
    { name: "calls/hour/key", parameters: { q: 100, w: 3600 } },
    { name: "seats/lifetime", parameters: { q: 3 } },
    { name: "big/month", parameters: { q: 999_999_999_999_999, w: 31 * 86_400 } },
  ]);
  expect(parsedList(headers.get("RateLimit") ?? "")).toEqual([
    { name: "burst", parameters: { r: 9, t: 1 } },
    { name: "fixed", parameters: { r: 3, t: 90 } },
    { name: "slide", parameters: { r: 6, t: 1 } },
    { name: "quiet", parameters: { r: 99, t: 36 } },
    { name: "calls/minute", parameters: { r: 9, t: 30 } },
    { name: "calls/lifetime", parameters: { r: 999 } },
    { name: "calls/hour/key", parameters: { r: 99, t: 3570 } },
    { name: "seats/lifetime", parameters: { r: 2 } },
    { name: "big/month", parameters: { r: 999_999_999_999_999, t: expect.any(Number) } },
  ]);
});

test("the older sets tell of the limit of which least is left", () => {
  const runtime = runtimeOf(ALL);
  using site = new LimitSite(runtime);
  const headers = headersOf(site, callerOf(runtime, accountOf("acct")));
  const old = [...headers].filter(([name]) => /^(x-)?ratelimit-(limit|remaining|reset)$/i.test(name));
  expect(old).toEqual([
    ["RateLimit-Limit", "3"],
    ["RateLimit-Remaining", "2"],
    ["RateLimit-Reset", "0"],
    ["X-RateLimit-Limit", "3"],
    ["X-RateLimit-Remaining", "2"],
    ["X-RateLimit-Reset", "0"],
  ]);
});

test.each([
  ["draft-10", ["RateLimit-Policy", "RateLimit"]],
  ["draft-6", ["RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"]],
  ["x-ratelimit", ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"]],
] as const)("%s alone brings its own names and no others", (set, names) => {
  const runtime = runtimeOf(ALL.replace(/limitHeaders: .*/, `limitHeaders: [${set}]`));
  using site = new LimitSite(runtime);
  expect([...headersOf(site, callerOf(runtime, accountOf("acct"))).keys()]).toEqual([...names]);
});

test("nothing limits, nothing is told; a stranger hears of the rates alone", () => {
  const runtime = runtimeOf(ALL);
  using site = new LimitSite(runtime);
  expect(headersOf(site, null, "open").size).toBe(0);
  expect(parsedList(headersOf(site, null, "stranger").get("RateLimit") ?? "").map(({ name }) => name)).toEqual([
    "burst",
  ]);
});

test("from the first threshold on a quota warns, in percent", () => {
  const runtime = runtimeOf(`
meters: { calls: {} }
plans: { pro: { default: true, quotas: { calls: [{ limit: 10, per: day, exceed: warn }, { limit: 9, per: month, exceed: warn, thresholds: [100] }] } } }
routes: [{ name: all, match: { path: /all }, upstream: app, meters: { calls: 1 } }]
`);
  using site = new LimitSite(runtime);
  const caller = callerOf(runtime, accountOf("acct"));
  const warnings = Array.from({ length: 12 }, () => headersOf(site, caller).get("X-Tollgate-Warning") ?? "");
  expect(warnings.slice(0, 7).filter((warning) => warning !== "")).toEqual([]);
  expect(warnings.slice(7).map(parsedList)).toEqual(
    [8, 9, 10, 11, 12].map((used) => [
      { name: "calls/day", parameters: { p: used * 10 } },
      ...(used < 9 ? [] : [{ name: "calls/month", parameters: { p: Math.floor((used / 9) * 100) } }]),
    ]),
  );
});

test("whatever the figures, both fields parse and what is left is between nothing and all of it", () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,20}$/);
  const limit = fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1_000_000_000 }));
  const per = fc.constantFrom("1ms", "999ms", "1s", "7m", "366d");
  const kinds = fc.constantFrom("minute", "hour", "day", "week", "month", "billing-period", "lifetime");
  const algorithm = fc.constantFrom("token-bucket", "fixed-window", "sliding-window");
  const most = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.maxSafeNat());
  fc.assert(
    fc.property(name, limit, per, algorithm, name, most, kinds, (rate, count, time, kind, meter, quota, window) => {
      const runtime = runtimeOf(`
rates: { "${rate}": { limit: ${Math.min(count, kind === "token-bucket" ? count : 16_777_215)}, per: ${time}, algorithm: ${kind} } }
meters: { "${meter}": {} }
plans: { pro: { default: true, quotas: { "${meter}": { limit: ${quota}, per: ${window} } } } }
routes: [{ name: all, match: { path: /all }, upstream: app, rates: ["${rate}"], meters: { "${meter}": 3 } }]
`);
      using site = new LimitSite(runtime);
      const caller = callerOf(runtime, accountOf("acct"));
      for (let round = 0; round < 3; round++) {
        const headers = headersOf(site, caller);
        const policies = parsedList(headers.get("RateLimit-Policy") ?? "");
        const states = parsedList(headers.get("RateLimit") ?? "");
        expect(states.map((item) => item.name)).toEqual([rate, `${meter}/${window}`]);
        states.forEach(({ parameters: { r = -1, t = 0 } }, index) => {
          expect(r).toBeGreaterThanOrEqual(0);
          expect(r).toBeLessThanOrEqual(policies[index]?.parameters["q"] ?? -1);
          expect(t).toBeGreaterThanOrEqual(0);
        });
        vi.advanceTimersByTime(400);
      }
    }),
    { numRuns: 25 },
  );
});
