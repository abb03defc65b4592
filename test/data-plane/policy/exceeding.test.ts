/** Beyond a quota: each way of exceeding does what it says, at the very unit, and caps and credits hold over all meters and windows. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isRefusal } from "#data-plane/exchange.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { UTC_MONTH, windowAt } from "#core/windows.ts";
import { counterName } from "#shared/counter-shapes.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { settle } from "#test/data-plane/metering/settle.ts";
import { LimitSite, runtimeOf } from "#test/data-plane/policy/limit-site.ts";
import { accountOf, callerOf } from "#test/data-plane/policy/limit-worker.ts";

const NOW_MS = Date.UTC(2026, 0, 15, 23, 59);
const MINUTE_MS = 60_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "hrtime"], now: NOW_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

/** One route `/all` that costs a call, by the quota that is written. */
function siteWith(quota: string, part: Partial<AccountRecord> = {}) {
  const runtime = runtimeOf(`
meters: { calls: {}, jobs: {} }
plans: { pro: { default: true, quotas: ${quota} } }
routes:
  - { name: all, match: { path: /all }, upstream: app, meters: { calls: 1 } }
  - { name: three, match: { path: /three }, upstream: app, meters: { calls: 3 } }
  - { name: jobs, match: { path: /jobs }, upstream: app, meters: { jobs: 1 } }
`);
  return { site: new LimitSite(runtime), caller: callerOf(runtime, accountOf("acct", part)) };
}

/** How many requests pass until one is refused, at most 20, and why it was. */
function passing(site: LimitSite, caller: Principal, path = "all"): readonly [count: number, why: string] {
  for (let count = 0; count < 20; count++) {
    const admission = site.admit(caller, path);
    if (isRefusal(admission)) return [count, `${admission.code} ${admission.rule} ${admission.status ?? ""}`.trim()];
    if (admission.reservation !== null) settle(site.worker().settler, admission.reservation, 200, []);
  }
  return [20, ""];
}

function grant(id: string, amount: number) {
  return { id, amount, priority: 0, startMs: 0, expiresMs: null, createdMs: 0, source: "test" };
}

const cap = (units: Readonly<Record<string, number>>, money: number | null): Partial<AccountRecord> => ({
  spendCap: { units, money },
});

test.each([
  ["{ calls: { limit: 3, per: day } }", {}, 3, "quota_exceeded quota:calls 429"],
  ["{ calls: { limit: 3, per: day, status: 403 } }", {}, 3, "quota_exceeded quota:calls 403"],
  ["{ calls: { limit: 3, per: day, grace: 2 } }", {}, 5, "quota_exceeded quota:calls 429"],
  ["{ calls: { limit: 0, per: day } }", {}, 0, "quota_exceeded quota:calls 429"],
  ["{ calls: { limit: null, per: day } }", {}, 20, ""],
  ["{ calls: { limit: 3, per: day, shadow: true } }", {}, 20, ""],
  ["{ calls: { limit: 3, per: day, exceed: warn } }", {}, 20, ""],
  ["{ calls: { limit: 3, per: day, exceed: overage } }", {}, 20, ""],
  ["{ calls: { limit: 3, per: day, exceed: overage } }", cap({ calls: 2 }, null), 5, "quota_exceeded spend-cap:calls 429"],
  ["{ calls: { limit: 3, per: day, exceed: overage } }", cap({ calls: 0 }, 5), 3, "quota_exceeded spend-cap:calls 429"],
  ["{ calls: { limit: 3, per: day, exceed: overage, overage: { price: 3 } } }", cap({}, 7), 5, "quota_exceeded spend-cap:calls 429"],
  // 2.4 units cost 7 and a bit less than a half: rounded at the total.
  ["{ calls: { limit: 3, per: day, exceed: overage, overage: { price: 10, per: 4 } } }", cap({}, 7), 5, "quota_exceeded spend-cap:calls 429"],
  ["{ calls: { limit: 4, per: day, exceed: throttle, throttle: { from: 50, limit: 3, per: 365d } } }", {}, 5, "rate_limited rate:calls/throttle"],
  ["{ calls: { limit: 3, per: day, exceed: credits } }", {}, 3, "credits_exhausted credits:calls 402"],
  ["{ calls: { limit: 3, per: day, exceed: credits, credits: 2 } }", { grants: [grant("a", 3), grant("b", 2)] }, 5, "credits_exhausted credits:calls 402"],
  ["{ calls: [{ limit: 9, per: day }, { limit: 4, per: month, by: key }] }", {}, 4, "quota_exceeded quota:calls 429"],
  ["{ calls: [{ limit: 4, per: minute }, { limit: 9, per: month, by: key }] }", {}, 4, "quota_exceeded quota:calls 429"],
] as const)("%s with %j lets %i through", (quota, part, count, why) => {
  const { site, caller } = siteWith(quota, part);
  using open = site;
  expect(passing(open, caller)).toEqual([count, why]);
}); // biome-ignore format: one table

