/** Reservations: the limits of requests, held until settled, kept through restarts and reloads, counted once at the time they were made. */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Refusal } from "#core/errors.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { ReservationWish } from "#control-plane/metering/reservations.ts";
import type { ReservationRow } from "#control-plane/metering/reservation-store.ts";
import { UsageSite } from "./usage-site.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** 24 November 2025, 23:20 UTC: in the past, as nothing expires before this process has lived so long. */
const AT_MS = Date.UTC(2025, 10, 24, 23, 20);

const METERS = `meters: { jobs: {}, minutes: {}, seats: { aggregate: last }, peak: { aggregate: max } }
`;
const quotas = (jobs: string) => `${METERS}plans: { free: { default: true, quotas: { jobs: ${jobs} } } }\n`;
const YAML = quotas("{ limit: 10, per: day, status: 403 }");

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

async function hold(site: UsageSite, account: Account, units: number, wish: Partial<ReservationWish> = {}) {
  return site.services.reservations.reserve({
    account,
    meter: "jobs",
    units,
    key: "",
    user: "",
    route: "",
    ownLimits: [],
    lifetimeMs: HOUR_MS,
    ...wish,
  });
}

function row(outcome: ReservationRow | Refusal): ReservationRow {
  if ("code" in outcome) throw new Error(`Refused: ${outcome.detail}`);
  return outcome;
}

function code(outcome: ReservationRow | Refusal): string {
  return "code" in outcome ? outcome.code : outcome.state;
}

test("what is reserved is taken at once, and no more than there is; the refusal says what is left", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  expect(code(await hold(site, account, 7))).toBe("open");
  expect(site.live(account, "jobs")).toBe(7);
  expect(await hold(site, account, 4)).toMatchObject({
    code: "quota_exceeded",
    rule: "quota:jobs",
    status: 403,
    fields: { meter: "jobs", used: 7, limit: 10, remaining: 3, plan: "free", window: { kind: "day" } },
    headers: ["Retry-After", "2400"],
  });
  expect(code(await hold(site, account, 3))).toBe("open");
  expect(code(await hold(site, account, 1))).toBe("quota_exceeded");
  expect(site.live(account, "jobs")).toBe(10);
  expect(await site.minutes(account.id, "jobs")).toEqual([]);
});

test("confirmed with what it came to, it is booked at the time it was made, and the difference is adjusted", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const [less, more, same] = [
    row(await hold(site, account, 5)),
    row(await hold(site, account, 2)),
    row(await hold(site, account, 3)),
  ];
  vi.setSystemTime(AT_MS + 50 * MINUTE_MS);
  const { reservations } = site.services;
  expect(row(await reservations.confirm(less.id, 1))).toMatchObject({ state: "confirmed", confirmed_units: 1 });
  expect(row(await reservations.confirm(more.id, 4))).toMatchObject({ confirmed_units: 4 });
  expect(row(await reservations.confirm(same.id, null))).toMatchObject({ confirmed_units: 3 });
  expect(await site.minutes(account.id, "jobs")).toEqual([[AT_MS, 8]]);
  expect([site.live(account, "jobs", AT_MS), site.live(account, "jobs")]).toEqual([8, 0]);
});

test("the same confirmation again is answered the same and counts nothing; another one is a conflict", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const { id } = row(await hold(site, account, 5));
  const { reservations } = site.services;
  const first = await reservations.confirm(id, 4);
  vi.setSystemTime(AT_MS + 2 * HOUR_MS);
  expect(await reservations.confirm(id, 4)).toEqual(first);
  expect(await reservations.confirm(id, null)).toEqual(first);
  expect(code(await reservations.confirm(id, 5))).toBe("conflict");
  expect(code(await reservations.release(id))).toBe("conflict");
  expect(await site.minutes(account.id, "jobs")).toEqual([[AT_MS, 4]]);
});

test("what is released comes back, once; then it cannot be confirmed", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  await site.report([{ id: "e", source: "s", type: "jobs", subject: "A", data: { value: 2 } }]);
  const { id } = row(await hold(site, account, 5));
  const { reservations } = site.services;
  const first = await reservations.release(id);
  expect(row(first).state).toBe("released");
  expect(await reservations.release(id)).toEqual(first);
  expect(code(await reservations.confirm(id, 5))).toBe("conflict");
  expect(site.live(account, "jobs")).toBe(2);
  expect(code(await reservations.confirm("rsv_none", 1))).toBe("not_found");
  expect(code(await reservations.release("rsv_none"))).toBe("not_found");
});

