/** Reading the ledger: counters are seeded with exactly what it holds, answers say what is left, lines are grouped and in order. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PlanSettings, Settings } from "#config/settings.ts";
import { accountUsage, type UsageParts } from "#control-plane/metering/account-usage.ts";
import { type UsageFilter, usageRows } from "#control-plane/metering/usage.ts";
import { type WindowSpec, windowAt } from "#core/windows.ts";
import { counterName, shapeKey } from "#shared/counter-shapes.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import { added, AT_MS, charge, JournalSite, newCounters } from "./journal-site.ts";

const HOUR_MS = 3_600_000;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

const SETTINGS: Settings = settingsOf(`version: 1
upstreams: { app: { targets: [http://127.0.0.1:9000] } }
routes: [{ name: all, upstream: app, match: { path: "/**" } }]
meters: { calls: {}, tokens: {}, seats: { aggregate: last } }
plans:
  free:
    default: true
    quotas:
      calls: [{ limit: 10, per: hour, grace: 2 }, { limit: 5, per: day, by: key }]
      seats: { limit: null, per: lifetime }
  pro:
    quotas:
      calls: { limit: 6, per: month, exceed: overage, overage: { price: 3 } }
      tokens: { limit: 50, per: day, exceed: credits, credits: 2 }
`);

function plan(id: string): PlanSettings {
  const found = SETTINGS.plans[id];
  if (found === undefined) throw new Error(`No plan ${id}`);
  return found;
}

/** Calls of this hour 3, of the hour before 4, of the last hour of October 5, and of another account 100. */
async function filled(counters = newCounters()): Promise<{ readonly site: JournalSite; readonly parts: UsageParts }> {
  const site = await JournalSite.open();
  const calls = (units: number) => ({ units: added({ calls: units }) });
  site.write("old-2-000001.journal", [
    charge(calls(3)),
    charge({ ...calls(4), atMs: AT_MS - HOUR_MS }),
    charge({ ...calls(5), atMs: Date.UTC(2026, 10, 1) - 1 }),
    charge({ ...calls(100), account: "b" }),
    charge({ units: added({ tokens: 70 }) }),
  ]);
  const ledger = site.ledger({ settings: SETTINGS, counters });
  await ledger.fold();
  const creditsLeft = async () => 25;
  return { site, parts: { db: site.db, counters, ledger, inFlight: null, journalDir: site.dir, creditsLeft } };
}

function used(counters: CounterTable, account: string, meter: string, kind: WindowSpec["kind"], holder = ""): number {
  const spec = { kind, timeZone: "UTC", day: 1 };
  const window = windowAt(spec, AT_MS, 0);
  const shape = shapeKey(meter, holder === "" ? "account" : "key", spec);
  return counters.used(counters.key(counterName(account, shape, holder, window), window));
}

test("at first sight an account's counters get what the ledger has for the windows of now, once, and nobody else's do", async () => {
  const counters = newCounters();
  const { site, parts } = await filled(counters);
  await using _site = site;
  const { seeder } = parts.ledger;
  await Promise.all([seeder.ensure("a"), seeder.ensure("a")]);
  await seeder.ensure("a");
  expect([used(counters, "a", "calls", "hour"), used(counters, "a", "calls", "month")]).toEqual([3, 7]);
  expect([used(counters, "a", "calls", "day", "key:k"), used(counters, "a", "tokens", "day")]).toEqual([7, 70]);
  expect(used(counters, "b", "calls", "hour")).toBe(0);
  await seeder.ensure("b");
  expect(used(counters, "b", "calls", "hour")).toBe(100);
});

