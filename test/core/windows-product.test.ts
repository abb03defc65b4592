/**
 * Quota windows against the oracle that looks at every minute: every kind, over ten years of days, all days of the month and
 * all anchors, in twelve time zones. TOLLGATE_LONG=1 runs the whole product (a minute); otherwise a part of it that always
 * has every zone, kind and start of a window, for the days of the month at which months differ.
 */
import { expect, test } from "vitest";
import { LIFETIME_END_MS, windowAt, type WindowKind, type WindowSpec } from "#core/windows.ts";
import { DAYS_MS, evenSpan, oracleOf, spanIn, type Oracle, type Span } from "./windows-oracle.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const ZONES = [
  "UTC",
  "Africa/Cairo",
  "America/Havana",
  "America/New_York",
  "America/Santiago",
  "America/St_Johns",
  "Asia/Kathmandu",
  "Asia/Kolkata",
  "Australia/Lord_Howe",
  "Europe/Berlin",
  "Pacific/Apia",
  "Pacific/Chatham",
];
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** How often the oracle looks at the clock. */
const STEP_MINUTES = LONG ? 60 : 720;
const ALL_DAYS = Array.from({ length: 31 }, (_, index) => index + 1);
const MONTH_DAYS = LONG ? ALL_DAYS : [1, 28, 29, 30, 31];
/** Local times of anchors, in minutes: midnight, within the gaps of Lord Howe and Berlin, of Chatham, and before midnight. */
const ANCHOR_MINUTES = [0, 135, 180, 23 * 60 + 30];
/** An anchor's second and millisecond, which count for nothing. */
const ANCHOR_REST_MS = 34_567;

/** A moment of each day, at another time on each. */
const DAILY = DAYS_MS.map((dayMs, index) => dayMs + ((index * 7_919 * MINUTE_MS + index * 12_345) % DAY_MS));
const SOME_DAILY = LONG ? DAILY : DAILY.filter((_, index) => index % 29 === 0);

/** Of each start, the moments around it: the last before, the first, and one in the hour that may come twice. */
function edges(starts: readonly number[]): readonly number[] {
  const known = starts.filter((startMs) => startMs > (DAYS_MS[0] ?? 0) && startMs < (DAYS_MS.at(-1) ?? 0));
  return known.flatMap((startMs) => [startMs - 1, startMs, startMs + 30 * MINUTE_MS]);
}

/** What `windowAt` says otherwise than `expected`, at most a few. */
function differences(
  spec: WindowSpec,
  anchorMs: number,
  moments: readonly number[],
  expected: (atMs: number) => Span,
): readonly string[] {
  const found: string[] = [];
  for (const atMs of moments) {
    const right = expected(atMs);
    const window = windowAt(spec, atMs, anchorMs);
    if (window.startMs === right.startMs && window.endMs === right.endMs && window.kind === spec.kind) continue;
    found.push(
      `${spec.timeZone} ${spec.kind} day ${spec.day} anchor ${iso(anchorMs)} at ${iso(atMs)}: ${words(window)}, not ${words(right)}`,
    );
    if (found.length > 5) break;
  }
  return found;
}

function words({ startMs, endMs }: Span): string {
  return `${iso(startMs)} to ${iso(endMs)}`;
}

function iso(ms: number): string {
  return Number.isFinite(ms) ? new Date(ms).toISOString() : String(ms);
}

/** Windows of a kind with these starts, at a moment of each day and around each start. */
function kindDiffers(
  oracle: Oracle,
  kind: WindowKind,
  day: number,
  anchorMs: number,
  daily: readonly number[],
): readonly string[] {
  const starts = startsOf(oracle, kind, day, anchorMs);
  const spec = { kind, timeZone: oracle.timeZone, day };
  return differences(spec, anchorMs, [...daily, ...edges(starts)], (atMs) => spanIn(starts, atMs));
}

function startsOf(oracle: Oracle, kind: WindowKind, day: number, anchorMs: number): readonly number[] {
  if (kind === "day") return oracle.days();
  if (kind === "week") return oracle.weeks();
  return kind === "month" ? oracle.months(day) : oracle.billing(anchorMs);
}

test.each(ZONES)("every window of ten years in %s is the oracle's", { timeout: 120_000 }, (timeZone) => {
  const oracle = oracleOf(timeZone, STEP_MINUTES);
  const found: string[] = [];
  for (const kind of ["minute", "hour"] as const) {
    found.push(...differences({ kind, timeZone, day: 1 }, 0, DAILY, (atMs) => evenSpan(kind, atMs)));
  }
  const lifetime = { startMs: 0, endMs: LIFETIME_END_MS };
  found.push(...differences({ kind: "lifetime", timeZone, day: 1 }, 0, DAILY, () => lifetime));
  for (const kind of ["day", "week"] as const) found.push(...kindDiffers(oracle, kind, 1, 0, SOME_DAILY));
  for (const day of MONTH_DAYS) {
    found.push(...kindDiffers(oracle, "month", day, 0, SOME_DAILY));
    for (const [index, minute] of ANCHOR_MINUTES.entries()) {
      const anchorMs = oracle.moment(2010, 1, day, minute) + ANCHOR_REST_MS;
      // Every day with two of the anchors of this day of the month; every start with all of them.
      const daily = index % 2 === day % 2 ? SOME_DAILY : [];
      found.push(...kindDiffers(oracle, "billing-period", 1, anchorMs, daily));
    }
  }
  expect(found).toEqual([]);
});

test("the oracle's clocks are as unusual as they are meant to be", () => {
  const lengths = (timeZone: string): ReadonlySet<number> => {
    const starts = oracleOf(timeZone, 720).days();
    return new Set(starts.slice(1).map((startMs, index) => (startMs - (starts[index] ?? 0)) / 3_600_000));
  };
  expect([...lengths("America/Santiago")].sort()).toEqual([23, 24, 25]);
  expect([...lengths("Australia/Lord_Howe")].sort()).toEqual([23.5, 24, 24.5]);
  expect([...lengths("Asia/Kathmandu")]).toEqual([24]);
  const apia = oracleOf("Pacific/Apia", 720).days();
  expect(apia.filter((startMs) => startMs > Date.UTC(2011, 11, 28) && startMs < Date.UTC(2012, 0, 1)).map(iso)).toEqual(
    ["2011-12-28T10:00:00.000Z", "2011-12-29T10:00:00.000Z", "2011-12-30T10:00:00.000Z", "2011-12-31T10:00:00.000Z"],
  );
});
