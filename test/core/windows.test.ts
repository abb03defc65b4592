/** Quota windows against a calendar written by hand: every hour, day and month of a century, leap years and month ends too. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { hourOf, windowAt, WINDOW_KINDS } from "#core/windows.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

interface Month {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly startMs: number;
  readonly days: number;
}

/** Months from January 1970, by counting days. */
function months(untilYear: number): readonly Month[] {
  const found: Month[] = [];
  let startMs = 0;
  for (let year = 1970; year < untilYear; year++) {
    const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
    for (const [index, length] of MONTH_DAYS.entries()) {
      const days = index === 1 && leap ? 29 : length;
      found.push({ year, month: index + 1, startMs, days });
      startMs += days * DAY_MS;
    }
  }
  return found;
}

const CENTURY = months(2105);

function monthOf(year: number, month: number): Month {
  const found = CENTURY.find((each) => each.year === year && each.month === month);
  if (found === undefined) throw new Error(`No month ${year}-${month}`);
  return found;
}

test("every month from 1970 to 2104 begins and ends where the calendar says", () => {
  for (const { startMs, days } of CENTURY) {
    const window = { kind: "month", startMs, endMs: startMs + days * DAY_MS };
    for (const at of [startMs, startMs + 1, startMs + 15 * DAY_MS, window.endMs - 1]) {
      expect(windowAt("month", at)).toEqual(window);
    }
    expect(windowAt("month", window.endMs).startMs).toBe(window.endMs);
  }
});

test.each([
  [2024, 2, 29],
  [2023, 2, 28],
  [2000, 2, 29],
  [2100, 2, 28],
  [2026, 12, 31],
])("month %i-%i has %i days", (year, month, days) => {
  const { startMs } = monthOf(year, month);
  const window = windowAt("month", startMs + DAY_MS);
  expect((window.endMs - window.startMs) / DAY_MS).toBe(days);
});

test("every hour of 2023 to 2025 is in its own hour and day", () => {
  const from = monthOf(2023, 1).startMs;
  for (let hour = 0; hour < (365 + 366 + 365) * 24; hour++) {
    const startMs = from + hour * HOUR_MS;
    const dayMs = from + Math.floor(hour / 24) * DAY_MS;
    const last = startMs + HOUR_MS - 1;
    expect(windowAt("hour", last)).toEqual({ kind: "hour", startMs, endMs: startMs + HOUR_MS });
    expect(windowAt("day", last)).toEqual({ kind: "day", startMs: dayMs, endMs: dayMs + DAY_MS });
    expect(hourOf(last)).toBe(startMs);
  }
});

test("windows of a kind tile time: each moment is in one, and its neighbours touch it", () => {
  const moment = fc.integer({ min: -DAY_MS * 3_650, max: DAY_MS * 47_000 });
  fc.assert(
    fc.property(fc.constantFrom(...WINDOW_KINDS), moment, (kind, atMs) => {
      const window = windowAt(kind, atMs);
      expect(window.startMs <= atMs && atMs < window.endMs).toBe(true);
      expect(windowAt(kind, window.startMs)).toEqual(window);
      expect(windowAt(kind, window.endMs - 1)).toEqual(window);
      expect(windowAt(kind, window.startMs - 1).endMs).toBe(window.startMs);
      expect(windowAt(kind, window.endMs).startMs).toBe(window.endMs);
    }),
  );
});

test("a month holds whole hours of the ledger", () => {
  for (const { startMs } of CENTURY) expect(hourOf(startMs)).toBe(startMs);
});