test("a request of several units passes only when all of them fit, and a smaller one still does", () => {
  const { site, caller } = siteWith("{ calls: { limit: 5, per: day } }");
  using open = site;
  expect(passing(open, caller, "three")[0]).toBe(1);
  expect(passing(open, caller)[0]).toBe(2);
});

test("a rule in shadow hears of every request it would have refused, and none it would not", () => {
  const { site, caller } = siteWith("{ calls: { limit: 3, per: day, shadow: true } }");
  using open = site;
  passing(open, caller);
  expect(open.worker().shadows.map(({ rule }) => rule)).toEqual(Array.from({ length: 17 }, () => "quota:calls"));
});

test("what a shadow rule counts is counted", () => {
  const { site, caller } = siteWith("{ calls: { limit: 3, per: day, shadow: true } }");
  using open = site;
  passing(open, caller);
  expect(open.used(caller.account, "calls", "day")).toBe(20);
});

describe("a cap in money over two meters", () => {
  const QUOTAS = `{ calls: { limit: 2, per: day, exceed: overage, overage: { price: 5 } }, jobs: { limit: 1, per: month, exceed: overage, overage: { price: 3 } } }`;

  test("holds for their sum", () => {
    const { site, caller } = siteWith(QUOTAS, cap({}, 11));
    using open = site;
    // Two calls and a job are included; a call at 5 and two jobs at 3 make 11.
    expect(passing(open, caller, "jobs")).toEqual([4, "quota_exceeded spend-cap:money 402"]);
    expect(passing(open, caller)).toEqual([2, "quota_exceeded spend-cap:money 402"]);
  });

  test("knows when a window of the other meter is over", () => {
    const { site, caller } = siteWith(QUOTAS, cap({}, 10));
    using open = site;
    expect(passing(open, caller)[0]).toBe(4);
    expect(passing(open, caller, "jobs")[0]).toBe(1);
    vi.advanceTimersByTime(2 * MINUTE_MS);
    // The day is over, the month is not: all of the 10 can go into jobs now.
    expect(passing(open, caller, "jobs")).toEqual([3, "quota_exceeded spend-cap:money 402"]);
  });

  test("lets pass what its own limit includes, also when the cap was passed before by usage nobody could reserve", () => {
    const { site, caller } = siteWith(QUOTAS, cap({}, 4));
    using open = site;
    expect(passing(open, caller)[0]).toBe(2);
    // As a measured value does that turns out larger than its estimate.
    const shape = open.runtime.shapes.get("calls")?.find(({ window }) => window.kind === "day");
    const window = windowAt(shape?.window ?? UTC_MONTH, Date.now(), caller.account.anchorMs);
    open.counters.add(open.counters.key(counterName(caller.account.id, shape?.key ?? "", "", window), window), 5);
    expect(passing(open, caller, "jobs")).toEqual([1, "quota_exceeded spend-cap:money 402"]);
    expect(passing(open, caller)[0]).toBe(0);
  });

  test("is nothing to routes that cost no priced meter", () => {
    const { site, caller } = siteWith(
      "{ calls: { limit: 0, per: day, exceed: overage, overage: { price: 5 } } }",
      cap({}, 0),
    );
    using open = site;
    expect(passing(open, caller)[0]).toBe(0);
    expect(passing(open, caller, "jobs")[0]).toBe(20);
  });
});

test("a window begins anew when it is over, and a clock that jumps back finds what was used", () => {
  const { site, caller } = siteWith("{ calls: { limit: 3, per: day } }");
  using open = site;
  expect(passing(open, caller)[0]).toBe(3);
  vi.advanceTimersByTime(2 * MINUTE_MS);
  expect(passing(open, caller)[0]).toBe(3);
  vi.setSystemTime(NOW_MS - MINUTE_MS);
  expect(passing(open, caller)[0]).toBe(0);
  vi.setSystemTime(NOW_MS + 2 * MINUTE_MS);
  expect(passing(open, caller)[0]).toBe(0);
});

