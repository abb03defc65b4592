/**
 * Lets somebody else act between two steps of an operation on shared tables, or ends the thread there, at every step in turn: what
 * happens to threads once in a million times happens here each time. Steps are the calls of `SharedTable`, for deaths those of `InFlight`
 * too; one thread plays all parts. Does not judge the outcome.
 */
import { InFlight } from "#shared/in-flight-table.ts";
import { SharedTable } from "#shared/shared-table.ts";

const TABLE_STEPS = ["find", "holds", "claim", "load", "swap", "add"] as const;
const NOTE_STEPS = ["add", "addSlot", "change", "charging", "clear", "clearOne"] as const;

/** Before which step, counted from 0, who acts. */
export type Plan = readonly (readonly [step: number, act: () => void])[];

/**
 * Runs `work` with the acts of the plan between its steps; says how many steps it had. What a step does inside, be it under the lock of
 * a set, is not cut any further, and whoever acts is not interrupted.
 */
export function interrupted<T>(plan: Plan, work: () => T): { readonly outcome: T; readonly steps: number } {
  let steps = 0;
  const wrap = outermost(() => {
    for (const [step, act] of plan) if (step === steps) act();
    steps++;
  });
  const undo = TABLE_STEPS.map((name) => around(SharedTable.prototype, name, wrap));
  try {
    return { outcome: work(), steps };
  } finally {
    for (const restore of undo) restore();
  }
}

/** The thread ended here. */
class Death extends Error {}

/**
 * Runs `work` until before this step; from there on nothing of it happens any more, whatever it tries while it unwinds. Says how many
 * steps there were, at most one more than `step`.
 */
export function diesAt(step: number, work: () => void): number {
  let steps = 0;
  const wrap = outermost(() => {
    if (steps++ >= step) throw new Death();
  });
  const undo = [
    ...TABLE_STEPS.map((name) => around(SharedTable.prototype, name, wrap)),
    ...NOTE_STEPS.map((name) => around(InFlight.prototype, name, wrap)),
  ];
  try {
    work();
  } catch (error) {
    if (!(error instanceof Death)) throw error;
  } finally {
    for (const restore of undo) restore();
  }
  return Math.min(steps, step + 1);
}

/** Every single step, as long as the operation has one. `round` sets up all anew and says how many steps there were. */
export function atEveryStep(round: (step: number) => number): number {
  let step = 0;
  while (step < round(step)) step++;
  return step;
}

/** Every pair of steps, the first before the second or the same. */
export function atEveryPair(round: (first: number, second: number) => number): number {
  let pairs = 0;
  atEveryStep((first) => {
    let [second, steps] = [first, 0];
    do {
      steps = round(first, second);
      pairs++;
    } while (++second < steps);
    return steps;
  });
  return pairs;
}

type Method = (...args: unknown[]) => unknown;
type Wrap = (call: () => unknown) => unknown;

/** Does `first` before each call that is not made by another one. */
function outermost(first: () => void): Wrap {
  let depth = 0;
  return (call) => {
    depth++;
    try {
      if (depth === 1) first();
      return call();
    } finally {
      depth--;
    }
  };
}

function around(prototype: object, name: string, wrap: Wrap): () => void {
  const methods = prototype as Record<string, Method | undefined>; // the names above are methods
  const method = methods[name];
  if (method === undefined) throw new Error(`There is no step ${name}`);
  methods[name] = function (this: unknown, ...args: unknown[]) {
    return wrap(() => method.apply(this, args));
  };
  return () => {
    methods[name] = method;
  };
}
