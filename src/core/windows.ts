/**
 * Quota windows: which span of time a moment falls in. Pure, any thread. The window is part of a counter's key: nothing is
 * ever reset. Counts nothing, and does not remember windows: callers keep the one they are in until it ends.
 *
 * Windows of a kind are numbered, and each begins at a local time that its number gives; where its zone's clock first shows
 * that time or later is its start, and the start of the next is its end. So they tile time, whatever clocks do there.
 */
import { firstInstant, localTime } from "./time-zones.ts";

export const WINDOW_KINDS = ["minute", "hour", "day", "week", "month", "billing-period", "lifetime"] as const;
export type WindowKind = (typeof WINDOW_KINDS)[number];

/** Half open: `startMs <= t < endMs`, milliseconds since 1970, both whole minutes. */
export interface Window {
  readonly kind: WindowKind;
  readonly startMs: number;
  readonly endMs: number;
}

/** How a quota cuts time. */
export interface WindowSpec {
  readonly kind: WindowKind;
  /** IANA name. `minute`, `hour` and `lifetime` are in UTC whatever it says. */
  readonly timeZone: string;
  /** 1..31: day of the month on which `month` windows begin, the last day of shorter months; ignored by other kinds. */
  readonly day: number;
}

/** Calendar months in UTC. */
export const UTC_MONTH: WindowSpec = Object.freeze({ kind: "month", timeZone: "UTC", day: 1 });

export const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A Monday: ISO weeks begin on one. */
const MONDAY_MS = Date.UTC(1970, 0, 5);

/** End of the lifetime window, which starts at 0: the last moment a `Date` can hold. */
export const LIFETIME_END_MS = 8_640_000_000_000_000;

/** Numbered windows in local time (`time-zones.ts`): the number of the one a local time is in, and where a number begins. */
interface Grid {
  numberAt(localMs: number): number;
  /** Grows with the number. */
  start(number: number): number;
}

/**
 * The window of `spec` that holds `atMs`. `anchorMs` is the start of the account's billing and used by `billing-period`
 * alone: months that begin on its local day of the month (the last day of shorter months) and local minute, before it too;
 * annual plans have the same. Every moment from 1970 on is in one window; earlier ones too, but for `lifetime`.
 * Costs below 1 µs in UTC, some 10 µs in other zones, up to 50 µs around a change of clocks. Throws RangeError for an
 * unknown zone and for numbers that are no moments.
 */
export function windowAt(spec: WindowSpec, atMs: number, anchorMs: number): Window {
  const { kind, timeZone } = spec;
  switch (kind) {
    case "minute":
      return cut(kind, "UTC", MINUTES, atMs);
    case "hour":
      return cut(kind, "UTC", HOURS, atMs);
    case "day":
      return cut(kind, timeZone, DAYS, atMs);
    case "week":
      return cut(kind, timeZone, WEEKS, atMs);
    case "month":
      return cut(kind, timeZone, months(spec.day, 0), atMs);
    case "billing-period":
      return cut(kind, timeZone, billingMonths(timeZone, anchorMs), atMs);
    case "lifetime":
      return { kind, startMs: 0, endMs: LIFETIME_END_MS };
  }
}

/** Start of the minute that holds `atMs`: the grain of the ledger. */
export function minuteOf(atMs: number): number {
  return Math.floor(atMs / MINUTE_MS) * MINUTE_MS;
}

/** Start of the hour that holds `atMs`. */
export function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS;
}

const MINUTES = even(MINUTE_MS, 0);
const HOURS = even(HOUR_MS, 0);
const DAYS = even(DAY_MS, 0);
const WEEKS = even(7 * DAY_MS, MONDAY_MS);

function even(lengthMs: number, firstMs: number): Grid {
  return {
    numberAt: (localMs) => Math.floor((localMs - firstMs) / lengthMs),
    start: (number) => firstMs + number * lengthMs,
  };
}

/** Months counted from January 1970. Each is clamped by itself, so that 31 Jan, 28 Feb, 31 Mar never drift. */
function months(day: number, timeOfDayMs: number): Grid {
  return {
    numberAt: (localMs) => {
      const local = new Date(localMs);
      return (local.getUTCFullYear() - 1970) * 12 + local.getUTCMonth();
    },
    start: (number) => Date.UTC(1970, number, Math.min(day, daysIn(number))) + timeOfDayMs,
  };
}

/** The anchor's seconds stay in the time of day: `firstInstant` drops them. */
function billingMonths(timeZone: string, anchorMs: number): Grid {
  const localMs = localTime(timeZone, anchorMs);
  const midnightMs = Math.floor(localMs / DAY_MS) * DAY_MS;
  return months(new Date(localMs).getUTCDate(), localMs - midnightMs);
}

/** Days of a month counted from January 1970: day 0 of the next is its last. */
function daysIn(month: number): number {
  return new Date(Date.UTC(1970, month + 1, 0)).getUTCDate();
}

/**
 * The number at the local time is a first guess. It is one too high before the day of the month on which windows begin, and
 * one too low where clocks go back over a start: what they show twice belongs to the window that had already begun.
 */
function cut(kind: WindowKind, timeZone: string, grid: Grid, atMs: number): Window {
  if (!(Math.abs(atMs) < LIFETIME_END_MS)) throw new RangeError(`Expected milliseconds since 1970, found ${atMs}`);
  let number = grid.numberAt(localTime(timeZone, atMs));
  let startMs = firstInstant(timeZone, grid.start(number));
  while (startMs > atMs) startMs = firstInstant(timeZone, grid.start(--number));
  let endMs = firstInstant(timeZone, grid.start(number + 1));
  while (endMs <= atMs) {
    startMs = endMs;
    endMs = firstInstant(timeZone, grid.start(++number + 1));
  }
  // NaN compares false: a day, anchor or moment out of range ends here, not as a counter's key.
  if (!(startMs <= atMs && atMs < endMs)) throw new RangeError(`No window of kind "${kind}" at ${atMs}`);
  return { kind, startMs, endMs };
}