test("what nobody settles in time comes back by itself, and was never used", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const { id } = row(await hold(site, account, 5, { lifetimeMs: 10 * MINUTE_MS }));
  const { reservations } = site.services;
  vi.setSystemTime(AT_MS + 10 * MINUTE_MS - 1);
  await reservations.expire();
  expect(site.live(account, "jobs")).toBe(5);
  vi.setSystemTime(AT_MS + 10 * MINUTE_MS);
  expect(code(await reservations.confirm(id, 5))).toBe("conflict");
  await reservations.expire();
  await reservations.expire();
  expect(site.live(account, "jobs")).toBe(0);
  expect(code(await reservations.confirm(id, 5))).toBe("conflict");
  expect(code(await reservations.release(id))).toBe("expired");
  expect(await site.minutes(account.id, "jobs")).toEqual([]);
});

test("a clock that is a day ahead for a while expires nothing", async () => {
  vi.useRealTimers();
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const [first, second] = [row(await hold(site, account, 5)), row(await hold(site, account, 2))];
  const { reservations } = site.services;
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 24 * HOUR_MS });
  await reservations.expire();
  expect(code(await reservations.confirm(first.id, 5))).toBe("confirmed");
  vi.useRealTimers();
  await reservations.expire();
  expect(code(await reservations.confirm(second.id, 2))).toBe("confirmed");
});

test("a restart holds what is open, forgets nothing that is settled, and lets go of what expired meanwhile", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const open = row(await hold(site, account, 2));
  const settled = row(await hold(site, account, 3));
  await hold(site, account, 4, { lifetimeMs: MINUTE_MS });
  await site.services.reservations.confirm(settled.id, 1);
  await site.stop();
  vi.setSystemTime(AT_MS + 5 * MINUTE_MS);
  await site.start();
  await site.foundation.ledger.seeder.ensure(account.id);
  expect(site.live(account, "jobs")).toBe(3);
  expect(code(await hold(site, account, 8))).toBe("quota_exceeded");
  await site.services.reservations.confirm(open.id, 6);
  expect([site.live(account, "jobs"), await site.minutes(account.id, "jobs")]).toEqual([7, [[AT_MS, 7]]]);
});

test("after a restart a confirmation comes before anything else of the account: still counted once", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const [first, second] = [row(await hold(site, account, 4)), row(await hold(site, account, 5))];
  await site.restart();
  await site.services.reservations.confirm(first.id, 3);
  expect(site.live(account, "jobs")).toBe(8);
  await site.restart();
  await site.services.reservations.release(second.id);
  await site.foundation.ledger.seeder.ensure(account.id);
  expect(site.live(account, "jobs")).toBe(3);
});

test("windows that a reload adds hold what is open, and lose it when it is settled", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const [first, second] = [row(await hold(site, account, 4)), row(await hold(site, account, 3))];
  await site.reload(quotas("[{ limit: 10, per: day }, { limit: 8, per: hour }]"));
  const hour = () => site.live(account, "jobs", AT_MS, "", "hour");
  expect(hour()).toBe(7);
  expect(await hold(site, account, 2)).toMatchObject({ fields: { limit: 8, window: { kind: "hour" } } });
  await site.services.reservations.confirm(first.id, 1);
  await site.services.reservations.release(second.id);
  expect([hour(), site.live(account, "jobs")]).toEqual([1, 1]);
});

test("every limit counts, or none is touched: sub-quotas of key and user too", async () => {
  await using site = await UsageSite.open(
    quotas("[{ limit: 10, per: day }, { limit: 3, per: day, by: user }, { limit: 5, per: hour, by: user }]"),
  );
  const account = await site.account();
  expect(code(await hold(site, account, 3, { user: "u" }))).toBe("open");
  expect(await hold(site, account, 1, { user: "u" })).toMatchObject({ code: "quota_exceeded", fields: { limit: 3 } });
  expect(site.live(account, "jobs")).toBe(3);
  expect(code(await hold(site, account, 3, { user: "v" }))).toBe("open");
  expect(code(await hold(site, account, 4))).toBe("open");
  expect(await hold(site, account, 1, { user: "w" })).toMatchObject({ fields: { limit: 10, used: 10 } });
  expect(site.live(account, "jobs", AT_MS, "user:w")).toBe(0);
});

