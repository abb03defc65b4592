/** The ledger on real files and real SQLite: each record counts once, torn ends are cut and said, live segments stay open. */
import { existsSync, readdirSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { added, AT_MS, charge, charges, JournalSite, recordOf } from "./journal-site.ts";

const HOUR_MS = 3_600_000;

afterEach(() => {
  vi.useRealTimers();
});

test("folding twice, with another ledger and after a restart counts each record once", async () => {
  await using site = await JournalSite.open();
  site.write("old-2-000001.journal", charges(10));
  site.write("now-2-000001.journal", charges(5));
  const ledger = site.ledger({ live: [2] });
  await ledger.fold();
  await ledger.fold();
  await Promise.all([ledger.fold(), ledger.fold(), ledger.fold()]);
  await site.ledger({ live: [2] }).fold();
  await site.ledger({ run: "next" }).fold();
  await site.ledger({ run: "next" }).fold();
  expect(await site.sums()).toEqual({ "a calls": [15, 15] });
});

test("what a live writer appends between folds is counted once, each time", async () => {
  await using site = await JournalSite.open();
  const ledger = site.ledger({ live: [2] });
  site.write("now-2-000001.journal", []);
  for (let count = 1; count <= 5; count++) {
    for (const one of charges(count)) site.append("now-2-000001.journal", recordOf(one));
    await ledger.fold();
  }
  expect(await site.sums()).toEqual({ "a calls": [15, 15] });
  expect(await site.segments()).toEqual({
    "now-2-000001.journal": [statSync(site.path("now-2-000001.journal")).size, false],
  });
});

test("units are kept by account, minute, meter, route, key, user and status", async () => {
  await using site = await JournalSite.open();
  const units = added({ calls: 1, tokens: 500 });
  site.write("old-2-000001.journal", [
    charge({ units, atMs: AT_MS + 59_999 }),
    charge({ units }),
    charge({ units: [], account: "free" }),
    charge({ key: "", user: "u" }),
    charge({ status: 404, first: false }),
    charge({ route: "agents" }),
    charge({ atMs: AT_MS + HOUR_MS, account: "b" }),
  ]);
  await site.ledger().fold();
  const lines = site.db.selectFrom("usage").selectAll();
  const rows = await lines
    .orderBy("account")
    .orderBy("meter")
    .orderBy("route")
    .orderBy("key")
    .orderBy("status")
    .execute();
  const who = { account: "a", meter: "calls", route: "models", key: "k", user: "", status: 200 };
  const base = { ...who, minute: AT_MS, op: "add", units: 1, requests: 1, at_ms: 0 };
  expect(rows).toEqual([
    { ...base, route: "agents" },
    { ...base, key: "", user: "u" },
    { ...base, units: 2, requests: 2 },
    { ...base, status: 404, requests: 0 },
    { ...base, meter: "tokens", units: 1_000, requests: 2 },
    { ...base, account: "b", minute: AT_MS + HOUR_MS },
  ]);
});

test("a torn tail of a finished segment is cut off and said, at every length of the tail", async () => {
  await using site = await JournalSite.open();
  const whole = recordOf(charge());
  const names: string[] = [];
  for (let length = 1; length < whole.length; length++) {
    names.push(`old-${length}-000001.journal`);
    site.write(`old-${length}-000001.journal`, charges(2), whole.subarray(0, length));
  }
  await site.ledger().fold();
  const kept = 8 + 2 * recordOf(charges(1)[0] ?? charge()).length;
  expect(await site.sums()).toEqual({ "a calls": [2 * names.length, 2 * names.length] });
  expect(names.map((name) => statSync(site.path(name)).size)).toEqual(names.map(() => kept));
  expect(site.logs.filter((line) => line.event === "journal-tail-cut")).toHaveLength(names.length);
  expect(site.logs.find((line) => line.segment === "old-7-000001.journal")).toMatchObject({
    event: "journal-tail-cut",
    kept_bytes: kept,
    dropped_bytes: 7,
  });
  await site.ledger().fold();
  expect(site.logs).toHaveLength(names.length);
});

test("a torn tail of a live segment is left alone and counted when the rest of it is there", async () => {
  await using site = await JournalSite.open();
  const ledger = site.ledger({ live: [2] });
  const record = recordOf(charge());
  site.write("now-2-000001.journal", [charge()], record.subarray(0, 20));
  const { size } = statSync(site.path("now-2-000001.journal"));
  await ledger.fold();
  expect(await site.sums()).toEqual({ "a calls": [1, 1] });
  expect(statSync(site.path("now-2-000001.journal")).size).toBe(size);
  site.append("now-2-000001.journal", record.subarray(20));
  await ledger.fold();
  expect(await site.sums()).toEqual({ "a calls": [2, 2] });
  expect(site.logs).toEqual([]);
});

test("segments of dead writers, of other runs and before a writer's newest are finished; the newest of a live one is not", async () => {
  await using site = await JournalSite.open();
  const files = ["now-2-000001", "now-2-000002", "now-2-000010", "now-3-000001", "old-2-000001"];
  for (const file of files) site.write(`${file}.journal`, charges(1), Buffer.from([1]));
  await site.ledger({ live: [2] }).fold();
  const finished = Object.entries(await site.segments()).flatMap(([file, [, over]]) =>
    over ? [file.slice(0, 12)] : [],
  );
  expect(finished).toEqual(["now-2-000001", "now-2-000002", "now-3-000001", "old-2-000001"]);
  expect(site.logs.map((line) => line.event)).toEqual(finished.map(() => "journal-tail-cut"));
  expect(await site.sums()).toEqual({ "a calls": [5, 5] });
});

test("a writer that dies later has its segment finished by a later fold", async () => {
  await using site = await JournalSite.open();
  site.write("now-2-000001.journal", charges(3), Buffer.from([1, 2, 3]));
  await site.ledger({ live: [2] }).fold();
  expect(site.logs).toEqual([]);
  await site.ledger({ live: [] }).fold();
  expect(await site.sums()).toEqual({ "a calls": [3, 3] });
  expect(site.logs).toMatchObject([{ event: "journal-tail-cut", dropped_bytes: 3 }]);
});

test("damage in the middle ends the segment there: what stands before counts, what stands behind does not", async () => {
  await using site = await JournalSite.open();
  const bad = recordOf(charge());
  bad.writeUInt8(bad.readUInt8(bad.length - 1) ^ 1, bad.length - 1);
  site.write("old-2-000001.journal", charges(4), Buffer.concat([bad, recordOf(charge()), recordOf(charge())]));
  await site.ledger().fold();
  expect(await site.sums()).toEqual({ "a calls": [4, 4] });
  expect(site.logs).toMatchObject([{ event: "journal-tail-cut", dropped_bytes: 3 * bad.length }]);
});

test("empty files, half a head and foreign files hold nothing up", async () => {
  await using site = await JournalSite.open();
  writeFileSync(site.path("old-1-000001.journal"), "");
  writeFileSync(site.path("old-2-000001.journal"), "TGJ");
  writeFileSync(site.path("notes.txt"), "not a segment");
  writeFileSync(site.path("now-3-000001.journal"), "TGJ");
  site.write("old-4-000001.journal", charges(2));
  await site.ledger({ live: [3] }).fold();
  expect(await site.sums()).toEqual({ "a calls": [2, 2] });
  expect(readdirSync(site.dir)).toContain("notes.txt");
  expect(statSync(site.path("now-3-000001.journal")).size).toBe(3);
});

test("a segment of several megabytes is folded in steps that cut no record", async () => {
  await using site = await JournalSite.open();
  const block = Buffer.concat(charges(1_000).map(recordOf));
  site.write("old-2-000001.journal", [], Buffer.concat(Array.from({ length: 60 }, () => block)));
  expect(statSync(site.path("old-2-000001.journal")).size).toBeGreaterThan(3 * 1024 * 1024);
  await site.ledger().fold();
  expect(await site.sums()).toEqual({ "a calls": [60_000, 60_000] });
  expect(site.logs).toEqual([]);
});

test("a fold that fails changes nothing, and the next one does it all", async () => {
  await using site = await JournalSite.open();
  site.write("old-2-000001.journal", charges(5));
  const ledger = site.ledger();
  await site.db.schema.alterTable("usage").renameTo("away").execute();
  await expect(ledger.fold()).rejects.toThrow("usage");
  expect(await site.segments()).toEqual({});
  await site.db.schema.alterTable("away").renameTo("usage").execute();
  await ledger.fold();
  expect(await site.sums()).toEqual({ "a calls": [5, 5] });
});

test("a folded segment is removed when its time is over, and counts no second time when it comes back", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
  await using site = await JournalSite.open();
  site.write("old-2-000001.journal", charges(5));
  const ledger = site.ledger();
  await ledger.fold();
  vi.setSystemTime(AT_MS + HOUR_MS);
  await ledger.fold();
  expect(existsSync(site.path("old-2-000001.journal"))).toBe(true);
  vi.setSystemTime(AT_MS + HOUR_MS + 1);
  await ledger.fold();
  expect(existsSync(site.path("old-2-000001.journal"))).toBe(false);
  site.write("old-2-000001.journal", charges(5));
  utimesSync(site.path("old-2-000001.journal"), new Date(), new Date());
  await ledger.fold();
  expect(await site.sums()).toEqual({ "a calls": [5, 5] });
});

