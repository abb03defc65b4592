/** The forecast: what holds for any input, and the corners of a window. How near it comes: `forecast-accuracy.test.ts`. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forecast, type ForecastInput } from "#control-plane/metering/forecast.ts";
import { overageCost } from "#core/money.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A Monday, and the first of a month of 30 days. */
const JUNE_MS = Date.UTC(2026, 5, 1);
const JUNE = { startMs: JUNE_MS, endMs: JUNE_MS + 30 * DAY_MS };

/** Days of `units`, the last one ending at `endMs`. */
function daysUntil(endMs: number, units: readonly number[]): ForecastInput["days"] {
  return units.map((each, index) => ({ startMs: endMs - (units.length - index) * DAY_MS, units: each }));
}

function inJune(change: Partial<ForecastInput>): ForecastInput {
  return { nowMs: JUNE_MS, window: JUNE, used: 0, days: [], limit: null, overage: null, ...change };
}

// ---- What holds for any input

/** Histories with and without a pattern, silent days, bursts, and of every length. */
const histories = fc.oneof(
  fc.array(fc.nat({ max: 5_000 }), { maxLength: 60 }),
  fc.array(fc.oneof(fc.constant(0), fc.nat({ max: 9 }), fc.nat({ max: 1_000_000 })), { maxLength: 60 }),
  fc
    .tuple(fc.nat({ max: 60 }), fc.array(fc.nat({ max: 900 }), { minLength: 7, maxLength: 7 }))
    .map(([length, week]) => Array.from({ length }, (_, index) => week[index % 7] ?? 0)),
);

const spans = fc.oneof(
  fc.constantFrom(HOUR_MS, DAY_MS, 7 * DAY_MS, 30 * DAY_MS, 365 * DAY_MS, 4_000 * DAY_MS),
  fc.integer({ min: 1, max: 500 * DAY_MS }),
);

const inputs: fc.Arbitrary<ForecastInput> = fc
  .record({
    startMs: fc.integer({ min: JUNE_MS, max: JUNE_MS + 30 * DAY_MS }),
    lengthMs: spans,
    passed: fc.double({ min: -0.1, max: 1.1, noNaN: true }),
    units: histories,
    used: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: 1_000_000 }), fc.maxSafeNat()),
    limit: fc.option(fc.oneof(fc.nat({ max: 50 }), fc.nat({ max: 3_000_000 }))),
    overage: fc.option(fc.record({ price: fc.nat({ max: 500 }), per: fc.integer({ min: 1, max: 1_000 }) })),
  })
  .map(({ startMs, lengthMs, passed, units, ...rest }) => {
    const nowMs = Math.round(startMs + passed * lengthMs);
    const days = daysUntil(Math.floor(nowMs / DAY_MS) * DAY_MS, units);
    return { nowMs, window: { startMs, endMs: startMs + lengthMs }, days, ...rest };
  });

const thorough = { numRuns: process.env.TOLLGATE_LONG === "1" ? 20_000 : 500 };

