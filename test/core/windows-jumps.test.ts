/** Quota windows under a clock that jumps back an hour or forward a day: the same moment is always in the same window. */
import { expect, test } from "vitest";
import { MINUTE_MS, WINDOW_KINDS, windowAt, type WindowKind, type WindowSpec } from "#core/windows.ts";

const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

function spec(kind: WindowKind, timeZone: string): WindowSpec {
  return { kind, timeZone, day: 1 };
}

function ms(iso: string): number {
  return Date.parse(iso);
}

test.each(["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])(
  "clocks that jump give the same windows again, in %s",
  (timeZone) => {
    const anchorMs = ms("2009-10-31T22:15Z");
    for (const kind of WINDOW_KINDS) {
      for (const from of ["2010-03-14T00:00Z", "2010-11-06T12:00Z", "2011-12-29T00:00Z"]) {
        const seen = new Map<number, number>();
        for (const atMs of jumpingClock(ms(from))) {
          const { startMs, endMs } = windowAt(spec(kind, timeZone), atMs, anchorMs);
          expect(startMs <= atMs && atMs < endMs).toBe(true);
          expect(seen.get(startMs) ?? endMs).toBe(endMs);
          seen.set(startMs, endMs);
        }
        const ordered = [...seen].sort(([a], [b]) => a - b);
        for (const [index, [startMs]] of ordered.slice(1).entries())
          expect(ordered[index]?.[1]).toBeLessThanOrEqual(startMs);
      }
    }
  },
);

/** Every ten minutes of some days; a jump back by an hour after each seventh reading, forward by a day after the 200th. */
function jumpingClock(fromMs: number): readonly number[] {
  const found: number[] = [];
  let atMs = fromMs;
  for (let reading = 1; reading <= 400; reading++) {
    found.push(atMs);
    atMs += 10 * MINUTE_MS;
    if (reading % 7 === 0) atMs -= HOUR_MS - 10 * MINUTE_MS;
    if (reading === 200) atMs += DAY_MS;
  }
  return found;
}

test("a clock set back over a rollover is in the window it was in before", () => {
  const day = spec("day", "Europe/Berlin");
  const before = windowAt(day, ms("2026-10-25T22:30Z"), 0);
  expect(windowAt(day, ms("2026-10-25T23:30Z"), 0).startMs).toBe(before.endMs);
  expect(windowAt(day, ms("2026-10-25T23:30Z") - HOUR_MS, 0)).toEqual(before);
  expect(windowAt(day, ms("2026-10-25T22:30Z") + DAY_MS, 0).startMs).toBe(before.endMs);
});
