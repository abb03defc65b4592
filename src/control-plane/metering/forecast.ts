/**
 * Where a meter will stand at the end of its window. Main thread; pure, no clock, no randomness, nothing read.
 * Not here: finding the days and counters (`usage.ts`), refusing anything. It is demand: a quota that blocks does not lower it.
 *
 * The formula (`weekday-ewma+run-rate`), all in units a day:
 * - Shape: what each day of the week is against the mean, believed as far as weeks agree with each other.
 * - Level: exponentially weighted mean of the days, against the shape; of five gains the one that foresaw each next day best.
 * - Run rate: used in the window / days elapsed, against the shape; counts more the more of the window has passed, and the
 *   less history there is. Without history it is all there is.
 * - Drift: what both halves of the history grew or shrank by; half of it is carried on, for four weeks at most, by p90 all.
 * - p90: normal, from the errors of next-day forecasts, grown as an exponential mean's error grows with the days ahead.
 * Back-tested in `test/control-plane/metering/forecast-accuracy.test.ts`, where the errors it keeps to are stated.
 */
import { overageCost, type UnitPrice } from "#core/money.ts";
import {
  DRIFT_DAYS_MAX,
  factorOf,
  historyOf,
  type Level,
  levelOf,
  type PastDay,
  type Shape,
  SHAPE_DAYS_MIN,
  shapeOf,
  sum,
} from "./forecast-level.ts";

export interface ForecastInput {
  readonly nowMs: number;
  /** Half open. A moment outside it counts as its nearer end. */
  readonly window: { readonly startMs: number; readonly endMs: number };
  /** Units used in the window so far: whole, from 0. */
  readonly used: number;
  /** Complete past days, oldest first, each following the one before, days without use as 0; of more than 56 the last. May overlap the window's start. */
  readonly days: readonly PastDay[];
  /** Whole units; null is unlimited. */
  readonly limit: number | null;
  /** null: units beyond the limit have no price. */
  readonly overage: UnitPrice | null;
}

/**
 * - `weekday-ewma+run-rate`: two weeks of history or more.
 * - `ewma+run-rate`: less; every day of the week is taken to be alike.
 * - `run-rate`: no history, or a window shorter than a day, of which days tell nothing.
 * - `none`: the window is over, or longer than 400 days (a lifetime): what is used is all that is said.
 */
export type ForecastMethod = "weekday-ewma+run-rate" | "ewma+run-rate" | "run-rate" | "none";

/** `used <= p50 <= p90`, whole units, at most `Number.MAX_SAFE_INTEGER`. */
export interface Forecast {
  readonly method: ForecastMethod;
  /** Units at the window's end: the middle estimate. */
  readonly p50: number;
  /** Units at the window's end that about nine of ten windows stay within. */
  readonly p90: number;
  /** When p50 reaches the limit, `nowMs` when it is reached already; null: not before the window's end, or no limit. */
  readonly exhaustedAtMs: number | null;
  /** Of p50, beyond the limit. */
  readonly expectedOverageUnits: number;
  /** Minor units; null without a price. */
  readonly expectedOverageCost: number | null;
  /** What it rests on: days of history used, and the part of the window gone by, from 0 to 1. */
  readonly basis: { readonly days: number; readonly elapsed: number };
}

const DAY_MS = 86_400_000;
const WINDOW_DAYS_MAX = 400;
/** Before errors are known, and worth this many days of them: a day is off by half its level. */
const PRIOR_ERROR = 0.5;
const PRIOR_ERROR_DAYS = 3;
/** The standard normal distribution's 0.9 quantile. */
const Z90 = 1.2816;

/** Costs some 0.1 ms at most. */
export function forecast(input: ForecastInput): Forecast {
  const { startMs, endMs } = input.window;
  const nowMs = Math.min(Math.max(input.nowMs, startMs), endMs);
  const lengthMs = endMs - startMs;
  const elapsed = nowMs === endMs ? 1 : (nowMs - startMs) / lengthMs;
  if (nowMs === endMs || lengthMs > WINDOW_DAYS_MAX * DAY_MS) return nothingAhead(input, elapsed);

  const days = lengthMs < DAY_MS ? [] : historyOf(input.days);
  const shape = shapeOf(days);
  const level = levelOf(days, shape);
  const ahead = project(input, nowMs, shape, level, days.length);
  const p50 = whole(input.used + ahead.units);
  return {
    method: methodFor(days.length),
    p50,
    p90: whole(input.used + ahead.units + ahead.margin90),
    exhaustedAtMs: exhaustedAt(input, p50, ahead.spans),
    ...overageOf(p50, input),
    basis: { days: days.length, elapsed },
  };
}