test("a segment that shrank below what was folded takes nothing back and holds nothing up", async () => {
  await using site = await JournalSite.open();
  site.write("now-2-000001.journal", charges(5));
  await site.ledger({ live: [2] }).fold();
  truncateSync(site.path("now-2-000001.journal"), 8);
  site.write("old-9-000001.journal", charges(1));
  await site.ledger({ live: [2] }).fold();
  await site.ledger({ live: [] }).fold();
  expect(await site.sums()).toEqual({ "a calls": [6, 6] });
});

test("any charges in any segments, folded at any points, sum to what was written", async () => {
  await using site = await JournalSite.open();
  const meter = fc.constantFrom("calls", "tokens");
  const one = fc.record({
    account: fc.constantFrom("a", "b", "ä"),
    key: fc.constantFrom("", "k1", "k2"),
    route: fc.constantFrom("r1", "r2"),
    atMs: fc.integer({ min: AT_MS - 3 * HOUR_MS, max: AT_MS }),
    units: fc.array(fc.record({ meter, op: fc.constant("add"), units: fc.integer({ min: 0, max: 1_000_000 }) }), {
      maxLength: 3,
    }),
  });
  const steps = fc.array(fc.record({ writer: fc.integer({ min: 1, max: 3 }), one, fold: fc.boolean() }), {
    maxLength: 12,
  });
  const expected: Record<string, [number, number]> = {};
  let run = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const name = `run${++run}`;
      const ledger = site.ledger({ run: name, live: [1, 2, 3] });
      for (const writer of [1, 2, 3]) site.write(`${name}-${writer}-000001.journal`, []);
      for (const { writer, one: part, fold } of list) {
        const written = charge(part);
        site.append(`${name}-${writer}-000001.journal`, recordOf(written));
        for (const { meter: of, units } of written.units) {
          const sum = (expected[`${written.account} ${of}`] ??= [0, 0]);
          sum[0] += units;
          sum[1] += 1;
        }
        if (fold) await ledger.fold();
      }
      await ledger.fold();
      expect(await site.sums()).toEqual(expected);
    }),
    { numRuns: 25 },
  );
});