describe("for any input", () => {
  test("used ≤ p50 ≤ p90, in whole units, the same each time", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const result = forecast(input);
        expect(Number.isSafeInteger(result.p50) && Number.isSafeInteger(result.p90)).toBe(true);
        expect(input.used <= result.p50 && result.p50 <= result.p90).toBe(true);
        expect(result.basis.elapsed >= 0 && result.basis.elapsed <= 1).toBe(true);
        expect(result.basis.days).toBeLessThanOrEqual(Math.min(56, input.days.length));
        expect(forecast(input)).toEqual(result);
      }),
      thorough,
    );
  });

  test("overage is what p50 is beyond the limit, at its price", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { p50, expectedOverageUnits, expectedOverageCost } = forecast(input);
        expect(expectedOverageUnits).toBe(input.limit === null ? 0 : Math.max(0, p50 - input.limit));
        expect(expectedOverageCost).toBe(
          input.overage === null ? null : overageCost(expectedOverageUnits, input.overage),
        );
      }),
      thorough,
    );
  });

  test("a limit is exhausted within the window exactly when p50 reaches it, and now when it is reached", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { p50, exhaustedAtMs } = forecast(input);
        expect(exhaustedAtMs !== null).toBe(input.limit !== null && p50 >= input.limit);
        if (exhaustedAtMs === null || input.limit === null) return;
        const reached = input.used >= input.limit;
        const earliestMs = reached ? input.nowMs : Math.max(input.nowMs, input.window.startMs);
        const latestMs = reached ? input.nowMs : input.window.endMs - 1;
        expect(Number.isInteger(exhaustedAtMs)).toBe(true);
        expect(earliestMs <= exhaustedAtMs && exhaustedAtMs <= latestMs).toBe(true);
      }),
      thorough,
    );
  });

  test("a limit at p50 is exhausted, one unit above it is not", () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { p50 } = forecast(input);
        expect(forecast({ ...input, limit: p50 }).exhaustedAtMs).not.toBeNull();
        expect(forecast({ ...input, limit: p50 + 1 }).exhaustedAtMs).toBeNull();
      }),
      thorough,
    );
  });

  test("more used forecasts no less; a higher limit is exhausted no sooner", () => {
    fc.assert(
      fc.property(inputs, fc.nat({ max: 100_000 }), (input, more) => {
        const less = forecast({ ...input, used: Math.min(input.used, Number.MAX_SAFE_INTEGER - more) });
        const result = forecast({ ...input, used: Math.min(input.used, Number.MAX_SAFE_INTEGER - more) + more });
        expect(result.p50).toBeGreaterThanOrEqual(less.p50);
        expect(result.p90).toBeGreaterThanOrEqual(less.p90);
        if (input.limit === null) return;
        const lower = forecast(input).exhaustedAtMs ?? Infinity;
        expect(forecast({ ...input, limit: input.limit + more }).exhaustedAtMs ?? Infinity).toBeGreaterThanOrEqual(
          lower,
        );
      }),
      thorough,
    );
  });

  test("a window that ends later, of a month or more, forecasts no less", () => {
    const lengths = fc.tuple(fc.integer({ min: 30, max: 400 }), fc.integer({ min: 30, max: 400 }));
    fc.assert(
      fc.property(histories, fc.nat({ max: 9_999 }), fc.nat({ max: 29 }), lengths, (units, used, passed, [a, b]) => {
        const nowMs = JUNE_MS + passed * DAY_MS + HOUR_MS;
        const until = (days: number) => {
          const window = { startMs: JUNE_MS, endMs: JUNE_MS + days * DAY_MS };
          return forecast(inJune({ nowMs, used, window, days: daysUntil(nowMs - HOUR_MS, units) }));
        };
        expect(until(Math.max(a, b)).p50).toBeGreaterThanOrEqual(until(Math.min(a, b)).p50);
        expect(until(Math.max(a, b)).p90).toBeGreaterThanOrEqual(until(Math.min(a, b)).p90);
      }),
      thorough,
    );
  });

  test("in other units it is the same forecast, but for rounding", () => {
    fc.assert(
      fc.property(inputs, fc.constantFrom(2, 16, 1_024), (input, factor) => {
        const used = Math.min(input.used, 2 ** 30);
        const one = forecast({ ...input, used });
        const days = input.days.map((day) => ({ ...day, units: day.units * factor }));
        const many = forecast({ ...input, used: used * factor, days });
        expect(Math.abs(many.p50 - one.p50 * factor)).toBeLessThanOrEqual(factor / 2 + 1);
        expect(Math.abs(many.p90 - one.p90 * factor)).toBeLessThanOrEqual(factor / 2 + 1);
        expect({ method: many.method, basis: many.basis }).toEqual({ method: one.method, basis: one.basis });
      }),
      thorough,
    );
  });
});

// ---- The corners of a window

