/** The pace a request's body must keep: seconds of grace, credit for what came fast, no more of it than an idle connection has. */
import { expect, test } from "vitest";
import { BodyPace } from "#data-plane/wire/body-pace.ts";

/** When a client that has sent `bytesAt(ms)` bytes is found too slow; looked at twice a second for two hours; null: never. */
function cutAt(
  bytesAt: (ms: number) => number,
  idleTimeoutMs = 60_000,
  rate = 240,
  held: (ms: number) => boolean = () => false,
) {
  const pace = new BodyPace(rate, idleTimeoutMs, 0);
  for (let ms = 500; ms < 7_200_000; ms += 500) if (pace.isTooSlow(ms, bytesAt(ms), held(ms))) return ms;
  return null;
}

const perSecond = (bytes: number) => (ms: number) => Math.floor((bytes * ms) / 1000);

test.each([
  { what: "nothing at all", bytes: perSecond(0), at: 10_500 },
  { what: "a byte in five seconds", bytes: perSecond(0.2), at: 10_500 },
  { what: "half the pace", bytes: perSecond(120), at: 20_500 },
  { what: "just the pace", bytes: perSecond(240), at: null },
  { what: "a megabyte a second", bytes: perSecond(1_000_000), at: null },
  { what: "a burst of a second's worth, then nothing", bytes: () => 240, at: 11_500 },
  { what: "a burst of a megabyte, then nothing", bytes: () => 1_000_000, at: 60_500 },
  {
    what: "bursts of a minute's worth each half minute",
    bytes: (ms: number) => 14_400 * Math.floor(ms / 30_000),
    at: 10_500,
  },
  {
    what: "bursts of a minute's worth each half minute, from the start",
    bytes: (ms: number) => 14_400 * Math.floor(1 + ms / 30_000),
    at: null,
  },
])("$what: cut at $at ms", ({ bytes, at }) => {
  expect(cutAt(bytes)).toBe(at);
});

test("time in which the client is not read from does not count", () => {
  expect(
    cutAt(
      () => 0,
      60_000,
      240,
      (ms) => ms <= 1_000_000,
    ),
  ).toBe(1_010_500);
});

test("no more credit than an idle connection may rest, but ten seconds in any case", () => {
  expect(cutAt(() => 1_000_000, 20_000)).toBe(20_500);
  expect(cutAt(() => 1_000_000, 1_000)).toBe(10_500);
});

test("without a pace nothing is too slow", () => {
  expect(cutAt(() => 0, 60_000, 0)).toBeNull();
});