function nothingAhead(input: ForecastInput, elapsed: number): Forecast {
  const { used } = input;
  const exhaustedAtMs = exhaustedAt(input, used, []);
  const basis = { days: 0, elapsed };
  return { method: "none", p50: used, p90: used, exhaustedAtMs, ...overageOf(used, input), basis };
}

function methodFor(days: number): ForecastMethod {
  if (days === 0) return "run-rate";
  return days < SHAPE_DAYS_MIN ? "ewma+run-rate" : "weekday-ewma+run-rate";
}

/** A day, or the part of one inside the window. */
interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  /** Days × factor: what it is worth in days of factor 1. */
  readonly weight: number;
}

function spansOf(fromMs: number, toMs: number, shape: Shape): readonly Span[] {
  const spans: Span[] = [];
  for (let at = fromMs; at < toMs; ) {
    const dayMs = shape.anchorMs + Math.floor((at - shape.anchorMs) / DAY_MS) * DAY_MS;
    const until = Math.min(dayMs + DAY_MS, toMs);
    spans.push({ fromMs: at, toMs: until, weight: ((until - at) / DAY_MS) * factorOf(shape, dayMs) });
    at = until;
  }
  return spans;
}

interface FutureSpan extends Span {
  readonly units: number;
}

interface Ahead {
  readonly spans: readonly FutureSpan[];
  readonly units: number;
  /** Units between p50 and p90, from 0. */
  readonly margin90: number;
}

function project(input: ForecastInput, nowMs: number, shape: Shape, level: Level, historyDays: number): Ahead {
  const { startMs, endMs } = input.window;
  // The grain of a window: a day, or a thirtieth of a shorter one. Less than one grain of use is no rate yet.
  const grain = Math.min(1, (endMs - startMs) / DAY_MS / 30);
  const past = sum(spansOf(startMs, nowMs, shape).map((span) => span.weight));
  const trust = Math.min(1, ((30 * grain) / past) ** 2); // beyond a month, use of long ago: the more of it, the less it counts
  const prior = historyDays * grain;
  const seen = Math.max(past * trust + prior, grain);
  const perDay = (input.used * trust + prior * level.perDay) / seen;

  const future = spansOf(nowMs, endMs, shape);
  const halfDrift = future.map((span) => (level.driftPerDay / 2) * driftDays(span, shape));
  const spans = future.map((span, index) => ({
    ...span,
    units: span.weight * Math.max(0, perDay + (halfDrift[index] ?? 0)),
  }));
  const variance =
    (level.squares + PRIOR_ERROR_DAYS * (PRIOR_ERROR * perDay) ** 2 * grain) / (level.weight + PRIOR_ERROR_DAYS);
  const deviation = Math.sqrt(variance * spread(future, level.gain, Math.max(past, prior, grain)));
  const otherHalf = sum(future.map((span, index) => span.weight * Math.max(0, halfDrift[index] ?? 0)));
  return { spans, units: sum(spans.map((span) => span.units)), margin90: otherHalf + Z90 * deviation };
}

/** Days from the history's end to the span, as the drift counts them. */
function driftDays(span: Span, shape: Shape): number {
  const middleMs = (span.fromMs + span.toMs) / 2;
  return Math.min(DRIFT_DAYS_MAX, (middleMs - shape.anchorMs) / DAY_MS - 0.5);
}

/**
 * Variance of the sum of all spans, in variances of one day: an error moves its own day by 1 and every later one by `gain`,
 * and the level is known only as well as the days seen, in the window or before it, tell it.
 */
function spread(spans: readonly Span[], gain: number, seen: number): number {
  let after = 0;
  let variance = 0;
  for (const span of spans.toReversed()) {
    variance += span.weight * (1 + gain * after) ** 2;
    after += span.weight;
  }
  return variance + after ** 2 / seen;
}

function exhaustedAt(input: ForecastInput, p50: number, spans: readonly FutureSpan[]): number | null {
  const { used, limit, window } = input;
  if (limit === null || p50 < limit) return null;
  if (used >= limit) return input.nowMs;
  let left = limit - used;
  for (const span of spans) {
    if (span.units >= left) {
      const atMs = Math.ceil(span.fromMs + ((span.toMs - span.fromMs) * left) / span.units);
      return Math.min(atMs, window.endMs - 1);
    }
    left -= span.units;
  }
  return window.endMs - 1; // p50 was rounded up to the limit
}

function overageOf(
  p50: number,
  { limit, overage }: ForecastInput,
): Pick<Forecast, "expectedOverageUnits" | "expectedOverageCost"> {
  const expectedOverageUnits = limit === null ? 0 : Math.max(0, p50 - limit);
  return {
    expectedOverageUnits,
    expectedOverageCost: overage === null ? null : overageCost(expectedOverageUnits, overage),
  };
}

function whole(units: number): number {
  return Math.min(Math.round(units), Number.MAX_SAFE_INTEGER);
}
