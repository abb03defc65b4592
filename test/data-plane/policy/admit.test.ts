/**
 * Admission is all or nothing: a request that one limit refuses leaves all others as they were, and says which one it was, also when another
 * worker takes the last of it between any two steps.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Refusal } from "#core/errors.ts";
import { isRefusal } from "#data-plane/exchange.ts";
import type { Admission } from "#data-plane/policy/admit.ts";
import { LimitSite, runtimeOf } from "#test/data-plane/policy/limit-site.ts";
import { accountOf, callerOf } from "#test/data-plane/policy/limit-worker.ts";
import { atEveryStep, interrupted } from "#test/shared/steps.ts";

const NOW_MS = Date.UTC(2026, 0, 15, 12);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "hrtime"], now: NOW_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

/** One of everything, with room for two but where the test says one. */
function fileWith(one: string): string {
  const limit = (name: string) => (one === name ? 1 : 2);
  return `
rates:
  bucket: { limit: ${limit("bucket")}, per: 365d, by: account }
  fixed: { limit: ${limit("fixed")}, per: 1h, by: key, algorithm: fixed-window }
  sliding: { limit: ${limit("sliding")}, per: 1h, by: [account, route], algorithm: sliding-window }
concurrency: { open: { limit: ${limit("open")}, by: account } }
meters: { calls: { aggregate: count }, jobs: {}, paid: {} }
plans:
  pro:
    default: true
    quotas:
      calls: [{ limit: ${limit("day")}, per: day }, { limit: ${limit("month")}, per: month }, { limit: ${limit("key")}, per: month, by: key }]
      jobs: { limit: ${limit("overage")}, per: month, exceed: overage, overage: { price: 1 } }
      paid: { limit: 0, per: day, exceed: credits, credits: 10 }
routes:
  - { name: all, match: { path: /all }, upstream: app, rates: [bucket, fixed, sliding], concurrency: [open], meters: { paid: 1, calls: 1, jobs: 1 } }
`;
}

const RULES: Readonly<Record<string, readonly [code: string, rule: string]>> = {
  bucket: ["rate_limited", "rate:bucket"],
  fixed: ["rate_limited", "rate:fixed"],
  sliding: ["rate_limited", "rate:sliding"],
  open: ["concurrency_exceeded", "concurrency:open"],
  day: ["quota_exceeded", "quota:calls"],
  month: ["quota_exceeded", "quota:calls"],
  key: ["quota_exceeded", "quota:calls"],
  overage: ["quota_exceeded", "spend-cap:jobs"],
  credits: ["credits_exhausted", "credits:paid"],
};

const runtimes = new Map(Object.keys(RULES).map((one) => [one, runtimeOf(fileWith(one))]));

function siteWith(one: string) {
  const runtime = runtimes.get(one);
  if (runtime === undefined) throw new Error(`No file is about ${one}`);
  const grant = {
    id: "grant",
    amount: one === "credits" ? 10 : 20,
    priority: 0,
    startMs: 0,
    expiresMs: null,
    createdMs: 0,
    source: "test",
  };
  const account = accountOf("acct", { grants: [grant], spendCap: { units: { jobs: 0 }, money: null } });
  return { site: new LimitSite(runtime, 2), caller: callerOf(runtime, account), account };
}

type Scene = ReturnType<typeof siteWith>;

/** Bytes of every table and of what is noted. */
function everything({ buffers }: LimitSite): readonly string[] {
  return Object.values(buffers).map((buffer: SharedArrayBuffer) => Buffer.from(buffer).toString("base64"));
}

/** What a client would be told of every limit, and what stands where it is not told. */
function state({ site, caller, account }: Scene): readonly unknown[] {
  const told = site.admit(caller, "all");
  const headers = isRefusal(told) ? told.headers : told.limitState.headers();
  const row = new Float64Array(site.buffers.inFlight).filter((cell) => cell !== 0);
  return [headers, site.held("open", "account:acct"), site.burnt("grant"), site.used(account, "paid", "day"), [...row]];
}

describe.each(Object.keys(RULES))("the last of %s", (one) => {
  test("taken, the next request is refused by name and changes nothing at all", () => {
    const scene = siteWith(one);
    using site = scene.site;
    expect(site.admit(scene.caller, "all")).not.toHaveProperty("code");
    const before = everything(site);
    const refusal = site.admit(scene.caller, "all", {}, 1);
    expect(refusal).toMatchObject({ code: RULES[one]?.[0], rule: RULES[one]?.[1] });
    expect(everything(site)).toEqual(before);
  });
});