test("beyond the limit: grace, overage up to the customer's cap, and warnings pass; without a plan's quota everything does", async () => {
  const outcomes = async (
    jobs: string,
    spendCap: { units: Record<string, number>; money: number | null } | null,
    ...units: number[]
  ) => {
    await using site = await UsageSite.open(quotas(jobs));
    const made = await site.account();
    const account = spendCap === null ? made : ((await site.services.accounts.change(made.id, { spendCap })) ?? made);
    const found: string[] = [];
    for (const count of units) {
      const outcome = await hold(site, account, count);
      found.push("code" in outcome ? outcome.rule : outcome.state);
    }
    return found;
  };
  expect(await outcomes("{ limit: 2, per: day, grace: 1 }", null, 3, 1)).toEqual(["open", "quota:jobs"]);
  expect(await outcomes("{ limit: 2, per: day, exceed: warn }", null, 3, 100)).toEqual(["open", "open"]);
  expect(await outcomes("{ limit: 2, per: day, exceed: overage }", null, 3, 100)).toEqual(["open", "open"]);
  const capped = { units: { jobs: 2 }, money: null };
  expect(await outcomes("{ limit: 2, per: day, exceed: overage }", capped, 4, 1)).toEqual(["open", "spend-cap:jobs"]);
  const priced = "{ limit: 2, per: day, exceed: overage, overage: { price: 50 } }";
  expect(await outcomes(priced, { units: {}, money: 120 }, 4, 1)).toEqual(["open", "spend-cap:jobs"]);
  expect(await outcomes("{ limit: null, per: day }", null, 1_000_000)).toEqual(["open"]);
});

test("a cap in money over several meters is one sum", async () => {
  const priced = (price: number) => `{ limit: 1, per: day, exceed: overage, overage: { price: ${price} } }`;
  await using site = await UsageSite.open(
    `${METERS}plans: { free: { default: true, quotas: { jobs: ${priced(50)}, minutes: ${priced(10)} } } }\n`,
  );
  const made = await site.account();
  const account = (await site.services.accounts.change(made.id, { spendCap: { units: {}, money: 100 } })) ?? made;
  expect(code(await hold(site, account, 2))).toBe("open");
  expect(code(await hold(site, account, 6, { meter: "minutes" }))).toBe("open");
  expect(await hold(site, account, 1)).toMatchObject({ code: "quota_exceeded", rule: "spend-cap:money", status: 402 });
  expect(await hold(site, account, 1, { meter: "minutes" })).toMatchObject({ rule: "spend-cap:money" });
  expect([site.live(account, "jobs"), site.live(account, "minutes")]).toEqual([2, 6]);
  expect(code(await hold(site, account, 1, { meter: "seats" }))).toBe("open");
});

test("credits are set aside with the units, come back for what was not used, and are burnt for more as far as there are any", async () => {
  await using site = await UsageSite.open(quotas("{ limit: 2, per: day, exceed: credits, credits: 3 }"));
  const account = await site.account();
  const { grant } = await site.give(account.id, { amount: 30 });
  const burnt = () => site.burnt(grant.row.id);
  const first = row(await hold(site, account, 6));
  expect(burnt()).toBe(12);
  expect(await hold(site, account, 7)).toMatchObject({
    code: "credits_exhausted",
    fields: { credits_needed: 21, credits_left: 18 },
  });
  expect([burnt(), site.live(account, "jobs")]).toEqual([12, 6]);
  const second = row(await hold(site, account, 5));
  expect(burnt()).toBe(27);
  await site.restart();
  await site.foundation.ledger.seeder.ensure(account.id);
  expect(burnt()).toBe(27);
  await site.services.reservations.confirm(first.id, 4);
  expect(burnt()).toBe(21);
  await site.services.reservations.confirm(second.id, 100);
  expect([burnt(), site.live(account, "jobs")]).toEqual([30, 104]);
  expect(await site.db.selectFrom("credit_grants").select("used").execute()).toEqual([{ used: 30 }]);
  const third = await hold(site, account, 1);
  expect(code(third)).toBe("credits_exhausted");
});

test("credits of a reservation that ends while its account could not be seeded do not come back twice", async () => {
  await using site = await UsageSite.open(quotas("{ limit: 0, per: day, exceed: credits }"));
  const account = await site.account();
  const { grant } = await site.give(account.id, { amount: 10 });
  const [first, second] = [row(await hold(site, account, 4)), row(await hold(site, account, 2))];
  await site.restart();
  const { counters, ledger } = site.foundation;
  const add = counters.add.bind(counters);
  let credits = 0;
  const places = vi
    .spyOn(counters, "add")
    .mockImplementation((key, units) => (key.window.kind !== "lifetime" || ++credits < 2) && add(key, units));
  await expect(ledger.seeder.ensure(account.id)).rejects.toThrow("full");
  places.mockRestore();
  await site.services.reservations.release(first.id);
  await ledger.seeder.ensure(account.id);
  expect([site.burnt(grant.row.id), site.live(account, "jobs")]).toEqual([second.units, second.units]);
});