test("without a place for each of its counters an account is not seeded; when there are enough it is, with all it used", async () => {
  const counters = new CounterTable(createTable(32, 2), 1);
  const over = { kind: "hour", startMs: 0, endMs: HOUR_MS } as const;
  for (let other = 0; other < 500; other++) counters.add(counters.key(`other-${other}`, over), 1);
  const { site, parts } = await filled(counters);
  await using _site = site;
  const { seeder, counting } = parts.ledger;
  let failures = 0;
  while (!counting.isSeen("a")) {
    const isSeeded = await seeder.ensure("a").then(() => true).catch(() => false); // biome-ignore format: one step
    if (isSeeded) break;
    failures++;
    expect([counting.isSeen("a"), used(counters, "a", "calls", "hour"), used(counters, "a", "tokens", "day")]).toEqual([
      false,
      0,
      0,
    ]);
    // One place more.
    let freed = 0;
    counters.sweep(AT_MS, { has: () => freed++ > 0 });
    if (freed === 0) throw new Error("All places are free");
  }
  expect(failures).toBeGreaterThan(1);
  expect([used(counters, "a", "calls", "hour"), used(counters, "a", "calls", "month")]).toEqual([3, 7]);
  expect([used(counters, "a", "calls", "day", "key:k"), used(counters, "a", "tokens", "day")]).toEqual([7, 70]);
});

test("open reservations and credits burnt are in the seeded counters", async () => {
  const counters = newCounters();
  const { site, parts } = await filled(counters);
  await using _site = site;
  const grant = {
    id: "grant_1",
    account: "acct_1",
    amount: 100,
    priority: 1,
    start_ms: 0,
    expires_ms: null,
    created_ms: 0,
  };
  const account = { id: "acct_1", external_id: null, name: "A", state: "active", plan: null, created_at: 0 } as const;
  await site.db.insertInto("accounts").values(account).execute();
  await site.db
    .insertInto("credit_grants")
    .values({ ...grant, used: 30, source: "admin", note: null })
    .execute();
  const row = {
    account: "acct_1",
    key: "k",
    user: "",
    route: "",
    meter: "calls",
    op: "add",
    units: 4,
    at_ms: AT_MS,
  } as const;
  const ends = { created_ms: AT_MS, expires_ms: AT_MS + HOUR_MS, confirmed_units: null, settled_ms: null };
  const burns = JSON.stringify([{ grant: "grant_1", credits: 5 }]);
  await site.db
    .insertInto("usage_reservations")
    .values({ ...row, ...ends, id: "rsv_1", state: "open", burns })
    .execute();
  await site.db
    .insertInto("usage_reservations")
    .values({ ...row, ...ends, id: "rsv_2", state: "released", burns })
    .execute();
  await parts.ledger.seeder.ensure("acct_1");
  expect([used(counters, "acct_1", "calls", "hour"), used(counters, "acct_1", "calls", "day", "key:k")]).toEqual([
    4, 4,
  ]);
  const window = { kind: "lifetime", startMs: 0, endMs: 8.64e15 } as const;
  expect(counters.used(counters.key("grant|grant_1", window))).toBe(35);
});

test("an account sees each meter of the file: the windows of its plan's quotas, or one where it has none, and its own sub-quotas", async () => {
  const { site, parts } = await filled();
  await using _site = site;
  const asker = { account: { id: "a", anchorMs: 0 }, plan: plan("free"), keyId: "k", user: null, own: [] };
  const meters = ["calls", "tokens", "seats"];
  const hour = { kind: "hour", start: "2026-11-24T09:00:00.000Z", end: "2026-11-24T10:00:00.000Z" };
  const day = { kind: "day", start: "2026-11-24T00:00:00.000Z", end: "2026-11-25T00:00:00.000Z" };
  const none = { limit: null, remaining: null };
  expect(await accountUsage(parts, meters, asker)).toEqual([
    { meter: "calls", by: "account", used: 3, limit: 10, remaining: 7, exceed: "block", window: hour, grace: 2 },
    { meter: "calls", by: "key", used: 7, limit: 5, remaining: 0, exceed: "block", window: day },
    { meter: "tokens", by: "account", used: 70, ...none, exceed: null, window: day },
    {
      meter: "seats",
      by: "account",
      used: 0,
      ...none,
      exceed: "block",
      window: { kind: "lifetime", start: "1970-01-01T00:00:00.000Z", end: null },
    },
  ]);
  expect(await accountUsage(parts, ["calls"], { ...asker, keyId: null })).toHaveLength(1);
  expect(await accountUsage(parts, ["calls"], { ...asker, keyId: "other" })).toMatchObject([
    {},
    { by: "key", used: 0 },
  ]);
});

