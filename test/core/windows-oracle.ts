/**
 * Quota windows the slow way, to compare `core/windows.ts` with: the clock of a zone is written down for every minute of
 * ten years, and a window begins at the first minute whose clock shows its begin or later, found by looking at one minute
 * after the other. Days are counted on fingers. Takes only `Intl` from outside, and nothing from src.
 */

export interface Span {
  readonly startMs: number;
  readonly endMs: number;
}

interface CalendarDay {
  readonly year: number;
  /** From 1. */
  readonly month: number;
  readonly day: number;
  readonly monday: boolean;
}

const DAY_MINUTES = 24 * 60;
const MONTH_DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/**
 * All days from 1 October 2005, a Saturday, to 31 March 2016. Ten years of unusual clocks: midnights that are skipped or come
 * twice (Havana, Santiago, Cairo), changes at 00:01 (St John's), a change of half an hour (Lord Howe), a day left out (Apia).
 */
const CALENDAR = calendar();
const PLACE = new Map(CALENDAR.map(({ year, month, day }, place) => [`${year}-${month}-${day}`, place]));

/** Minutes written down: from 1 November 2005, the 31st day of the calendar, to 1 March 2016. */
const FIRST_MS = Date.UTC(2005, 10, 1);
const FIRST_DAY = 31;
const MINUTES = (Date.UTC(2016, 2, 1) - FIRST_MS) / 60_000;

/** The days whose moments can be asked about: 2006 to 2015 in UTC, so that each is in a window that is wholly known. */
export const DAYS_MS: readonly number[] = Array.from({ length: 3652 }, (_, day) => Date.UTC(2006, 0, 1 + day));

export interface Oracle {
  readonly timeZone: string;
  /** Starts of windows, ascending, without those that are empty. */
  days(): readonly number[];
  weeks(): readonly number[];
  months(day: number): readonly number[];
  billing(anchorMs: number): readonly number[];
  /** The moment the clock first shows `minute` of the day, or later, on that date. */
  moment(year: number, month: number, day: number, minute: number): number;
}

/**
 * Reads the clock of `timeZone` every `stepMinutes` (a divisor of a day), and every minute between two readings that are not
 * `stepMinutes` apart: two changes that cancel each other out between readings would be missed.
 */
export function oracleOf(timeZone: string, stepMinutes: number): Oracle {
  const clock = clockOf(timeZone);
  const shown = writeDown(clock, stepMinutes);
  const months = (day: number, minute: number) => startsAt(shown, monthDays(day), minute);
  return {
    timeZone,
    days: () => startsAt(shown, [...CALENDAR.keys()], 0),
    weeks: () => startsAt(shown, mondays(), 0),
    months: (day) => months(day, 0),
    billing: (anchorMs) => {
      const minutes = clock(anchorMs);
      return months(CALENDAR[Math.floor(minutes / DAY_MINUTES)]?.day ?? Number.NaN, minutes % DAY_MINUTES);
    },
    moment: (year, month, day, minute) => {
      const place = PLACE.get(`${year}-${month}-${day}`) ?? Number.NaN;
      return startsAt(shown, [place], minute)[0] ?? Number.NaN;
    },
  };
}

/** The window that holds `atMs`, by going through all of them. */
export function spanIn(starts: readonly number[], atMs: number): Span {
  let [startMs, endMs] = [Number.NaN, Number.NaN];
  for (const start of starts) {
    if (start <= atMs) startMs = start;
    else {
      endMs = start;
      break;
    }
  }
  return { startMs, endMs };
}

/** The UTC minute or hour that holds `atMs`: its digits, the rest struck out. */
export function evenSpan(kind: "minute" | "hour", atMs: number): Span {
  const digits = new Date(atMs).toISOString();
  if (kind === "minute") return lasting(Date.parse(`${digits.slice(0, 16)}:00.000Z`), 60_000);
  return lasting(Date.parse(`${digits.slice(0, 13)}:00:00.000Z`), 3_600_000);
}

function lasting(startMs: number, lengthMs: number): Span {
  return { startMs, endMs: startMs + lengthMs };
}

/** What the clock shows at a moment: minutes since the calendar's first day. */
type Clock = (atMs: number) => number;

function clockOf(timeZone: string): Clock {
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  return (atMs) => {
    const shown: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(atMs)) shown[type] = Number(value);
    const { year, month, day, hour = Number.NaN, minute = Number.NaN } = shown;
    const place = PLACE.get(`${year}-${month}-${day}`);
    if (place === undefined) throw new Error(`${year}-${month}-${day} is not in the oracle's calendar`);
    return place * DAY_MINUTES + hour * 60 + minute;
  };
}

/** What the clock shows at each minute from FIRST_MS. */
function writeDown(clock: Clock, stepMinutes: number): Int32Array {
  const shown = new Int32Array(MINUTES);
  const at = (minute: number) => clock(FIRST_MS + minute * 60_000);
  for (let minute = 0; minute < MINUTES; minute += stepMinutes) {
    const now = at(minute);
    const steady = at(minute + stepMinutes) - now === stepMinutes;
    for (let ahead = 0; ahead < stepMinutes; ahead++) shown[minute + ahead] = steady ? now + ahead : at(minute + ahead);
  }
  return shown;
}

/** The moments at which the clock first shows `minuteOfDay`, or later, on days of the calendar. */
function startsAt(shown: Int32Array, places: readonly number[], minuteOfDay: number): readonly number[] {
  const starts = new Set<number>();
  for (const place of places) {
    const minute = firstMinute(shown, place * DAY_MINUTES + minuteOfDay);
    if (minute !== undefined) starts.add(FIRST_MS + minute * 60_000);
  }
  return [...starts];
}

/** No clock is 26 hours from UTC: before `wished` minus that, none shows it. */
function firstMinute(shown: Int32Array, wished: number): number | undefined {
  const from = wished - FIRST_DAY * DAY_MINUTES - 26 * 60;
  if (from < 0) return undefined;
  for (let minute = from; minute < MINUTES; minute++) {
    if ((shown[minute] ?? Number.NaN) >= wished) return minute;
  }
  return undefined;
}

function mondays(): readonly number[] {
  return [...CALENDAR.entries()].filter(([, { monday }]) => monday).map(([place]) => place);
}

/** In each month, the place of that day, or of the month's last. */
function monthDays(wished: number): readonly number[] {
  const found = new Map<string, number>();
  for (const [place, { year, month, day }] of CALENDAR.entries()) {
    if (day <= wished) found.set(`${year}-${month}`, place);
  }
  return [...found.values()];
}

function calendar(): readonly CalendarDay[] {
  const days: CalendarDay[] = [];
  let [year, month, day, weekday] = [2005, 10, 1, 6];
  while (year < 2016 || month < 4) {
    days.push({ year, month, day, monday: weekday === 1 });
    weekday = (weekday + 1) % 7;
    day++;
    if (day <= monthLength(year, month)) continue;
    day = 1;
    month++;
    if (month <= 12) continue;
    month = 1;
    year++;
  }
  return days;
}

function monthLength(year: number, month: number): number {
  // Every fourth year within this calendar: 2000 and 2100 are not in it.
  return month === 2 && year % 4 === 0 ? 29 : (MONTH_DAYS[month - 1] ?? Number.NaN);
}