describe("a gauge fed by constants", () => {
  const FILE = `
meters: { seats: { aggregate: last } }
plans: { pro: { default: true, quotas: { seats: [{ limit: 2, per: lifetime, by: key }, { limit: 3, per: lifetime }] } } }
routes:
  - { name: join, match: { path: /join }, upstream: app, meters: { seats: 1 } }
  - { name: leave, match: { path: /leave }, upstream: app, meters: { seats: -2 } }
`;
  const runtime = runtimeOf(FILE);
  const [one, two] = ["key_1", "key_2"].map((keyId) => callerOf(runtime, accountOf("acct"), { keyId }));

  function go(site: LimitSite, caller: Principal | undefined, path: string, status = 200): string {
    if (caller === undefined) return "";
    const admission = site.admit(caller, path);
    if (isRefusal(admission)) return admission.rule;
    return admission.reservation !== null && settle(site.worker().settler, admission.reservation, status, [])
      ? "ok"
      : "";
  }

  const seats = (site: LimitSite) => site.used(accountOf("acct"), "seats", "lifetime");

  test("goes up to its limit and down to nought, also by a key that took none", () => {
    using site = new LimitSite(runtime);
    expect([one, one, one, two, two].map((caller) => go(site, caller, "join"))).toEqual([
      "ok",
      "ok",
      "quota:seats",
      "ok",
      "quota:seats",
    ]);
    expect(seats(site)).toBe(3);
    expect([go(site, two, "leave"), seats(site), go(site, two, "leave"), seats(site)]).toEqual(["ok", 1, "ok", 0]);
    expect(site.charges().map(({ units }) => units[0]?.units)).toEqual([1, 1, 1, -2, -1]);
  });

  test.each([404, 500, 503])("stays when the app did not give back but answered %i", (status) => {
    using site = new LimitSite(runtime);
    go(site, one, "join");
    go(site, one, "leave", status);
    expect(seats(site)).toBe(1);
  });

  test("a request to give back that never came to an end gives nothing back and takes nothing", () => {
    using site = new LimitSite(runtime);
    go(site, one, "join");
    const admission = one === undefined ? null : site.admit(one, "leave");
    if (admission !== null && !isRefusal(admission) && admission.reservation !== null)
      site.worker().settler.release(admission.reservation);
    expect(seats(site)).toBe(1);
  });
});

test("a maximum blocks when it is beyond its limit, and not while it is at it", () => {
  const runtime = runtimeOf(`
meters: { peak: { aggregate: max, from: bytes.in } }
plans: { pro: { default: true, quotas: { peak: { limit: 10, per: day } } } }
routes: [{ name: up, match: { path: /up }, upstream: app, meters: { peak: measured } }]
`);
  using site = new LimitSite(runtime);
  const caller = callerOf(runtime, accountOf("acct"));
  const outcomes = [10, 11, 1].map((bytes) => {
    const admission = site.admit(caller, "up");
    if (isRefusal(admission)) return admission.rule;
    return admission.reservation !== null && settle(site.worker().settler, admission.reservation, 200, [bytes]);
  });
  expect(outcomes).toEqual([true, true, "quota:peak"]);
});

test("refusals by quotas and credits say where there is more, where the file does", () => {
  const runtime = runtimeOf(`
errors: { upgradeUrl: "https://example.com/pricing" }
meters: { calls: {}, jobs: {} }
plans: { pro: { default: true, quotas: { calls: { limit: 0, per: day }, jobs: { limit: 0, per: day, exceed: credits, status: 429 } } } }
routes:
  - { name: all, match: { path: /all }, upstream: app, meters: { calls: 1 } }
  - { name: jobs, match: { path: /jobs }, upstream: app, meters: { jobs: 1 } }
`);
  using site = new LimitSite(runtime);
  const caller = callerOf(runtime, accountOf("acct"));
  for (const path of ["all", "jobs"]) {
    const refusal = site.admit(caller, path);
    if (!isRefusal(refusal)) throw new Error("Nothing is left of either");
    expect(refusal.fields).toMatchObject({ upgrade_url: "https://example.com/pricing" });
    expect(refusal.headers).toContain("Retry-After");
  }
});
