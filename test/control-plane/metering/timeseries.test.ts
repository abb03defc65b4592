/** Usage over time from real minute rows: intervals tile the time asked for, points equal a plain sum, gauges stand where they were left. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import {
  INTERVALS,
  intervalsOf,
  POINTS_MAX,
  type SeriesAsk,
  type SeriesGroup,
  type SeriesPoint,
  timeseries,
} from "#control-plane/metering/timeseries.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import type { UsageTable } from "#control-plane/store/tables.ts";
import { type Window, windowAt } from "#core/windows.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A Sunday. */
const AT_MS = Date.UTC(2026, 10, 22);

const dir = mkdtempSync(join(tmpdir(), "tollgate-series-"));
let db: Database;
beforeAll(async () => {
  db = await openDatabase(join(dir, "tollgate.db"));
});
afterEach(() => db.deleteFrom("usage").execute());
afterAll(async () => {
  await db.destroy();
  rmSync(dir, { recursive: true });
});

type Row = Omit<UsageTable, "at_ms"> & { at_ms: number };

function row(part: Partial<Row> = {}): Row {
  const base = { account: "a", meter: "calls", minute: AT_MS, route: "r", key: "k", user: "", status: 200 } as const;
  return { ...base, op: "add", units: 1, requests: 1, at_ms: 0, ...part };
}

async function put(...rows: readonly Row[]): Promise<void> {
  await db.insertInto("usage").values(rows).execute();
}

function ask(windows: readonly Window[], part: Partial<SeriesAsk> = {}): SeriesAsk {
  return { account: "a", meters: [{ name: "calls", isGauge: false }], intervals: windows, groupBy: [], ...part };
}

function intervals(
  kind: (typeof INTERVALS)[number],
  fromMs: number,
  toMs: number,
  timeZone = "UTC",
): readonly Window[] {
  const found = intervalsOf(kind, timeZone, fromMs, toMs);
  if (found === null) throw new Error("Too many intervals");
  return found;
}

async function units(wanted: SeriesAsk): Promise<readonly number[]> {
  return ((await timeseries(db, wanted)) ?? []).map((point) => point.units);
}

test("intervals are whole, adjoin, and hold the time asked for; a day of 23 hours is one", () => {
  const day = intervals("day", Date.UTC(2026, 2, 28, 12), Date.UTC(2026, 2, 30, 12), "Europe/Berlin");
  expect(day.map(({ startMs, endMs }) => (endMs - startMs) / HOUR_MS)).toEqual([24, 23, 24]);
  expect(intervals("hour", AT_MS, AT_MS + 1)).toHaveLength(1);
  expect(intervals("hour", AT_MS, AT_MS + HOUR_MS)).toHaveLength(1);
  expect(intervals("hour", AT_MS - 1, AT_MS + HOUR_MS)).toHaveLength(2);
  expect(intervals("month", AT_MS, AT_MS + 31 * DAY_MS).map(({ startMs }) => new Date(startMs).getUTCMonth())).toEqual([
    10, 11,
  ]);
});

test("as many intervals as an answer may have points, and not one more", () => {
  expect(intervalsOf("minute", "UTC", AT_MS, AT_MS + POINTS_MAX * MINUTE_MS)).toHaveLength(POINTS_MAX);
  expect(intervalsOf("minute", "UTC", AT_MS, AT_MS + POINTS_MAX * MINUTE_MS + 1)).toBeNull();
});

test("without groups every interval has a point, those without usage too", async () => {
  await put(row({ units: 2 }), row({ minute: AT_MS + 2 * HOUR_MS, key: "other", units: 5, requests: 3 }));
  const points = await timeseries(db, ask(intervals("hour", AT_MS, AT_MS + 3 * HOUR_MS)));
  expect(points?.map((point) => [point.units, point.requests, point.group])).toEqual([
    [2, 1, {}],
    [0, 0, {}],
    [5, 3, {}],
  ]);
});

test("rows of the first minute count and those of the minute behind the end do not; others' rows and meters never", async () => {
  await put(
    row({ minute: AT_MS - MINUTE_MS, units: 1 }),
    row({ minute: AT_MS, units: 10 }),
    row({ minute: AT_MS + HOUR_MS - MINUTE_MS, units: 100 }),
    row({ minute: AT_MS + HOUR_MS, units: 1_000 }),
    row({ account: "b", units: 10_000 }),
    row({ meter: "tokens", units: 100_000 }),
  );
  expect(await units(ask(intervals("hour", AT_MS, AT_MS + HOUR_MS)))).toEqual([110]);
});

