/**
 * What past days say of a meter: the pattern of its week, its level, how fast that moves and how well it was foreseen.
 * Main thread; pure. Not here: the window and its end (`forecast.ts`, where the whole formula is told).
 */

/** A complete day; `units` whole, from 0. */
export interface PastDay {
  readonly startMs: number;
  readonly units: number;
}

const DAY_MS = 86_400_000;
const HISTORY_DAYS_MAX = 56;
/** Two weeks: one alone cannot tell a pattern from chance. */
export const SHAPE_DAYS_MIN = 14;
const STARTING_DAYS = 14;
const DRIFT_HISTORY_DAYS_MIN = 28;
/** For how long a drift is carried on. */
export const DRIFT_DAYS_MAX = 28;
/** From "the level hardly moves" to "yesterday is half of it". */
const GAINS = [0.03, 0.06, 0.12, 0.25, 0.5] as const;
/** A livelier gain must foresee better by this much: noise alone often favours it by a little. */
const LIVELIER_GAIN_MARGIN = 0.97;

/** A first week or more without use is the time before the account came, not a habit of it. */
export function historyOf(days: readonly PastDay[]): readonly PastDay[] {
  const recent = days.slice(-HISTORY_DAYS_MAX);
  const first = recent.findIndex((day) => day.units > 0);
  if (first < 0) return [];
  return first < 7 ? recent : recent.slice(first);
}

/** What each day of a week is against the mean of all, which is 1. `factors[0]` is the day that begins at `anchorMs`. */
export interface Shape {
  readonly anchorMs: number;
  readonly factors: readonly number[];
}

export function shapeOf(days: readonly PastDay[]): Shape {
  const anchorMs = days.at(-1)?.startMs ?? 0;
  const flat: Shape = { anchorMs, factors: Array.from({ length: 7 }, () => 1) };
  const weeks = Math.floor(days.length / 7);
  const recent = days.slice(days.length - weeks * 7);
  const total = sum(recent.map((day) => day.units));
  if (days.length < SHAPE_DAYS_MIN || total === 0) return flat;

  const mean = total / recent.length;
  const slots = flat.factors.map((_, slot) => recent.filter((day) => slotAt(flat, day.startMs) === slot));
  const means = slots.map((slot) => sum(slot.map((day) => day.units)) / Math.max(1, slot.length));
  const within = sum(slots.flatMap((slot, at) => slot.map((day) => (day.units - (means[at] ?? 0)) ** 2)));
  const between = sum(means.map((each) => (each - mean) ** 2)) / 6;
  // Means of `weeks` days differ by this much without any pattern; only what is beyond it is one.
  const chance = within / (recent.length - 7) / weeks;
  const belief = between <= chance ? 0 : 1 - chance / between;
  return { anchorMs, factors: means.map((each) => 1 + belief * (each / mean - 1)) };
}

/** 0 to 6. Rounded to the nearest day, for a day of 23 or 25 hours in the history. */
function slotAt(shape: Shape, dayStartMs: number): number {
  const days = Math.round((dayStartMs - shape.anchorMs) / DAY_MS);
  return ((days % 7) + 7) % 7;
}

export function factorOf(shape: Shape, dayStartMs: number): number {
  return shape.factors[slotAt(shape, dayStartMs)] ?? 1;
}

/** Units on a day of factor 1, and how well they were foreseen. */
export interface Level {
  readonly perDay: number;
  readonly driftPerDay: number;
  readonly gain: number;
  /** Sum of squared next-day errors, and of the factors of their days. */
  readonly squares: number;
  readonly weight: number;
}

export function levelOf(days: readonly PastDay[], shape: Shape): Level {
  const [calmest, ...livelier] = GAINS;
  return livelier.reduce(
    (best, gain) => {
      const next = smooth(days, shape, gain);
      return next.squares < best.squares * LIVELIER_GAIN_MARGIN ? next : best;
    },
    smooth(days, shape, calmest),
  );
}

/** One pass over the days: foresee each from those before it, then learn from the error. */
function smooth(days: readonly PastDay[], shape: Shape, gain: number): Level {
  const start = startingLevel(days, shape);
  let middle = start;
  let perDay = start;
  let squares = 0;
  let weight = 0;
  for (const [index, day] of days.entries()) {
    const factor = factorOf(shape, day.startMs);
    const error = day.units - perDay * factor;
    squares += error ** 2;
    weight += factor;
    perDay = Math.max(0, perDay + gain * error);
    if (index + 1 === Math.floor(days.length / 2)) middle = perDay;
  }
  const driftPerDay = days.length < DRIFT_HISTORY_DAYS_MIN ? 0 : commonDrift(start, middle, perDay, days.length);
  return { perDay, driftPerDay, gain, squares, weight };
}

/** The slower of its halves' when they go the same way, else none: growth shows in both halves of a history, a step in one. */
function commonDrift(start: number, middle: number, end: number, days: number): number {
  const middleDay = Math.floor(days / 2);
  const before = (middle - start) / (middleDay - STARTING_DAYS / 2); // the start is the mean of its days, so their middle
  const since = (end - middle) / (days - middleDay);
  if (before * since <= 0) return 0;
  return Math.abs(before) < Math.abs(since) ? before : since;
}

function startingLevel(days: readonly PastDay[], shape: Shape): number {
  const first = days.slice(0, STARTING_DAYS);
  const weight = sum(first.map((day) => factorOf(shape, day.startMs)));
  return weight === 0 ? 0 : sum(first.map((day) => day.units)) / weight;
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