describe("method", () => {
  const noon = JUNE_MS + 10 * DAY_MS;
  const steady = (length: number) =>
    daysUntil(
      noon,
      Array.from({ length }, () => 100),
    );

  test.each([
    [0, "run-rate"],
    [1, "ewma+run-rate"],
    [13, "ewma+run-rate"],
    [14, "weekday-ewma+run-rate"],
    [56, "weekday-ewma+run-rate"],
  ])("of %i days of history is %s", (length, method) => {
    const result = forecast(inJune({ nowMs: noon, used: 1_000, days: steady(length) }));
    expect(result).toMatchObject({ method, p50: 3_000, basis: { days: length, elapsed: 1 / 3 } });
  });

  test("counts no more than the last 56 days, and none of a silence before the first use", () => {
    const old = Array.from({ length: 40 }, () => 9_999);
    const recent = Array.from({ length: 56 }, () => 100);
    expect(forecast(inJune({ nowMs: noon, used: 1_000, days: daysUntil(noon, [...old, ...recent]) }))).toMatchObject({
      p50: 3_000,
      basis: { days: 56 },
    });
    const silence = Array.from({ length: 46 }, () => 0);
    const young = Array.from({ length: 10 }, () => 100);
    expect(forecast(inJune({ nowMs: noon, used: 1_000, days: daysUntil(noon, [...silence, ...young]) }))).toMatchObject(
      {
        method: "ewma+run-rate",
        p50: 3_000,
        basis: { days: 10 },
      },
    );
  });

  test.each([
    ["longer than 400 days", 401 * DAY_MS],
    ["without end", Infinity],
  ])("of a window %s is none: what is used is all that is said", (_, lengthMs) => {
    const window = { startMs: JUNE_MS, endMs: JUNE_MS + lengthMs };
    const result = forecast(inJune({ nowMs: noon, window, used: 70, limit: 100, days: steady(56) }));
    expect(result).toMatchObject({ method: "none", p50: 70, p90: 70, exhaustedAtMs: null, expectedOverageUnits: 0 });
  });

  test("of a window that is over is none", () => {
    for (const nowMs of [JUNE.endMs, JUNE.endMs + DAY_MS]) {
      const result = forecast(inJune({ nowMs, used: 70, limit: 50, overage: { price: 10, per: 1 }, days: steady(20) }));
      expect(result).toEqual({
        method: "none",
        p50: 70,
        p90: 70,
        exhaustedAtMs: nowMs,
        expectedOverageUnits: 20,
        expectedOverageCost: 200,
        basis: { days: 0, elapsed: 1 },
      });
    }
  });

  test("of an hour is its run rate, whatever the days say", () => {
    const window = { startMs: noon, endMs: noon + HOUR_MS };
    const result = forecast(inJune({ nowMs: noon + HOUR_MS / 4, window, used: 25, days: steady(56) }));
    expect(result).toMatchObject({ method: "run-rate", p50: 100 });
    expect(result.p90).toBeLessThan(150);
  });
});

test("without any use or history nothing is foreseen", () => {
  for (const days of [
    [],
    daysUntil(
      JUNE_MS,
      Array.from({ length: 56 }, () => 0),
    ),
  ]) {
    const result = forecast(inJune({ nowMs: JUNE_MS + 5 * DAY_MS, days, limit: 10, overage: { price: 1, per: 1 } }));
    expect(result).toMatchObject({ method: "run-rate", p50: 0, p90: 0, exhaustedAtMs: null, expectedOverageCost: 0 });
  }
});

test("the first minute of a window is no rate: a hundred calls in it are not four million a month", () => {
  const nowMs = JUNE_MS + 60_000;
  expect(forecast(inJune({ nowMs, used: 100 })).p50).toBeLessThan(3_200);
  const days = daysUntil(
    JUNE_MS,
    Array.from({ length: 56 }, () => 500),
  );
  const known = forecast(inJune({ nowMs, used: 100, days }));
  expect(known.p50).toBeGreaterThan(14_500);
  expect(known.p50).toBeLessThan(15_600);
});

test("two days of a month alone say little: p90 is far from p50, and nearer with two weeks", () => {
  const early = forecast(inJune({ nowMs: JUNE_MS + 2 * DAY_MS, used: 200 }));
  const later = forecast(inJune({ nowMs: JUNE_MS + 14 * DAY_MS, used: 1_400 }));
  expect([early.p50, later.p50]).toEqual([3_000, 3_000]);
  expect(early.p90).toBeGreaterThan(4_000);
  expect(later.p90).toBeLessThan(3_500);
});

test("the last minute of a window adds next to nothing", () => {
  const days = daysUntil(
    JUNE.endMs - DAY_MS,
    Array.from({ length: 56 }, () => 1_000),
  );
  const result = forecast(inJune({ nowMs: JUNE.endMs - 60_000, used: 30_000, days }));
  expect(result.p50).toBeLessThanOrEqual(30_001);
  expect(result.p90).toBeLessThan(30_100);
});

test("a steady hundred a day exhausts 2000 on the 21st and goes 1000 beyond, at ten cents each", () => {
  const nowMs = JUNE_MS + 10 * DAY_MS;
  const days = daysUntil(
    nowMs,
    Array.from({ length: 56 }, () => 100),
  );
  const result = forecast(inJune({ nowMs, used: 1_000, days, limit: 2_000, overage: { price: 10, per: 1 } }));
  expect(result).toMatchObject({ p50: 3_000, expectedOverageUnits: 1_000, expectedOverageCost: 10_000 });
  expect(Math.abs((result.exhaustedAtMs ?? 0) - (JUNE_MS + 20 * DAY_MS))).toBeLessThan(HOUR_MS);
});