/** One of each kind of limit; with TOLLGATE_LONG=1 (CI) the quotas of other windows too. */
const RACED = Object.keys(RULES).filter((one) => process.env.TOLLGATE_LONG === "1" || !["day", "key"].includes(one));

test.each(RACED)(
  "the last of %s goes to one of two workers, whichever step the other one comes at, and the loser takes nothing",
  (one) => {
    const alone = siteWith(one);
    using first = alone.site;
    first.admit(alone.caller, "all");
    const expected = JSON.stringify(state(alone));
    const steps = atEveryStep((step) => {
      const scene = siteWith(one);
      using site = scene.site;
      const outcomes: (Admission | Refusal)[] = [];
      const comes = () => outcomes.push(site.admit(scene.caller, "all", {}, 1));
      const { outcome, steps: count } = interrupted([[step, comes]], () => site.admit(scene.caller, "all"));
      if (step >= count) return count;
      outcomes.push(outcome);
      const refused = outcomes.filter(isRefusal);
      expect(refused.map(({ code, rule }) => [code, rule])).toEqual([RULES[one]]);
      expect(JSON.stringify(state(scene)).replace(...rowsAlike)).toBe(expected.replace(...rowsAlike));
      return count;
    });
    expect(steps).toBeGreaterThan(40);
  },
);

/** Which worker's row has the winner's notes, and in which order, is all one. */
const rowsAlike = [/,\[[^[\]]*\]\]$/, ""] as const;

test("the last of a cap in money over two meters goes to one of two workers, and none of them misses it", () => {
  const runtime = runtimeOf(`
meters: { calls: {}, jobs: {} }
plans:
  pro:
    default: true
    quotas:
      calls: { limit: 0, per: day, exceed: overage, overage: { price: 5 } }
      jobs: { limit: 0, per: day, exceed: overage, overage: { price: 5 } }
routes:
  - { name: calls, match: { path: /calls }, upstream: app, meters: { calls: 1 } }
  - { name: jobs, match: { path: /jobs }, upstream: app, meters: { jobs: 1 } }
`);
  const account = accountOf("acct", { spendCap: { units: {}, money: 9 } });
  const caller = callerOf(runtime, account);
  let waited = 0;
  atEveryStep((step) => {
    using site = new LimitSite(runtime, 2);
    const outcomes: (Admission | Refusal)[] = [];
    const comes = () => {
      // Whoever comes while the other one decides waits for it; here that would be for ever.
      if (site.slots.held(site.slots.key("money|acct")) > 0) waited++;
      else outcomes.push(site.admit(caller, "jobs", {}, 1));
    };
    const { outcome, steps } = interrupted([[step, comes]], () => site.admit(caller, "calls"));
    if (step >= steps) return steps;
    outcomes.push(outcome);
    expect(outcomes.filter((one) => !isRefusal(one))).toHaveLength(1);
    expect(site.used(account, "calls", "day") + site.used(account, "jobs", "day")).toBe(1);
    return steps;
  });
  expect(waited).toBeGreaterThan(3);
});

test("what the loser had noted is noted no more", () => {
  atEveryStep((step) => {
    const scene = siteWith("key");
    using site = scene.site;
    const winner: (Admission | Refusal)[] = [];
    const { outcome, steps } = interrupted([[step, () => winner.push(site.admit(scene.caller, "all", {}, 1))]], () =>
      site.admit(scene.caller, "all"),
    );
    if (step >= steps) return steps;
    const loser = isRefusal(outcome) ? 0 : 1;
    const [won] = [outcome, ...winner].filter((one): one is Admission => !isRefusal(one));
    const before = site.used(scene.account, "calls", "month");
    site.kill(loser);
    expect([
      before,
      site.used(scene.account, "calls", "month"),
      site.held("open", "account:acct"),
      site.burnt("grant"),
    ]).toEqual([1, 1, 1, 10]);
    if (won !== undefined && won.reservation !== null) site.worker(1 - loser).settler.release(won.reservation);
    won?.held?.giveBack();
    expect([
      site.used(scene.account, "calls", "month"),
      site.held("open", "account:acct"),
      site.burnt("grant"),
    ]).toEqual([0, 0, 0]);
    return steps;
  });
});
