import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration, parseSize } from "#core/units.ts";

test("a duration is a whole number and a unit", () => {
  expect(["250ms", "30s", "5m", "1h", "2d", "0s"].map(parseDuration)).toEqual([
    250, 30_000, 300_000, 3_600_000, 172_800_000, 0,
  ]);
});

test("what is no duration gives null", () => {
  const texts = ["", "30", "5 min", "1.5s", "-1s", "s", "1S", "1w", " 1s", "1s\n", "9007199254740992d"];
  expect(texts.filter((text) => parseDuration(text) !== null)).toEqual([]);
});

test("a size is bytes, or a whole number and a unit", () => {
  expect([16, "16", "16B", "16KiB", "10MiB", "1GiB"].map(parseSize)).toEqual([
    16, 16, 16, 16_384, 10_485_760, 1_073_741_824,
  ]);
});

test("what is no size gives null", () => {
  const values = ["", "16KB", "16 KiB", "1.5MiB", "-1", "KiB", "9007199254740992GiB", 1.5, -1, Number.NaN];
  expect(values.filter((value) => parseSize(value) !== null)).toEqual([]);
});

test("a duration is written in its largest exact unit", () => {
  expect([0, 1, 1_500, 90_000, 60_000, 3_600_000, 86_400_000].map(formatDuration)).toEqual([
    "0s",
    "1ms",
    "1500ms",
    "90s",
    "1m",
    "1h",
    "1d",
  ]);
});

test("a written duration reads back as itself", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (ms) => {
      expect(parseDuration(formatDuration(ms))).toBe(ms);
    }),
  );
});
