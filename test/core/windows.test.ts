/**
 * Quota windows by example and by property: UTC against a calendar written by hand, what clocks do at midnight, month ends.
 * Clocks that jump are in windows-jumps.test.ts, the comparison with the oracle is windows-product.test.ts.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  hourOf,
  LIFETIME_END_MS,
  MINUTE_MS,
  minuteOf,
  UTC_MONTH,
  WINDOW_KINDS,
  windowAt,
  type WindowKind,
  type WindowSpec,
} from "#core/windows.ts";

const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function spec(kind: WindowKind, timeZone = "UTC", day = 1): WindowSpec {
  return { kind, timeZone, day };
}

function ms(iso: string): number {
  return Date.parse(iso);
}

/** Start and end of the window, as text. */
function span(of: WindowSpec, at: string, anchor = "1970-01-01T00:00Z"): readonly [string, string] {
  const { startMs, endMs } = windowAt(of, ms(at), ms(anchor));
  return [text(startMs), text(endMs)];
}

function text(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16)}Z`;
}

/** Starts of `count` windows that follow one another, the first holding `from`. */
function starts(of: WindowSpec, from: string, count: number, anchor: string): readonly string[] {
  const found: string[] = [];
  let atMs = ms(from);
  for (let index = 0; index < count; index++) {
    const window = windowAt(of, atMs, ms(anchor));
    found.push(text(window.startMs));
    atMs = window.endMs;
  }
  return found;
}

test("every month in UTC from 1970 to 2104 begins and ends where a count of days says", () => {
  let startMs = 0;
  for (let year = 1970; year < 2105; year++) {
    const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
    for (const [index, length] of MONTH_DAYS.entries()) {
      const endMs = startMs + (index === 1 && leap ? 29 : length) * DAY_MS;
      for (const atMs of [startMs, startMs + 15 * DAY_MS, endMs - 1]) {
        expect(windowAt(UTC_MONTH, atMs, 0)).toEqual({ kind: "month", startMs, endMs });
      }
      startMs = endMs;
    }
  }
});

test("minutes and hours are those of UTC, in zones that are not whole hours from it too", () => {
  for (const timeZone of ["UTC", "Asia/Kathmandu", "Australia/Lord_Howe"]) {
    expect(span(spec("minute", timeZone), "2026-03-01T10:59:59.999Z")).toEqual([
      "2026-03-01T10:59Z",
      "2026-03-01T11:00Z",
    ]);
    expect(span(spec("hour", timeZone), "2026-03-01T10:59:59.999Z")).toEqual([
      "2026-03-01T10:00Z",
      "2026-03-01T11:00Z",
    ]);
  }
  expect(minuteOf(ms("2026-03-01T10:59:59.999Z"))).toBe(ms("2026-03-01T10:59Z"));
  expect(hourOf(ms("2026-03-01T10:59:59.999Z"))).toBe(ms("2026-03-01T10:00Z"));
});

test("a week begins on Monday, in the zone", () => {
  expect(span(spec("week"), "2026-03-01T23:59Z")).toEqual(["2026-02-23T00:00Z", "2026-03-02T00:00Z"]);
  expect(span(spec("week", "Asia/Kolkata"), "2026-03-01T18:30Z")).toEqual(["2026-03-01T18:30Z", "2026-03-08T18:30Z"]);
  // ISO week 1 of 2026 begins in 2025.
  expect(span(spec("week"), "2026-01-01T12:00Z")).toEqual(["2025-12-29T00:00Z", "2026-01-05T00:00Z"]);
});

test("the lifetime window is one, and its end is a date", () => {
  const lifetime = { kind: "lifetime", startMs: 0, endMs: LIFETIME_END_MS };
  for (const atMs of [0, ms("2026-03-01T00:00Z"), LIFETIME_END_MS - 1])
    expect(windowAt(spec("lifetime"), atMs, 0)).toEqual(lifetime);
  expect(Number.isSafeInteger(LIFETIME_END_MS)).toBe(true);
  expect(new Date(LIFETIME_END_MS).getTime()).toBe(LIFETIME_END_MS);
});

test.each([
  ["America/Santiago", "midnight is skipped", "2014-09-07T12:00Z", "2014-09-07T04:00Z", "2014-09-08T03:00Z"],
  [
    "America/Santiago",
    "the hour before midnight comes twice",
    "2014-04-27T02:30Z",
    "2014-04-26T03:00Z",
    "2014-04-27T04:00Z",
  ],
  ["Africa/Cairo", "midnight is skipped", "2023-04-28T10:00Z", "2023-04-27T22:00Z", "2023-04-28T21:00Z"],
  ["Asia/Beirut", "midnight is skipped", "2024-03-31T10:00Z", "2024-03-30T22:00Z", "2024-03-31T21:00Z"],
  [
    "America/Havana",
    "midnight comes twice, the first counts",
    "2015-11-01T05:30Z",
    "2015-11-01T04:00Z",
    "2015-11-02T05:00Z",
  ],
  [
    "America/St_Johns",
    "a minute of the day, then the day before again",
    "2010-11-07T02:45Z",
    "2010-11-07T02:30Z",
    "2010-11-08T03:30Z",
  ],
  ["Australia/Lord_Howe", "half an hour is skipped", "2025-10-05T00:00Z", "2025-10-04T13:30Z", "2025-10-05T13:00Z"],
  ["America/New_York", "23 hours", "2026-03-08T12:00Z", "2026-03-08T05:00Z", "2026-03-09T04:00Z"],
  ["Europe/Berlin", "25 hours", "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"],
  ["Pacific/Apia", "the day before the one left out", "2011-12-30T09:59Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z"],
  ["Pacific/Apia", "the day after the one left out", "2011-12-30T10:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"],
])("a day in %s: %s", (timeZone, _, at, start, end) => {
  expect(span(spec("day", timeZone), at)).toEqual([start, end]);
});

test("where clocks were seconds off UTC, windows begin with the minute", () => {
  expect(span(spec("day", "Africa/Monrovia"), "1971-06-01T00:44:00Z")).toEqual([
    "1971-06-01T00:44Z",
    "1971-06-02T00:44Z",
  ]);
  expect(span(spec("day", "Africa/Monrovia"), "1971-06-01T00:43:59.999Z")[1]).toBe("1971-06-01T00:44Z");
});

test("a month that begins on a day left out begins with the next", () => {
  expect(span(spec("month", "Pacific/Apia", 30), "2011-12-30T09:59Z")).toEqual([
    "2011-11-30T10:00Z",
    "2011-12-30T10:00Z",
  ]);
  expect(span(spec("month", "Pacific/Apia", 30), "2011-12-30T10:00Z")).toEqual([
    "2011-12-30T10:00Z",
    "2012-01-29T10:00Z",
  ]);
});

test("a month begins on its day, or on the last of shorter months", () => {
  expect(span(spec("month", "UTC", 15), "2026-03-14T23:59Z")).toEqual(["2026-02-15T00:00Z", "2026-03-15T00:00Z"]);
  expect(span(spec("month", "UTC", 31), "2026-03-30T00:00Z")).toEqual(["2026-02-28T00:00Z", "2026-03-31T00:00Z"]);
  expect(span(spec("month", "UTC", 31), "2024-02-29T00:00Z")).toEqual(["2024-02-29T00:00Z", "2024-03-31T00:00Z"]);
});

test("billing from 31 January falls on the last day of shorter months and comes back to the 31st", () => {
  const anchor = "2023-01-31T10:30:59Z";
  const days = [
    "01-31",
    "02-28",
    "03-31",
    "04-30",
    "05-31",
    "06-30",
    "07-31",
    "08-31",
    "09-30",
    "10-31",
    "11-30",
    "12-31",
  ];
  const years = [...days.map((day) => `2023-${day}`), "2024-01-31", "2024-02-29", "2024-03-31"];
  expect(starts(spec("billing-period"), anchor, 15, anchor)).toEqual(years.map((day) => `${day}T10:30Z`));
});

test("billing from 29 February keeps the 29th, and the 28th where there is none", () => {
  const anchor = "2024-02-29T00:00Z";
  const february = (year: number) => span(spec("billing-period"), `${year}-03-01T00:00Z`, anchor)[0];
  expect([2024, 2025, 2026, 2027, 2028].map(february)).toEqual([
    "2024-02-29T00:00Z",
    "2025-02-28T00:00Z",
    "2026-02-28T00:00Z",
    "2027-02-28T00:00Z",
    "2028-02-29T00:00Z",
  ]);
  expect(span(spec("billing-period"), "2025-04-01T00:00Z", anchor)).toEqual(["2025-03-29T00:00Z", "2025-04-29T00:00Z"]);
});

test("billing keeps its local time of day when clocks change, and its windows go back before it", () => {
  const anchor = "2026-01-15T17:45:30Z"; // 12:45:30 in New York
  expect(starts(spec("billing-period", "America/New_York"), "2025-10-20T00:00Z", 6, anchor)).toEqual([
    "2025-10-15T16:45Z",
    "2025-11-15T17:45Z",
    "2025-12-15T17:45Z",
    "2026-01-15T17:45Z",
    "2026-02-15T17:45Z",
    "2026-03-15T16:45Z",
  ]);
});

test("a billing day is that of the zone", () => {
  const anchor = "2026-01-31T20:00Z"; // 1 February 01:30 in Kolkata
  expect(starts(spec("billing-period", "Asia/Kolkata"), anchor, 3, anchor)).toEqual([
    "2026-01-31T20:00Z",
    "2026-02-28T20:00Z",
    "2026-03-31T20:00Z",
  ]);
});

test("billing at a local time that is skipped begins after the gap, at one that comes twice with the first", () => {
  const berlin = spec("billing-period", "Europe/Berlin");
  expect(starts(berlin, "2026-03-10T00:00Z", 3, "2026-01-29T01:30Z")).toEqual([
    "2026-02-28T01:30Z",
    "2026-03-29T01:00Z",
    "2026-04-29T00:30Z",
  ]);
  // The account began at the second 02:30 of that night: its first window began an hour before.
  expect(span(berlin, "2026-10-25T01:30Z", "2026-10-25T01:30Z")).toEqual(["2026-10-25T00:30Z", "2026-11-25T01:30Z"]);
});

test("an annual plan has the monthly windows of its billing day: twelve a year, and the year ends with one", () => {
  const anchor = "2024-02-29T15:00Z";
  const found = starts(spec("billing-period", "America/Havana"), anchor, 13, anchor);
  expect(found.slice(0, 3)).toEqual(["2024-02-29T15:00Z", "2024-03-29T14:00Z", "2024-04-29T14:00Z"]);
  expect(found[12]).toBe("2025-02-28T15:00Z");
});

test("a leap second makes no window longer: time of 2016-12-31 has none", () => {
  const before = windowAt(spec("minute"), ms("2016-12-31T23:59:59.999Z"), 0);
  expect(before.endMs - before.startMs).toBe(MINUTE_MS);
  expect(span(spec("day"), "2016-12-31T23:59:59.999Z")).toEqual(["2016-12-31T00:00Z", "2017-01-01T00:00Z"]);
});

const SPECS = fc.record({
  kind: fc.constantFrom(...WINDOW_KINDS),
  timeZone: fc.oneof(fc.constant("UTC"), fc.constantFrom(...Intl.supportedValuesOf("timeZone"))),
  day: fc.integer({ min: 1, max: 31 }),
});
const MOMENTS = fc.integer({ min: ms("1970-01-02T00:00Z"), max: ms("2100-01-01T00:00Z") });

test("windows tile time: each moment is in one, its neighbours touch it, and all begin with a whole minute", () => {
  fc.assert(
    fc.property(SPECS, MOMENTS, MOMENTS, (of, atMs, anchorMs) => {
      const window = windowAt(of, atMs, anchorMs);
      const { startMs, endMs } = window;
      expect(startMs <= atMs && atMs < endMs).toBe(true);
      expect([startMs, endMs]).toEqual([minuteOf(startMs), minuteOf(endMs)]);
      expect([windowAt(of, startMs, anchorMs), windowAt(of, endMs - 1, anchorMs)]).toEqual([window, window]);
      if (of.kind === "lifetime") return;
      expect(windowAt(of, startMs - 1, anchorMs).endMs).toBe(startMs);
      expect(windowAt(of, endMs, anchorMs).startMs).toBe(endMs);
    }),
    { numRuns: 500 },
  );
});

test.each([Number.NaN, Infinity, -Infinity, 1e300, LIFETIME_END_MS + 1])("%d is no moment", (atMs) => {
  for (const kind of WINDOW_KINDS.filter((each) => each !== "lifetime")) {
    expect(() => windowAt(spec(kind), atMs, 0)).toThrow(RangeError);
  }
  for (const timeZone of ["UTC", "Europe/Berlin"]) {
    expect(() => windowAt(spec("billing-period", timeZone), 0, atMs)).toThrow(RangeError);
  }
});
