/**
 * How near the forecast comes: months of made-up days whose end is known, forecast at noon of their days 5, 10 and 20.
 * The seeds are fixed: they measure the formula, and must measure the same tomorrow.
 */
import { describe, expect, test } from "vitest";
import { forecast } from "#control-plane/metering/forecast.ts";
import { type Random, randomOf } from "#test/support/random.ts";

const DAY_MS = 86_400_000;
const SEEDS = process.env.TOLLGATE_LONG === "1" ? 1_000 : 120;
const LAST_DAYS = [5, 10, 20] as const;
const SHORT_HISTORY_DAYS = 14;

interface Site {
  readonly random: Random;
  /** The weekday of day 0, and the day of the step. */
  readonly phase: number;
  readonly stepDay: number;
}

/** Log-normal with mean 1: never negative, with a long upper tail. `variation` is the deviation over the mean. */
function noise(random: Random, variation: number): number {
  const deviation = Math.sqrt(Math.log(1 + variation ** 2));
  const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());
  return Math.exp(deviation * normal - deviation ** 2 / 2);
}

const weekend = (day: number, { phase }: Site): boolean => (day + phase) % 7 > 4;

type Traffic = (day: number, site: Site) => number;

const TRAFFIC = {
  constant: () => 1_000,
  noisy: (_, { random }) => 1_000 * noise(random, 0.25),
  "very noisy": (_, { random }) => 1_000 * noise(random, 1),
  growing: (day, { random }) => 1_000 * 1.01 ** day * noise(random, 0.1),
  shrinking: (day, { random }) => 1_000 * 0.99 ** day * noise(random, 0.1),
  "weekdays only": (day, site) => (weekend(day, site) ? 0 : 1_400) * noise(site.random, 0.2),
  "quiet weekends": (day, site) => (weekend(day, site) ? 300 : 1_300) * noise(site.random, 0.25),
  "step up": (day, { random, stepDay }) => (day < stepDay ? 1_000 : 2_500) * noise(random, 0.15),
  "step down": (day, { random, stepDay }) => (day < stepDay ? 2_500 : 1_000) * noise(random, 0.15),
  bursts: (_, { random }) => 1_000 * noise(random, 0.2) * (random.next() < 0.03 ? 20 : 1),
  "one day in three": (_, { random }) => (random.next() < 0.33 ? 3_000 : 0) * noise(random, 0.5),
} as const satisfies Readonly<Record<string, Traffic>>;

interface Goal {
  /** Mean absolute error of p50, percent of the month, at days 5, 10, 20. */
  readonly mape: readonly [number, number, number];
  /** The errors of the three days, as part of those of scaling by elapsed time. */
  readonly ofPlain: number;
  /** Percent of months that stay within p90, at least and at most. */
  readonly within90: readonly [number, number];
}

/** Most and least, some fifth beyond what was measured. Steps may come as late as day 4: until they are seen, nobody knows. */
const GOALS: Readonly<Record<keyof typeof TRAFFIC, Goal>> = {
  constant: { mape: [0.1, 0.1, 0.1], ofPlain: 1, within90: [100, 100] },
  noisy: { mape: [5, 5, 3], ofPlain: 0.75, within90: [85, 99] },
  "very noisy": { mape: [19, 18, 11], ofPlain: 0.8, within90: [80, 98] },
  growing: { mape: [12, 9, 4], ofPlain: 0.9, within90: [75, 99] },
  shrinking: { mape: [11, 7, 4], ofPlain: 0.7, within90: [90, 100] },
  "weekdays only": { mape: [5, 4.5, 3], ofPlain: 0.45, within90: [85, 99] },
  "quiet weekends": { mape: [6, 5, 3.5], ofPlain: 0.6, within90: [85, 99] },
  "step up": { mape: [14, 7, 3.5], ofPlain: 1.2, within90: [80, 100] },
  "step down": { mape: [29, 8, 3.5], ofPlain: 1.4, within90: [90, 100] },
  bursts: { mape: [42, 35, 24], ofPlain: 1.05, within90: [70, 97] },
  "one day in three": { mape: [35, 35, 20], ofPlain: 0.85, within90: [80, 98] },
};

interface Score {
  readonly mape: number;
  readonly plainMape: number;
  readonly within90: number;
}

/** Forecasts of one month for each seed, at noon of its `passed`th day. */
function backTest(traffic: Traffic, passed: number, historyDays = 56): Score {
  const scores = Array.from({ length: SEEDS }, (_, index) => {
    const random = randomOf(index * 7_919 + passed);
    const window = { startMs: Date.UTC(2026, index % 12, 1), endMs: Date.UTC(2026, (index % 12) + 1, 1) };
    const length = (window.endMs - window.startMs) / DAY_MS;
    const site = { random, phase: random.between(0, 6), stepDay: random.between(36, 60) };
    const units = Array.from({ length: 56 + length }, (__, day) => Math.round(traffic(day, site)));
    const today = 56 + passed - 1;
    const used = sum(units.slice(56, today)) + Math.round((units[today] ?? 0) / 2);
    const nowMs = window.startMs + (passed - 0.5) * DAY_MS;
    const past = units.slice(today - historyDays, today);
    const days = past.map((each, at) => ({
      startMs: window.startMs + (passed - 1 - historyDays + at) * DAY_MS,
      units: each,
    }));
    const total = sum(units.slice(56));
    const { p50, p90 } = forecast({ nowMs, window, used, days, limit: null, overage: null });
    const plain = (used * length) / (passed - 0.5);
    return { mape: Math.abs(p50 / total - 1), plainMape: Math.abs(plain / total - 1), within90: total <= p90 ? 1 : 0 };
  });
  const percent = (key: keyof Score): number => (100 * sum(scores.map((score) => score[key]))) / SEEDS;
  return { mape: percent("mape"), plainMape: percent("plainMape"), within90: percent("within90") };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe("months of made-up traffic", () => {
  test.each(Object.entries(TRAFFIC))("%s: errors and p90 hold their goals", (name, traffic) => {
    const goal = GOALS[name as keyof typeof TRAFFIC]; // the names come from there
    const scores = LAST_DAYS.map((day) => backTest(traffic, day));
    for (const [index, score] of scores.entries()) {
      expect(score.mape).toBeLessThanOrEqual(goal.mape[index] ?? 0);
      expect(score.within90).toBeGreaterThanOrEqual(goal.within90[0]);
      expect(score.within90).toBeLessThanOrEqual(goal.within90[1]);
    }
    const plain = sum(scores.map((score) => score.plainMape));
    expect(sum(scores.map((score) => score.mape))).toBeLessThanOrEqual(goal.ofPlain * plain + 0.3);
  });

  test.each(["weekdays only", "quiet weekends"] as const)(
    "%s: better than scaling by elapsed time at each day, with two weeks of history as well",
    (name) => {
      for (const day of LAST_DAYS) {
        const known = backTest(TRAFFIC[name], day);
        expect(known.mape).toBeLessThan(0.85 * known.plainMape);
        const young = backTest(TRAFFIC[name], day, SHORT_HISTORY_DAYS);
        expect(young.mape).toBeLessThan(young.plainMape);
      }
    },
  );

  test("without history it does as scaling by elapsed time does", () => {
    for (const traffic of Object.values(TRAFFIC)) {
      const { mape, plainMape, within90 } = backTest(traffic, 10, 0);
      expect(Math.abs(mape - plainMape)).toBeLessThan(0.1);
      expect(within90).toBeGreaterThan(60);
    }
  });
});
