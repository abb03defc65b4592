/** Credits of plans: one grant a window whatever happens, ahead of time, what is unused goes over, and a change of plan holds at once. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Account } from "#control-plane/accounts/account.ts";
import { UsageSite } from "#test/control-plane/metering/usage-site.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** 24 November 2026, 09:20 UTC. */
const AT_MS = Date.UTC(2026, 10, 24, 9, 20);
const TODAY_MS = Date.UTC(2026, 10, 24);

const plans = (credits: string, more = "") => `meters: { calls: {} }
plans:
  free: { default: true, quotas: { calls: { limit: 0, per: day, exceed: credits } }${credits === "" ? "" : `, credits: ${credits}`} }
  none: { quotas: { calls: { limit: 0, per: day, exceed: credits } } }
${more}`;
const DAILY = plans("{ amount: 100, per: day }");
const ROLLING = plans("{ amount: 100, per: day, rollover: { max: 150 } }");

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

let ids = 0;
function use(site: UsageSite, value: number) {
  return site.report([{ id: `e${++ids}`, source: "s", type: "calls", subject: "A", data: { value } }]);
}

/** `[source, amount, start, end]`, times in days from today on. */
async function granted(site: UsageSite, { id }: Account) {
  const days = (ms: number | null) => (ms === null ? null : (ms - TODAY_MS) / DAY_MS);
  const rows = await site.db
    .selectFrom("credit_grants")
    .selectAll()
    .where("account", "=", id)
    .orderBy("start_ms")
    .orderBy("source")
    .execute();
  return rows.map(({ source, amount, start_ms: start, expires_ms: end }) => [source, amount, days(start), days(end)]);
}

async function balance(site: UsageSite, { id }: Account): Promise<number> {
  return (await site.services.grants.left(id)).balance;
}

test("at first sight an account has its window's grant, and asked again it has no second one", async () => {
  await using site = await UsageSite.open(DAILY);
  const account = await site.account();
  expect(await balance(site, account)).toBe(100);
  await Promise.all(Array.from({ length: 10 }, () => site.services.grants.usable(account.id)));
  await site.restart();
  await site.services.grants.usable(account.id);
  expect(await granted(site, account)).toEqual([["plan", 100, 0, 1]]);
});

test("the next window's grant is there before the window begins, and workers are told", async () => {
  await using site = await UsageSite.open(DAILY);
  const account = await site.account();
  await balance(site, account);
  site.announced.length = 0;
  vi.setSystemTime(TODAY_MS + DAY_MS - 10 * MINUTE_MS - 1);
  await site.foundation.planCredits.tick();
  expect(site.announced).toEqual([]);
  vi.setSystemTime(TODAY_MS + DAY_MS - 10 * MINUTE_MS);
  await site.foundation.planCredits.tick();
  await site.foundation.planCredits.tick();
  expect(site.announced).toEqual([account.id]);
  expect(await granted(site, account)).toEqual([
    ["plan", 100, 0, 1],
    ["plan", 100, 1, 2],
  ]);
  expect(await balance(site, account)).toBe(100);
  vi.setSystemTime(TODAY_MS + DAY_MS);
  await use(site, 30);
  expect(await balance(site, account)).toBe(70);
});

test("short windows have all their grants of the next ten minutes", async () => {
  await using site = await UsageSite.open(plans("{ amount: 5, per: minute }"));
  const account = await site.account();
  await site.services.grants.usable(account.id);
  expect(await granted(site, account)).toHaveLength(11);
});

test("credits for a lifetime are granted once and never end", async () => {
  await using site = await UsageSite.open(plans("{ amount: 5, per: lifetime }"));
  const account = await site.account();
  await site.services.grants.usable(account.id);
  vi.setSystemTime(AT_MS + 1000 * DAY_MS);
  await site.foundation.planCredits.tick();
  expect(await granted(site, account)).toMatchObject([["plan", 5, -TODAY_MS / DAY_MS, null]]);
  expect(await balance(site, account)).toBe(5);
});

test("what is unused goes into the next window, at most the maximum, burnt first as it ends first or is older", async () => {
  await using site = await UsageSite.open(ROLLING);
  const account = await site.account();
  await balance(site, account);
  await use(site, 30);
  const next = async (day: number) => {
    vi.setSystemTime(TODAY_MS + day * DAY_MS - 5 * MINUTE_MS);
    await site.foundation.planCredits.tick();
    vi.setSystemTime(TODAY_MS + day * DAY_MS);
    await site.foundation.planCredits.tick();
    return balance(site, account);
  };
  expect(await next(1)).toBe(170);
  expect(await next(2)).toBe(250);
  expect(await next(3)).toBe(250);
  await use(site, 250);
  expect(await next(4)).toBe(100);
  await site.restart();
  expect(await balance(site, account)).toBe(100);
  expect((await granted(site, account)).filter(([source]) => source === "rollover")).toEqual([
    ["rollover", 70, 1, 2],
    ["rollover", 150, 2, 3],
    ["rollover", 150, 3, 4],
  ]);
});

