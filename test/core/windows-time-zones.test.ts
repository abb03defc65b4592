/** Names of time zones and their wall clocks; what windows make of them is tested with the windows. */
import { expect, test } from "vitest";
import { firstInstant, isTimeZone, localTime } from "#core/time-zones.ts";

function ms(iso: string): number {
  return Date.parse(iso);
}

test.each([
  "UTC",
  "Etc/UTC",
  "Europe/Berlin",
  "Asia/Kolkata",
  "Asia/Calcutta",
  "Europe/Kyiv",
  "america/new_york",
  "CET",
  "EST5EDT",
  "Etc/GMT+5",
])("%s is a time zone", (name) => {
  expect(isTimeZone(name)).toBe(true);
});

test("every zone Node lists is one, and tells its time", () => {
  for (const name of Intl.supportedValuesOf("timeZone")) {
    expect(isTimeZone(name)).toBe(true);
    expect(Math.abs(localTime(name, 0))).toBeLessThanOrEqual(14 * 3_600_000);
  }
});

test.each([
  "",
  "Berlin",
  "Europe/Atlantis",
  "+02:00",
  "-0500",
  "GMT+2",
  "AST",
  "IST",
  "PST",
  "SystemV/PST8",
  "local",
  " UTC",
  "Europe/Berlin\n",
  "__proto__",
])("%j is no time zone", (name) => {
  expect(isTimeZone(name)).toBe(false);
});

test("a wall clock shows the zone's time, before 1970 and with seconds too", () => {
  expect(localTime("UTC", 1_234)).toBe(1_234);
  expect(localTime("Asia/Kathmandu", ms("2026-01-01T00:00Z"))).toBe(ms("2026-01-01T05:45Z"));
  expect(localTime("America/New_York", ms("2026-07-01T00:00:01.250Z"))).toBe(ms("2026-06-30T20:00:01.250Z"));
  expect(localTime("Africa/Monrovia", 0)).toBe(ms("1969-12-31T23:15:30Z"));
});

test("the first moment of a local time is after a gap, and the earlier of two", () => {
  expect(firstInstant("UTC", 60_000)).toBe(60_000);
  expect(firstInstant("UTC", 119_999)).toBe(60_000);
  expect(firstInstant("Europe/Berlin", ms("2026-03-29T02:30:45Z"))).toBe(ms("2026-03-29T01:00Z"));
  expect(firstInstant("Europe/Berlin", ms("2026-03-29T02:30Z"))).toBe(ms("2026-03-29T01:00Z"));
  expect(firstInstant("Europe/Berlin", ms("2026-03-29T03:00Z"))).toBe(ms("2026-03-29T01:00Z"));
  expect(firstInstant("Europe/Berlin", ms("2026-10-25T02:30Z"))).toBe(ms("2026-10-25T00:30Z"));
  expect(firstInstant("Europe/Berlin", ms("2026-10-25T03:00Z"))).toBe(ms("2026-10-25T02:00Z"));
  expect(firstInstant("Pacific/Apia", ms("2011-12-30T12:00Z"))).toBe(ms("2011-12-30T10:00Z"));
});

test("an unknown zone is a RangeError", () => {
  expect(() => localTime("Europe/Atlantis", 0)).toThrow(RangeError);
});
