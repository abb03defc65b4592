/** Reading the ledger: windows end where they end, counters are seeded with exactly what it holds, answers say what is left. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PlanSettings, QuotaSettings, Settings } from "#config/settings.ts";
import { accountUsage } from "#control-plane/metering/account-usage.ts";
import { seedCounters, type UsageFilter, usageRows } from "#control-plane/metering/usage.ts";
import { windowAt } from "#core/windows.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import { AT_MS, charge, JournalSite } from "./journal-site.ts";

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
meters: { calls: {}, tokens: {} }
plans:
  free: { default: true, quotas: { calls: { limit: 10, per: hour } } }
  pro: { quotas: { calls: { limit: 100, per: month }, tokens: { limit: null, per: day } } }
`);

function plan(id: string): PlanSettings {
  const found = SETTINGS.plans[id];
  if (found === undefined) throw new Error(`No plan ${id}`);
  return found;
}

function counters(): CounterTable {
  return new CounterTable(createTable(1024, 2), 1);
}

/** Calls of this hour 3, of the hour before 4, of the last hour of October 5, and of another account 100. */
async function filled(): Promise<JournalSite> {
  const site = await JournalSite.open();
  const calls = (units: number) => ({ units: [{ meter: "calls", units }] });
  site.write("old-2-000001.journal", [
    charge(calls(3)),
    charge({ ...calls(4), atMs: AT_MS - HOUR_MS }),
    charge({ ...calls(5), atMs: Date.UTC(2026, 10, 1) - 1 }),
    charge({ ...calls(100), account: "b" }),
    charge({ units: [{ meter: "tokens", units: 70 }] }),
  ]);
  await site.ledger().fold();
  return site;
}

test("seeded counters hold what the ledger has for the windows of now, by account", async () => {
  await using site = await filled();
  const table = counters();
  await seedCounters(site.db, table, Object.keys(SETTINGS.meters));
  const used = (account: string, meter: string, kind: QuotaSettings["per"]) =>
    table.used(table.key(account, meter, windowAt(kind, AT_MS)));
  expect([used("a", "calls", "hour"), used("a", "calls", "month"), used("a", "tokens", "day")]).toEqual([3, 7, 70]);
  expect([used("b", "calls", "hour"), used("a", "calls", "day"), used("a", "tokens", "month")]).toEqual([100, 7, 70]);
});

test("an account sees each meter of the file: counters where its plan has a quota, the month where it has none", async () => {
  await using site = await filled();
  const table = counters();
  await seedCounters(site.db, table, Object.keys(SETTINGS.meters));
  const month = { kind: "month", start: "2026-11-01T00:00:00.000Z", end: "2026-12-01T00:00:00.000Z" };
  const hour = { kind: "hour", start: "2026-11-24T09:00:00.000Z", end: "2026-11-24T10:00:00.000Z" };
  expect(accountUsage(table, SETTINGS, "a", plan("free"))).toEqual([
    { meter: "calls", used: 3, limit: 10, remaining: 7, exceed: "block", window: hour },
    { meter: "tokens", used: 70, limit: null, remaining: null, exceed: null, window: month },
  ]);
  expect(accountUsage(table, SETTINGS, "a", plan("pro"))).toMatchObject([
    { meter: "calls", used: 7, limit: 100, remaining: 93, exceed: "block", window: month },
    { meter: "tokens", used: 70, limit: null, remaining: null, exceed: "block", window: { kind: "day" } },
  ]);
  expect(accountUsage(table, SETTINGS, "b", plan("free"))).toMatchObject([{ used: 100, remaining: 0 }, { used: 0 }]);
});

test("lines come in a stable order, filtered by account and time, a token's without a key", async () => {
  await using site = await filled();
  site.write("old-3-000001.journal", [charge({ key: "", route: "agents" })]);
  await site.ledger().fold();
  const all: UsageFilter = { account: null, fromMs: 0, toMs: AT_MS + HOUR_MS, limit: 100 };
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