test("windows in which nobody saw the account count as unused", async () => {
  await using site = await UsageSite.open(ROLLING);
  const account = await site.account();
  await balance(site, account);
  await use(site, 90);
  await site.stop();
  vi.setSystemTime(AT_MS + 2 * DAY_MS);
  await site.start();
  // 10 of the first day and 100 of the second.
  expect(await balance(site, account)).toBe(100 + 110);
  await site.stop();
  vi.setSystemTime(AT_MS + 300 * DAY_MS);
  await site.start();
  expect(await balance(site, account)).toBe(100 + 150);
});

test("a new account brings nothing over from windows before it", async () => {
  await using site = await UsageSite.open(ROLLING);
  const account = await site.account();
  vi.setSystemTime(AT_MS + 5 * DAY_MS);
  expect(await balance(site, account)).toBe(100);
});

test("another plan's amount holds at once, what is burnt stays burnt, and back again there is no second grant", async () => {
  await using site = await UsageSite.open(
    plans(
      "{ amount: 100, per: day }",
      "  pro: { quotas: { calls: { limit: 0, per: day, exceed: credits } }, credits: { amount: 500, per: day } }\n",
    ),
  );
  const account = await site.account();
  await balance(site, account);
  await use(site, 40);
  const change = async (plan: string | null) => {
    await site.services.accounts.change(account.id, { plan });
    return balance(site, account);
  };
  expect(await change("pro")).toBe(460);
  expect(await change("none")).toBe(0);
  expect(await change("free")).toBe(60);
  expect(await change("gone from the file")).toBe(60);
  expect((await granted(site, account)).filter(([, amount]) => amount !== 0)).toEqual([["plan", 100, 0, 1]]);
});

test("windows of another kind take the place of the old ones; nothing goes over between them", async () => {
  await using site = await UsageSite.open(
    plans(
      "{ amount: 100, per: day, rollover: { max: 150 } }",
      "  monthly: { credits: { amount: 900, per: month, rollover: { max: 900 } } }\n",
    ),
  );
  const account = await site.account();
  await balance(site, account);
  await site.services.accounts.change(account.id, { plan: "monthly" });
  expect(await balance(site, account)).toBe(900);
  vi.setSystemTime(Date.UTC(2026, 11, 1, 0, 0, 1));
  await site.foundation.planCredits.tick();
  expect(await balance(site, account)).toBe(1_800);
  await site.services.accounts.change(account.id, { plan: "free" });
  expect(await balance(site, account)).toBe(1_000);
});

test("a plan without credits in between ends what could go over", async () => {
  await using site = await UsageSite.open(ROLLING);
  const account = await site.account();
  await balance(site, account);
  await site.services.accounts.change(account.id, { plan: "none" });
  await site.services.grants.usable(account.id);
  vi.setSystemTime(AT_MS + 10 * DAY_MS);
  await site.services.accounts.change(account.id, { plan: "free" });
  expect(await balance(site, account)).toBe(100);
});

test("a file with another amount holds for all accounts seen, at the next tick", async () => {
  await using site = await UsageSite.open(DAILY);
  const account = await site.account();
  await balance(site, account);
  site.announced.length = 0;
  await site.reload(plans("{ amount: 7, per: day }"));
  await site.foundation.planCredits.tick();
  expect([await balance(site, account), site.announced]).toEqual([7, [account.id]]);
  await site.reload(plans(""));
  await site.foundation.planCredits.tick();
  expect(await balance(site, account)).toBe(0);
  await site.reload(DAILY);
  await site.foundation.planCredits.tick();
  expect(await balance(site, account)).toBe(100);
});

test("what an operator voided of a plan's grants stays void", async () => {
  await using site = await UsageSite.open(DAILY);
  const account = await site.account();
  await balance(site, account);
  const [grant] = await site.services.grants.list(account.id, 1, null);
  await site.services.grants.void(grant?.row.id ?? "");
  await site.restart();
  expect(await balance(site, account)).toBe(0);
  expect(await granted(site, account)).toHaveLength(1);
});

test("billing periods are the account's own", async () => {
  await using site = await UsageSite.open(plans("{ amount: 100, per: billing-period }"));
  const account = await site.account();
  await site.services.accounts.change(account.id, { anchorMs: Date.UTC(2026, 0, 31) });
  await balance(site, account);
  const rows = await site.db
    .selectFrom("credit_grants")
    .select(["start_ms", "expires_ms"])
    .where("amount", ">", 0)
    .execute();
  expect(rows).toEqual([{ start_ms: Date.UTC(2026, 9, 31), expires_ms: Date.UTC(2026, 10, 30) }]);
});
