/** Times as clients write them (RFC 3339) to milliseconds. Pure, any thread. How times are written in answers: `clock.ts`. */

const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;
const MINUTE_MS = 60_000;

/**
 * Milliseconds since 1970 of `2026-11-22T08:30:00.25+01:00`, fractions of a millisecond cut off; null when the text is no date and
 * time of RFC 3339 with its offset, or names a day that does not exist. A leap second is the beginning of the next minute.
 */
export function parseTime(text: string): number | null {
  const match = TIME.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second, fraction = "", sign, offsetHour, offsetMinute] = match;
  const [hours, minutes, seconds] = [Number(hour), Number(minute), Number(second)];
  const offset = Number(offsetHour ?? 0) * 60 + Number(offsetMinute ?? 0);
  if (hours > 23 || minutes > 59 || seconds > 60 || Number(offsetHour ?? 0) > 23 || Number(offsetMinute ?? 0) > 59)
    return null;
  const midnight = new Date(0);
  // Not `Date.UTC`, which takes the years 0 to 99 for those of the last century.
  midnight.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  if (midnight.getUTCMonth() !== Number(month) - 1 || midnight.getUTCDate() !== Number(day)) return null;
  const local = midnight.getTime() + ((hours * 60 + minutes) * 60 + seconds) * 1000;
  const millis = Number(fraction.padEnd(3, "0").slice(0, 3));
  return local + millis - (sign === "-" ? -offset : offset) * MINUTE_MS;
}
