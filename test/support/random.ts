/**
 * Random numbers that can be had again: tests that choose instants or inputs print their seed, and `TOLLGATE_SEED=n` repeats
 * the run. Does not serve secrets.
 */

/** Numbers from 0 up to 1, 32 bits each (mulberry32). */
export interface Random {
  readonly seed: number;
  next(): number;
  /** An integer, both ends included. */
  between(from: number, to: number): number;
  pick<T>(items: readonly [T, ...T[]]): T;
}

/** `TOLLGATE_SEED`: a whole number above 0; 0: none. */
const wished = Math.max(0, Math.trunc(Number(process.env.TOLLGATE_SEED ?? 0))) || 0;

/** Of what draws the same cases in every run: `TOLLGATE_SEED`, else always the same. */
export const repeatableSeed = wished || 20_261_129;

/** `TOLLGATE_SEED`, else a new seed; printed with `title`, so that a failing run can be repeated. */
export function seededRandom(title: string): Random {
  const seed = wished || Math.floor(Math.random() * 2 ** 31) + 1;
  process.stdout.write(`${title}: TOLLGATE_SEED=${seed}\n`);
  return randomOf(seed);
}

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const between = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  return { seed, next, between, pick: (items) => items[between(0, items.length - 1)] ?? items[0] };
}
