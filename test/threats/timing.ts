/**
 * Does the time of an operation tell two classes of input apart? Welch's t over interleaved samples, after dudect
 * (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?"). Measures only; what a |t| means is for the test to say.
 */
import type { Random } from "#test/support/random.ts";

export interface TimingOptions {
  /** Samples of each class. */
  readonly samples: number;
  /** Operations timed as one sample, so that the clock's own grain and cost do not matter. */
  readonly batch: number;
  readonly random: Random;
}

/** Samples before the first that counts: the code is compiled meanwhile. */
const WARM_UP = 1000;
/** Slowest share of all samples that is dropped: interrupts and collections, which are nobody's secret. */
const CROPPED = 0.1;

/** The t value of both classes. `left` and `right` do one operation each, on the input with this number. */
export function tValue(left: (index: number) => void, right: (index: number) => void, options: TimingOptions): number {
  const { samples, batch, random } = options;
  const times: readonly [number[], number[]] = [[], []];
  for (let index = -WARM_UP; index < samples * 2; index++) {
    // By chance and not in turn: what comes every second time would belong to one class.
    const side = random.next() < 0.5 ? 0 : 1;
    const operation = side === 0 ? left : right;
    const start = process.hrtime.bigint();
    for (let count = 0; count < batch; count++) operation((index + WARM_UP) * batch + count);
    if (index >= 0) times[side].push(Number(process.hrtime.bigint() - start));
  }
  // One threshold for both classes: each its own would hide a difference in the slow ones.
  const limit = [...times[0], ...times[1]].sort((a, b) => a - b)[Math.floor(samples * 2 * (1 - CROPPED))] ?? Infinity;
  return welch(
    times[0].filter((time) => time <= limit),
    times[1].filter((time) => time <= limit),
  );
}

function welch(left: readonly number[], right: readonly number[]): number {
  const a = momentsOf(left);
  const b = momentsOf(right);
  return (a.mean - b.mean) / Math.sqrt(a.variance / left.length + b.variance / right.length);
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly variance: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, variance };
}

/** Milliseconds of one run of `work` at the median of `runs`. */
export async function medianMs(runs: number, work: () => unknown): Promise<number> {
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[Math.floor(runs / 2)] ?? Infinity;
}