test("traffic of weekdays only exhausts its limit on no weekend, and an idle weekend changes nothing", () => {
  const week = [100, 100, 100, 100, 100, 0, 0];
  const days = (nowMs: number) =>
    daysUntil(
      nowMs,
      Array.from({ length: 56 }, (_, at) => week[at % 7] ?? 0),
    );
  const monday = JUNE_MS + 7 * DAY_MS;
  for (let limit = 501; limit <= 2_200; limit += 50) {
    const at = forecast(inJune({ nowMs: monday, used: 500, days: days(monday), limit })).exhaustedAtMs;
    expect(at).not.toBeNull();
    expect([1, 2, 3, 4, 5]).toContain(new Date(at ?? 0).getUTCDay());
  }
  // June 2026 has 22 weekdays. Saturday and Sunday the 6th and 7th, seen from each of them and from the Monday after.
  for (const passed of [5, 5.5, 6, 6.9, 7]) {
    const nowMs = JUNE_MS + passed * DAY_MS;
    const past = days(monday).filter((day) => day.startMs + DAY_MS <= nowMs);
    expect(forecast(inJune({ nowMs, used: 500, days: past })).p50).toBe(2_200);
  }
});

test("one burst is not taken for a habit of its weekday", () => {
  const mean = (55 * 100 + 20_000) / 56;
  const tomorrow = { startMs: JUNE_MS, endMs: JUNE_MS + DAY_MS };
  for (let burst = 28; burst < 56; burst++) {
    const units = Array.from({ length: 56 }, (_, at) => (at === burst ? 20_000 : 100));
    const result = forecast(inJune({ window: tomorrow, days: daysUntil(JUNE_MS, units) }));
    expect(result.p50).toBeGreaterThanOrEqual(100);
    expect(result.p50).toBeLessThan(3 * mean);
    expect(result.p90).toBeGreaterThan(2_000);
  }
});

describe("drift", () => {
  const dayAfter = (units: (at: number) => number, change: Partial<ForecastInput> = {}) =>
    forecast(
      inJune({
        days: daysUntil(
          JUNE_MS,
          Array.from({ length: 56 }, (_, at) => units(at)),
        ),
        ...change,
      }),
    );

  test("of a history that grew throughout is carried on, by p90 further", () => {
    const { p50, p90 } = dayAfter((at) => 1_000 + 10 * at);
    expect(p50).toBeGreaterThan(30 * 1_580);
    expect(p50).toBeLessThan(30 * 1_700);
    expect(p90 - p50).toBeGreaterThan(30 * 60);
  });

  test("of a history that shrank throughout is carried on by p50 alone", () => {
    const { p50, p90 } = dayAfter((at) => 1_550 - 10 * at);
    expect(p50).toBeGreaterThan(30 * 850);
    expect(p50).toBeLessThan(30 * 970);
    expect(p90 - p50).toBeGreaterThan(7_000); // with the drift it would be 5300
  });

  test("never takes back what is used", () => {
    const { p50 } = dayAfter((at) => 1_120 - 20 * at, { used: 10 });
    expect(p50).toBeGreaterThanOrEqual(10);
    expect(p50).toBeLessThan(30 * 50);
  });

  test("is carried on for four weeks at most", () => {
    const year = { startMs: JUNE_MS, endMs: JUNE_MS + 365 * DAY_MS };
    const { p50 } = dayAfter((at) => 1_000 + 10 * at, { window: year });
    expect(p50).toBeGreaterThan(365 * 1_600);
    expect(p50).toBeLessThan(365 * 1_700);
  });

  test("of a step, or of a rise that has turned, is none", () => {
    expect(dayAfter((at) => (at < 28 ? 1_000 : 2_000)).p50).toBe(60_000);
    const turned = dayAfter((at) => (at < 28 ? 1_000 + 20 * at : 1_560 - 15 * (at - 28)));
    expect(turned.p50).toBeGreaterThan(30 * 1_140);
    expect(turned.p50).toBeLessThan(30 * 1_180);
  });
});

test("in a long window, recent days count more than use of long ago", () => {
  const nowMs = JUNE_MS + 206 * DAY_MS;
  const window = { startMs: JUNE_MS, endMs: JUNE_MS + 365 * DAY_MS };
  const used = 150 * 1_000 + 56 * 100;
  const days = daysUntil(
    nowMs,
    Array.from({ length: 56 }, () => 100),
  );
  const { p50 } = forecast(inJune({ nowMs, window, used, days }));
  expect(p50 - used).toBeLessThan((365 - 206) * 160);
});

test("a limit met at the very end is exhausted in the last moment of the window", () => {
  const nowMs = JUNE_MS + 10 * DAY_MS;
  const days = daysUntil(
    nowMs,
    Array.from({ length: 56 }, () => 100),
  );
  expect(forecast(inJune({ nowMs, used: 1_000, days, limit: 3_000 }))).toMatchObject({
    exhaustedAtMs: JUNE.endMs - 1,
    expectedOverageUnits: 0,
  });
});