test("what is beyond a limit is shown with what it costs, in money or credits", async () => {
  const { site, parts } = await filled();
  await using _site = site;
  const asker = { account: { id: "a", anchorMs: 0 }, plan: plan("pro"), keyId: null, user: null, own: [] };
  expect(await accountUsage(parts, ["calls", "tokens"], asker)).toMatchObject([
    { used: 7, limit: 6, remaining: 0, exceed: "overage", overage: { units: 1, cost: 3 } },
    { used: 70, limit: 50, remaining: 0, exceed: "credits", credits: { perUnit: 2, remaining: 25 } },
  ]);
});

test("lines come in a stable order, filtered by account and time, a token's without a key", async () => {
  const { site, parts } = await filled();
  await using _site = site;
  site.write("old-3-000001.journal", [charge({ key: "", route: "agents" })]);
  await parts.ledger.fold();
  const all: UsageFilter = { account: null, fromMs: 0, toMs: AT_MS + HOUR_MS, by: "hour", limit: 100 };
  const lines = async (filter: Partial<UsageFilter>) =>
    (await usageRows(site.db, { ...all, ...filter })).map((row) => [
      row.account,
      row.key,
      row.route,
      row.meter,
      row.units,
    ]);
  expect(await lines({})).toEqual([
    ["a", "k", "models", "calls", 5],
    ["a", "k", "models", "calls", 4],
    ["a", null, "agents", "calls", 1],
    ["a", "k", "models", "calls", 3],
    ["a", "k", "models", "tokens", 70],
    ["b", "k", "models", "calls", 100],
  ]);
  expect(await lines({ account: "b" })).toHaveLength(1);
  expect(await lines({ fromMs: AT_MS - 20 * 60_000 })).toHaveLength(4);
  expect(await lines({ toMs: AT_MS - 20 * 60_000 })).toHaveLength(2);
  expect(await lines({ limit: 2 })).toHaveLength(2);
});

test("lines add up by minute, hour or day: sums, the largest value, the last value", async () => {
  await using site = await JournalSite.open();
  const line = (op: "add" | "max" | "set", units: number) => [{ meter: op, op, units }];
  const at = (minutes: number, units: number) =>
    (["add", "max", "set"] as const).map((op) =>
      charge({ atMs: AT_MS + minutes * 60_000, user: `u${minutes}`, units: line(op, units) }),
    );
  site.write("old-2-000001.journal", [...at(3, 5), ...at(0, 9), ...at(50, 7), ...at(1, 2)]);
  await site.ledger().fold();
  const lines = async (by: UsageFilter["by"]) =>
    (await usageRows(site.db, { account: null, fromMs: 0, toMs: AT_MS + 2 * HOUR_MS, by, limit: 100 })).map(
      ({ atMs, meter, units, requests }) =>
        `${new Date(atMs).toISOString().slice(11, 16)} ${meter} ${units} ${requests}`,
    );
  expect(await lines("day")).toEqual(["00:00 add 23 4", "00:00 max 9 4", "00:00 set 7 4"]);
  expect(await lines("hour")).toEqual([
    "09:00 add 16 3",
    "09:00 max 9 3",
    "09:00 set 5 3",
    "10:00 add 7 1",
    "10:00 max 7 1",
    "10:00 set 7 1",
  ]);
  expect(await lines("minute")).toHaveLength(12);
});