test("with groups only what was used has a point, in order of time and group", async () => {
  await put(
    row({ minute: AT_MS + HOUR_MS, route: "b", status: 200 }),
    row({ minute: AT_MS + HOUR_MS, route: "a", status: 404, key: "" }),
    row({ minute: AT_MS + HOUR_MS, route: "a", status: 200, units: 7 }),
    row({ minute: AT_MS, route: "c" }),
  );
  const wanted = ask(intervals("hour", AT_MS, AT_MS + 2 * HOUR_MS), { groupBy: ["route", "status"] });
  expect(
    (await timeseries(db, wanted))?.map((point) => [point.window.startMs - AT_MS, point.group, point.units]),
  ).toEqual([
    [0, { route: "c", status: 200 }, 1],
    [HOUR_MS, { route: "a", status: 200 }, 7],
    [HOUR_MS, { route: "a", status: 404 }, 1],
    [HOUR_MS, { route: "b", status: 200 }, 1],
  ]);
});

test("several meters are told apart, woven together by time", async () => {
  await put(row(), row({ minute: AT_MS + HOUR_MS }), row({ meter: "tokens", units: 9 }));
  const meters = ["calls", "tokens"].map((name) => ({ name, isGauge: false }));
  const points = await timeseries(
    db,
    ask(intervals("hour", AT_MS, AT_MS + 2 * HOUR_MS), { meters, groupBy: ["meter"] }),
  );
  expect(points?.map((point) => [point.window.startMs - AT_MS, point.group.meter, point.units])).toEqual([
    [0, "calls", 1],
    [0, "tokens", 9],
    [HOUR_MS, "calls", 1],
  ]);
});

test("sums end at the largest exact number instead of failing", async () => {
  const most = Number.MAX_SAFE_INTEGER;
  await put(...Array.from({ length: 1_100 }, (_, index) => row({ key: `k${index}`, units: most })));
  expect(await units(ask(intervals("hour", AT_MS, AT_MS + HOUR_MS)))).toEqual([most]);
});

test("a maximum shows the largest of an interval, not the sum", async () => {
  await put(
    row({ op: "max", units: 5 }),
    row({ op: "max", units: 9, minute: AT_MS + MINUTE_MS }),
    row({ op: "max", units: 7, key: "z" }),
  );
  expect(await units(ask(intervals("hour", AT_MS, AT_MS + 2 * HOUR_MS)))).toEqual([9, 0]);
});

test("a measured gauge shows the value seen last and keeps it where nothing was seen, from before the first interval on", async () => {
  const at = (hours: number) => AT_MS + hours * HOUR_MS;
  const seen = (hours: number, value: number, part: Partial<Row> = {}) =>
    row({ op: "set", minute: at(hours), at_ms: at(hours) + 1, units: value, ...part });
  await put(seen(-50, 40), seen(-49, 30), seen(1, 7), seen(1, 8, { key: "late", at_ms: at(1) + 2 }), seen(3, 2));
  const gauge = { meters: [{ name: "calls", isGauge: true }] };
  expect(await units(ask(intervals("hour", at(0), at(5)), gauge))).toEqual([30, 8, 8, 2, 2]);
});

test("a gauge of units that go up and down shows where it stands, not how it moved", async () => {
  await put(
    row({ minute: AT_MS - 5 * DAY_MS, units: 10 }),
    row({ minute: AT_MS - 4 * DAY_MS, units: -3, key: "z" }),
    row({ minute: AT_MS + HOUR_MS, units: 2 }),
    row({ minute: AT_MS + HOUR_MS + MINUTE_MS, units: -4 }),
  );
  const gauge = { meters: [{ name: "calls", isGauge: true }] };
  expect(await units(ask(intervals("hour", AT_MS, AT_MS + 3 * HOUR_MS), gauge))).toEqual([7, 5, 5]);
  const byKey = await timeseries(db, ask(intervals("day", AT_MS, AT_MS + DAY_MS), { ...gauge, groupBy: ["key"] }));
  expect(byKey?.map((point) => [point.group.key, point.units])).toEqual([["k", 8]]);
});

