/** Times as clients write them: what RFC 3339 allows is read exactly, everything else is refused rather than guessed. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseTime } from "#core/time-text.ts";

test.each([
  ["2026-11-22T08:30:00Z", "2026-11-22T08:30:00.000Z"],
  ["2026-11-22t08:30:00z", "2026-11-22T08:30:00.000Z"],
  ["2026-11-22T08:30:00.25+01:00", "2026-11-22T07:30:00.250Z"],
  ["2026-11-22T08:30:00.123999Z", "2026-11-22T08:30:00.123Z"],
  ["2026-11-22T00:30:00-05:30", "2026-11-22T06:00:00.000Z"],
  ["2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"],
  ["2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"],
  ["0050-01-01T00:00:00Z", "0050-01-01T00:00:00.000Z"],
  ["2026-11-22T08:30:00-00:00", "2026-11-22T08:30:00.000Z"],
])("%s is %s", (text, expected) => {
  expect(new Date(parseTime(text) ?? Number.NaN).toISOString()).toBe(expected);
});

test.each([
  "",
  "2026-11-22",
  "2026-11-22T08:30Z",
  "2026-11-22T08:30:00",
  "2026-11-22 08:30:00Z",
  "2026-02-30T00:00:00Z",
  "2026-02-29T00:00:00Z",
  "2026-13-01T00:00:00Z",
  "2026-00-01T00:00:00Z",
  "2026-11-22T24:00:00Z",
  "2026-11-22T08:60:00Z",
  "2026-11-22T08:30:61Z",
  "2026-11-22T08:30:00+24:00",
  "2026-11-22T08:30:00+01:60",
  "2026-11-22T08:30:00.Z",
  "+002026-11-22T08:30:00Z",
  " 2026-11-22T08:30:00Z",
  "2026-11-22T08:30:00Z\n",
  "1795336200000",
  "Sun, 22 Nov 2026 08:30:00 GMT",
])("%j is no time", (text) => {
  expect(parseTime(text)).toBeNull();
});

test("every moment is read back from what answers write", () => {
  fc.assert(
    fc.property(
      fc.date({ min: new Date(0), max: new Date("9999-12-31T23:59:59.999Z"), noInvalidDate: true }),
      (date) => {
        expect(parseTime(date.toISOString())).toBe(date.getTime());
      },
    ),
  );
});