test("charges with numbers that are none are said and left out, and hold nobody up", async () => {
  await using site = await JournalSite.open();
  const bad = (units: number) => [
    { meter: "calls", op: "add", units } as const,
    { meter: "tokens", op: "add", units: 5 } as const,
  ];
  site.write("old-2-000001.journal", [
    charge(),
    charge({ units: bad(1.5), requestId: "half" }),
    charge({ units: bad(Number.NaN), requestId: "nan" }),
    charge({ units: bad(2 ** 53), requestId: "huge" }),
    charge({ atMs: Number.NaN, requestId: "never" }),
    charge({ atMs: -1, requestId: "before" }),
    charge({ atMs: 1e300, requestId: "after" }),
    charge(),
  ]);
  await site.ledger().fold();
  expect(await site.sums()).toEqual({ "a calls": [2, 2], "a tokens": [15, 3] });
  const said = site.logs.filter(({ event }) => event === "charge-unusable").map((line) => line.request_id);
  expect(said).toEqual(["half", "nan", "huge", "never", "before", "after"]);
});

test("sums stop at the largest exact number instead of becoming wrong", async () => {
  await using site = await JournalSite.open();
  const most = { units: added({ calls: Number.MAX_SAFE_INTEGER }) };
  site.write("old-2-000001.journal", [charge(most), charge(most), charge({ ...most, key: "other" })]);
  const ledger = site.ledger();
  await ledger.fold();
  site.write("old-3-000001.journal", [charge(most)]);
  await ledger.fold();
  const { units } = await site.db.selectFrom("usage").select("units").where("key", "=", "k").executeTakeFirstOrThrow();
  const { used } = await site.db.selectFrom("usage_windows").select("used").executeTakeFirstOrThrow();
  expect([units, used]).toEqual([Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER]);
});

test("sums by window are kept for two weeks after its end, and computed from the minutes after that", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
  await using site = await JournalSite.open();
  const ledger = site.ledger();
  site.write("old-2-000001.journal", charges(5));
  await ledger.fold();
  const [shape] = ledger.counting.shapesOf("calls");
  if (shape === undefined) throw new Error("No shape of calls");
  const account = ledger.windows.account("a");
  const window = ledger.counting.windows.of(shape, AT_MS, account.anchorMs);
  const rows = async () => (await site.db.selectFrom("usage_windows").selectAll().execute()).length;
  vi.setSystemTime(window.endMs + 14 * 24 * HOUR_MS);
  await ledger.prune();
  expect(await rows()).toBe(1);
  vi.setSystemTime(window.endMs + 14 * 24 * HOUR_MS + 1);
  await ledger.prune();
  expect(await rows()).toBe(0);
  expect(ledger.windows.used(account, shape, "", window, Date.now()).units).toBe(5);
});
