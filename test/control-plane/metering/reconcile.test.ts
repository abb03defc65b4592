/** `reconcile` says nothing of a sound store, and finds every difference that is planted: in each table, in the journal, in the live counters. */
import { rmSync, truncateSync } from "node:fs";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { UsageParts } from "#control-plane/metering/account-usage.ts";
import { reconcile, type Reconciliation } from "#control-plane/metering/reconcile.ts";
import { windowAt } from "#core/windows.ts";
import { counterName, grantCounterName } from "#shared/counter-shapes.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import { createInFlight, InFlight } from "#shared/in-flight-table.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import { added, AT_MS, charge, charges, JournalSite, newCounters } from "./journal-site.ts";

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;
const SETTINGS = settingsOf(`version: 1
upstreams: { app: { targets: [http://127.0.0.1:9000] } }
routes: [{ name: all, upstream: app, match: { path: "/**" } }]
meters: { calls: {}, storage: { aggregate: last, from: "response.header:x" } }
plans: { free: { default: true, quotas: { calls: [{ limit: 10, per: day }, { limit: 5, per: month, by: key }] } } }
metering: { keepJournal: 1h }
`);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

interface Place extends UsageParts {
  readonly site: JournalSite;
  readonly counters: CounterTable;
  readonly inFlight: SharedArrayBuffer;
}

/** 20 calls and a storage of 7, of which 4 calls were reported; credits burnt; counters seeded and in use. */
async function open(site: JournalSite): Promise<Place> {
  const account = { id: "acct_1", external_id: null, name: "A", state: "active", plan: null, created_at: 0 } as const;
  const grant = {
    id: "grant_1",
    account: "acct_1",
    amount: 100,
    priority: 1,
    start_ms: 0,
    expires_ms: null,
    created_ms: AT_MS,
  };
  await site.db.insertInto("accounts").values(account).execute();
  await site.db
    .insertInto("credit_grants")
    .values({ ...grant, source: "admin", note: null })
    .execute();
  site.write("old-2-000001.journal", [
    ...charges(15, { account: "acct_1", burns: [{ grant: "grant_1", credits: 2 }] }),
    charge({ account: "acct_1", key: "", user: "u", atMs: AT_MS + MINUTE_MS }),
    charge({ account: "acct_1", units: [{ meter: "storage", op: "set", units: 7 }] }),
  ]);
  const counters = newCounters();
  const ledger = site.ledger({ settings: SETTINGS, counters });
  await ledger.fold();
  await ledger.seeder.ensure("acct_1");
  await report(site, ledger, 4);
  const inFlight = createInFlight(1);
  return { site, db: site.db, ledger, counters, inFlight, journalDir: site.dir, creditsLeft: async () => 0 };
}

async function report(site: JournalSite, ledger: UsageParts["ledger"], units: number): Promise<void> {
  const usage = {
    account: "acct_1",
    key: "",
    user: "",
    route: "",
    status: 0,
    meter: "calls",
    op: "add",
    units,
  } as const;
  const one = charge({ ...usage, epoch: 0, first: false, units: added({ calls: units }) });
  const changes = await site.db.transaction().execute(async (trx) => {
    const times = { at_ms: AT_MS, event_ms: AT_MS, received_ms: AT_MS, value: units };
    const names = { scope: "", source: "s", id: `e${units}`, corrects: null, reason: null, digest: "" };
    await trx
      .insertInto("usage_events")
      .values({ ...usage, ...times, ...names, requests: 0, burns: "[]" })
      .execute();
    return ledger.book(trx, [one]);
  });
  ledger.tell(changes);
}

function callsToday({ counters, ledger }: Place): CounterKey {
  const shape = ledger.counting.shapesOf("calls").find(({ by }) => by === "account");
  if (shape === undefined) throw new Error("No shape of calls");
  const window = windowAt(shape.window, AT_MS, 0);
  return counters.key(counterName("acct_1", shape.key, "", window), window);
}

function kinds({ differences }: Reconciliation): readonly string[] {
  return [...new Set(differences.map(({ kind }) => kind))].toSorted();
}

test("a sound store has no difference, and the answer says what was compared", async () => {
  await using site = await JournalSite.open();
  const found = await reconcile(await open(site));
  expect(found.differences).toEqual([]);
  expect(found).toMatchObject({
    journal: { segments: 1, records: 17, reported: 1, minuteRows: 4, grants: 1 },
    windows: { accounts: 1, gauges: 2, windows: 3 },
    live: { accounts: 1, credits: 1, moving: 0 },
    differenceCount: 0,
  });
  expect(found.live?.counters).toBeGreaterThanOrEqual(3);
});