test("more groups than an answer may have points are said to be too many", async () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => row({ key: `k${index}` }));
  const wanted = ask(intervals("day", AT_MS, AT_MS + DAY_MS), { groupBy: ["key"] });
  for (let from = 0; from < POINTS_MAX; from += 2_000) await put(...many(from + 2_000).slice(from));
  expect(await timeseries(db, wanted)).toHaveLength(POINTS_MAX);
  await put(row({ key: "one more" }));
  expect(await timeseries(db, wanted)).toBeNull();
});

test("any rows, intervals, zones and groups: points equal what a plain walk over the rows finds", async () => {
  const anyRow = fc.record({
    minute: fc.integer({ min: -3_000, max: 3_000 }).map((minutes) => AT_MS + minutes * 7 * MINUTE_MS),
    route: fc.constantFrom("", "r1", "r2"),
    key: fc.constantFrom("", "k1"),
    user: fc.constantFrom("", "u"),
    status: fc.constantFrom(0, 200, 500),
    op: fc.constantFrom("add", "max"),
    units: fc.integer({ min: 0, max: 1_000 }),
    requests: fc.integer({ min: 0, max: 3 }),
    meter: fc.constantFrom("calls", "tokens"),
  });
  const span = fc.tuple(fc.integer({ min: -10_000, max: 10_000 }), fc.integer({ min: 1, max: 9_000 }));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(anyRow, {
        maxLength: 30,
        selector: ({ units: _units, requests: _requests, ...id }) => JSON.stringify(id),
      }),
      span,
      fc.constantFrom(...INTERVALS),
      fc.constantFrom("UTC", "Asia/Kolkata", "America/New_York"),
      fc.subarray<SeriesGroup>(["route", "key", "status"]),
      async (parts, [from, length], kind, zone, groupBy) => {
        await db.deleteFrom("usage").execute();
        // One op a meter: what happens to a meter that changed has tests of its own.
        const rows = parts.map((part) => row({ ...part, op: part.meter === "calls" ? "add" : "max" }));
        const unique = [
          ...new Map(rows.map((one) => [JSON.stringify({ ...one, units: 0, requests: 0 }), one])).values(),
        ];
        if (unique.length > 0) await put(...unique);
        const windows = intervals(kind, AT_MS + from * MINUTE_MS, AT_MS + (from + length) * MINUTE_MS, zone);
        for (const name of ["calls", "tokens"]) {
          const points = await timeseries(db, ask(windows, { meters: [{ name, isGauge: false }], groupBy }));
          const mine = unique.filter((one) => one.meter === name);
          expect(points?.map(flat)).toEqual(walked(mine, windows, groupBy, kind, zone, name === "calls"));
        }
      },
    ),
    { numRuns: process.env.TOLLGATE_LONG === "1" ? 2_000 : 40 },
  );
});

test("a meter that changed how it adds up shows what its latest op says", async () => {
  await put(row({ op: "add", units: 50 }), row({ op: "max", units: 3, minute: AT_MS + MINUTE_MS }));
  expect(await units(ask(intervals("hour", AT_MS, AT_MS + HOUR_MS)))).toEqual([3]);
});

function flat({ window, group, units: sum, requests }: SeriesPoint) {
  return [window.startMs, JSON.stringify(group), sum, requests];
}

/** The slow way: each row is asked which interval it is in. */
function walked(
  rows: readonly Row[],
  windows: readonly Window[],
  groupBy: readonly SeriesGroup[],
  kind: Window["kind"],
  timeZone: string,
  adds: boolean,
) {
  const found: [number, string, number, number][] = [];
  for (const { startMs } of windows) {
    const inside = rows.filter((one) => windowAt({ kind, timeZone, day: 1 }, one.minute, 0).startMs === startMs);
    const all = inside.map((one) => ({
      ...one,
      name: JSON.stringify([
        groupBy.includes("route") ? one.route : "",
        groupBy.includes("key") ? one.key : "",
        groupBy.includes("status") ? one.status : 0,
      ]),
    }));
    const names = groupBy.length === 0 ? ['["","",0]'] : [...new Set(all.map(({ name }) => name))].sort();
    for (const name of names) {
      const of = all.filter((one) => one.name === name);
      const amounts = of.map(({ units: amount }) => amount);
      const sample = of[0];
      const group = Object.fromEntries(groupBy.map((by) => [by, sample === undefined ? "" : sample[by]]));
      const sum = adds ? amounts.reduce((a, b) => a + b, 0) : Math.max(0, ...amounts);
      found.push([startMs, JSON.stringify(group), sum, of.reduce((a, one) => a + one.requests, 0)]);
    }
  }
  return found;
}