test("credits of a released or expired reservation come back", async () => {
  await using site = await UsageSite.open(quotas("{ limit: 0, per: day, exceed: credits }"));
  const account = await site.account();
  const { grant } = await site.give(account.id, { amount: 10 });
  const first = row(await hold(site, account, 6));
  await hold(site, account, 4, { lifetimeMs: MINUTE_MS });
  await site.services.reservations.release(first.id);
  expect(site.burnt(grant.row.id)).toBe(4);
  vi.setSystemTime(AT_MS + MINUTE_MS);
  await site.services.reservations.expire();
  expect([site.burnt(grant.row.id), site.live(account, "jobs")]).toEqual([0, 0]);
});

test("only units that add up can be set aside", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  expect(code(await hold(site, account, 1, { meter: "peak" }))).toBe("malformed_request");
  expect(code(await hold(site, account, 1, { meter: "seats" }))).toBe("open");
});

test("a reservation that cannot be stored takes nothing, one that cannot be booked stays open", async () => {
  await using site = await UsageSite.open(quotas("{ limit: 1, per: day, exceed: credits }"));
  const account = await site.account();
  const { grant } = await site.give(account.id, { amount: 10 });
  const { id } = row(await hold(site, account, 3));
  const state = () => [site.live(account, "jobs"), site.burnt(grant.row.id)];
  await site.db.schema.alterTable("usage_reservations").renameTo("away").execute();
  await expect(hold(site, account, 2)).rejects.toThrow("no such table");
  expect(state()).toEqual([3, 2]);
  await site.db.schema.alterTable("away").renameTo("usage_reservations").execute();
  await site.db.schema.alterTable("usage").renameTo("away").execute();
  await expect(site.services.reservations.confirm(id, 7)).rejects.toThrow("no such table");
  expect(state()).toEqual([3, 2]);
  await site.db.schema.alterTable("away").renameTo("usage").execute();
  expect(row(await site.services.reservations.confirm(id, 7)).state).toBe("confirmed");
  expect(state()).toEqual([7, 6]);
});

test("any order of reserving, settling, expiring and restarting: what is held and what is used is what is left of it", async () => {
  const step = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant("hold"),
        units: fc.integer({ min: 1, max: 6 }),
        minutes: fc.constantFrom(1, 30),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ kind: fc.constant("confirm"), of: fc.nat(20), units: fc.integer({ min: 0, max: 8 }) }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("release"), of: fc.nat(20) }) },
    { weight: 1, arbitrary: fc.constant({ kind: "wait" }) },
    { weight: 1, arbitrary: fc.constant({ kind: "restart" }) },
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
      await using site = await UsageSite.open(YAML);
      const account = await site.account();
      const held: { id: string; units: number; until: number; used: number | null }[] = [];
      const outcomes: [got: string, wanted: string][] = [];
      const total = () =>
        held.reduce((sum, { units, used, until }) => sum + (used ?? (until > Date.now() ? units : 0)), 0);
      for (const one of steps) {
        const target = "of" in one ? held[one.of] : undefined;
        const isOpen = target !== undefined && target.used === null && target.until > Date.now();
        if ("minutes" in one) {
          const fits = total() + one.units <= 10;
          const outcome = await hold(site, account, one.units, { lifetimeMs: one.minutes * MINUTE_MS });
          outcomes.push([code(outcome), fits ? "open" : "quota_exceeded"]);
          if (!("code" in outcome))
            held.push({ id: outcome.id, units: one.units, until: outcome.expires_ms, used: null });
        } else if ("units" in one && target !== undefined) {
          const outcome = code(await site.services.reservations.confirm(target.id, one.units));
          outcomes.push([outcome, isOpen || target.used === one.units ? "confirmed" : "conflict"]);
          if (isOpen) target.used = one.units;
        } else if (target !== undefined) {
          await site.services.reservations.release(target.id);
          if (isOpen) target.until = 0;
        } else if (one.kind === "restart") await site.restart();
        else if (one.kind === "wait") vi.setSystemTime(Date.now() + MINUTE_MS);
        await site.services.reservations.expire();
        await site.foundation.ledger.seeder.ensure(account.id);
        expect(site.live(account, "jobs", AT_MS)).toBe(total());
      }
      expect(outcomes.map(([got]) => got)).toEqual(outcomes.map(([, wanted]) => wanted));
      const booked = (await site.minutes(account.id, "jobs")).reduce((sum, [, units]) => sum + units, 0);
      expect(booked).toBe(held.reduce((sum, { used }) => sum + (used ?? 0), 0));
    }),
    { numRuns: process.env.TOLLGATE_LONG === "1" ? 300 : 6 },
  );
});