const PLANTED: readonly (readonly [what: string, statement: string, kinds: readonly string[]])[] = [
  ["units of a minute", "UPDATE usage SET units = units + 1 WHERE user = 'u'", ["usage", "window"]],
  ["requests of a minute", "UPDATE usage SET requests = 1 WHERE key = 'k' AND op = 'add'", ["requests"]],
  ["a minute that is gone", "DELETE FROM usage WHERE user = 'u'", ["usage", "window"]],
  [
    "a minute nobody was charged for",
    `INSERT INTO usage VALUES ('acct_1', 'calls', ${AT_MS}, 'r', '', '', 200, 'add', 3, 3, 0)`,
    ["usage", "window"],
  ],
  ["a minute counted as another status", "UPDATE usage SET status = 404 WHERE user = 'u'", ["usage"]],
  ["the sum of a day", "UPDATE usage_windows SET used = used - 1 WHERE shape LIKE '%|day|%'", ["counter", "window"]],
  ["the sum of a key", "UPDATE usage_windows SET used = 0 WHERE holder = 'key:k'", ["window"]],
  ["a gauge", "UPDATE gauges SET value = 8 WHERE holder = ''", ["gauge"]],
  ["a gauge that is gone", "DELETE FROM gauges WHERE holder = 'key:k'", ["gauge"]],
  ["a gauge's value in its minute", "UPDATE usage SET units = 8 WHERE op = 'set'", ["gauge", "usage", "window"]],
  ["credits burnt", "UPDATE credit_grants SET used = used - 2", ["credits", "grant"]],
  ["an event that was not booked", "UPDATE usage_events SET units = 5", ["usage"]],
  ["an event that is gone", "DELETE FROM usage_events", ["usage"]],
];

test.each(PLANTED)("found: %s", async (_what, statement, expected) => {
  await using site = await JournalSite.open();
  const place = await open(site);
  await sql.raw(statement).execute(site.db);
  const found = await reconcile(place);
  expect(kinds(found)).toEqual(expected);
  expect(found.differenceCount).toBe(found.differences.length);
});

test("found: a sum that is gone although its window began after sums were kept", async () => {
  await using site = await JournalSite.open();
  const place = await open(site);
  vi.setSystemTime(AT_MS + 24 * HOUR_MS);
  site.write("old-3-000001.journal", [charge({ account: "acct_1", atMs: Date.now() })]);
  await place.ledger.fold();
  expect(await reconcile({ ...place, inFlight: null })).toMatchObject({ differences: [], live: null });
  await sql`DELETE FROM usage_windows WHERE start_ms > ${AT_MS}`.execute(site.db);
  expect((await reconcile({ ...place, inFlight: null })).differences).toMatchObject([
    { kind: "window", expected: 1, found: null },
  ]);
});

test("found: a journal segment that lost its end, and one that is gone", async () => {
  await using site = await JournalSite.open();
  const place = await open(site);
  truncateSync(site.path("old-2-000001.journal"), 200);
  expect(kinds(await reconcile(place))).toEqual(["grant", "requests", "segment", "usage"]);
  rmSync(site.path("old-2-000001.journal"));
  expect((await reconcile(place)).differences).toContainEqual(
    expect.objectContaining({ kind: "segment", where: { file: "old-2-000001.journal" }, found: null }),
  );
});

test("found: a live counter that is too low, and one of credits that is too high", async () => {
  await using site = await JournalSite.open();
  const place = await open(site);
  place.counters.giveBack(callsToday(place), 1);
  const window = { kind: "lifetime", startMs: 0, endMs: 8.64e15 } as const;
  place.counters.add(place.counters.key(grantCounterName("grant_1"), window), 3);
  const found = await reconcile(place);
  expect(found.differences).toMatchObject([
    { kind: "counter", where: { account: "acct_1", holder: "" }, expected: 20, found: 19 },
    { kind: "credits", where: { grant: "grant_1" }, expected: 30, found: 33 },
  ]);
});

test("what requests and reservations under way hold is no difference, and what nobody holds is one", async () => {
  await using site = await JournalSite.open();
  const place = await open(site);
  const counter = callsToday(place);
  place.counters.add(counter, 6);
  const inFlight = new InFlight(place.inFlight, 0);
  const slot = inFlight.add(counter.entry, 6);
  expect((await reconcile(place)).differences).toEqual([]);
  inFlight.clear([slot]);
  expect((await reconcile(place)).differences).toMatchObject([{ kind: "counter", expected: 20, found: 26 }]);
  const row = {
    account: "acct_1",
    key: "",
    user: "",
    route: "",
    meter: "calls",
    op: "add",
    units: 6,
    at_ms: AT_MS,
  } as const;
  const ends = { created_ms: AT_MS, expires_ms: AT_MS + HOUR_MS, confirmed_units: null, settled_ms: null };
  await site.db
    .insertInto("usage_reservations")
    .values({ ...row, ...ends, id: "rsv_1", state: "open" })
    .execute();
  expect((await reconcile(place)).differences).toEqual([]);
});

test("only minutes are compared of which all journal is kept: the answer says from when on", async () => {
  await using site = await JournalSite.open();
  const place = await open(site);
  vi.setSystemTime(AT_MS + 2 * HOUR_MS);
  site.write("old-3-000001.journal", [charge({ account: "acct_1", atMs: Date.now() })]);
  await place.ledger.fold();
  await sql`UPDATE usage SET requests = 99 WHERE minute <= ${AT_MS + MINUTE_MS}`.execute(site.db);
  const found = await reconcile(place);
  expect(found.differences).toEqual([]);
  expect(found.journal).toMatchObject({
    from: new Date(AT_MS + 2 * MINUTE_MS).toISOString(),
    segments: 1,
    minuteRows: 1,
    grants: 0,
  });
  await sql`UPDATE usage SET requests = 99`.execute(site.db);
  expect((await reconcile(place)).differences).toMatchObject([{ kind: "requests", expected: 1, found: 99 }]);
});
