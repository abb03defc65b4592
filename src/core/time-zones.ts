/**
 * Wall clocks of IANA time zones: what a clock there shows at a moment, and the first moment at which it shows a time.
 * Pure, any thread. The rules are those of the running Node (`process.versions.tz`). Knows nothing of windows.
 *
 * A local time is a number too: milliseconds since 1970 as if the wall clock were in UTC, so that `Date.UTC` and `getUTC*`
 * are its calendar.
 */

const MINUTE_MS = 60_000;
/** Farther than any clock is from UTC. No zone changes its clock twice within double of it, from 1970 to 2038 (tzdata 2026c). */
const REACH_MS = 24 * 3_600_000;

const OFFSET = /GMT(?:([+\-−])(\d\d):(\d\d)(?::(\d\d))?)?$/;
/** IANA's names of three letters. ICU knows more, not IANA's and some of them traps: AST is Anchorage, BST is Dhaka. */
const SHORT_NAMES = new Set([
  "CET",
  "EET",
  "EST",
  "GMT",
  "HST",
  "MET",
  "MST",
  "PRC",
  "ROC",
  "ROK",
  "UCT",
  "UTC",
  "WET",
]);

/** A formatter takes 50 times as long to make as to use. By name in small letters, so no more of them than zones exist. */
const formats = new Map<string, Intl.DateTimeFormat>();

/** Whether `name` is an IANA time zone this Node knows, in any case of letters. Offsets (`+02:00`) and ICU's own names are not. */
export function isTimeZone(name: string): boolean {
  if (!/^[a-z]/i.test(name) || /^systemv\//i.test(name)) return false;
  if (name.length === 3 && !SHORT_NAMES.has(name.toUpperCase())) return false;
  try {
    return formatOf(name).resolvedOptions().timeZone.length > 0;
  } catch {
    return false;
  }
}

/** What the wall clock of `timeZone` shows at `atMs`, as a local time. Throws RangeError for an unknown zone. */
export function localTime(timeZone: string, atMs: number): number {
  return atMs + offsetAt(timeZone, atMs);
}

/**
 * The first moment at which the wall clock of `timeZone` shows the minute of `localMs` or a later one, in whole minutes. So a
 * time the clock skips is the moment after the gap, one it shows twice is the earlier, and a day that does not exist begins
 * with the next. Costs 2 to 20 µs, in UTC nothing. (Clocks that are seconds off UTC ended in 1972: their moments are
 * rounded down.)
 */
export function firstInstant(timeZone: string, localMs: number): number {
  const wishedMs = minuteOf(localMs);
  if (timeZone === "UTC") return wishedMs;
  const [fromMs, untilMs] = [wishedMs - REACH_MS, wishedMs + REACH_MS];
  const [before, after] = [offsetAt(timeZone, fromMs), offsetAt(timeZone, untilMs)];
  const earlyMs = minuteOf(wishedMs - before);
  if (before === after) return earlyMs;
  const changeMs = firstChange(timeZone, fromMs, untilMs, before);
  return earlyMs < changeMs ? earlyMs : Math.max(changeMs, minuteOf(wishedMs - after));
}

/** The first whole minute after `fromMs` at which the clock is no longer `offset` from UTC. Both ends are whole minutes. */
function firstChange(timeZone: string, fromMs: number, untilMs: number, offset: number): number {
  let [same, other] = [fromMs, untilMs];
  while (other - same > MINUTE_MS) {
    const middle = minuteOf((same + other) / 2);
    if (offsetAt(timeZone, middle) === offset) same = middle;
    else other = middle;
  }
  return other;
}

/** How far the wall clock is ahead of UTC, ms. */
function offsetAt(timeZone: string, atMs: number): number {
  if (timeZone === "UTC") return 0;
  const text = formatOf(timeZone).format(atMs);
  const found = OFFSET.exec(text);
  if (found === null) throw new Error(`Cannot read the offset of "${timeZone}" from "${text}"`);
  const [, sign, hours = 0, minutes = 0, seconds = 0] = found;
  const offset = ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000;
  return sign === undefined || sign === "+" ? offset : -offset;
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  const name = timeZone.toLowerCase();
  const known = formats.get(name);
  if (known !== undefined) return known;
  // The hour is there because the formatter adds a date, slower to write, when asked for the offset alone.
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hour: "2-digit",
    hourCycle: "h23",
    timeZoneName: "longOffset",
  });
  formats.set(name, format);
  return format;
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}
