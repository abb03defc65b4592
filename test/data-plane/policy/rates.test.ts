/** The three algorithms of rates as requests see them, against oracles that remember everything: who passes, how long to wait, what is left. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RateAlgorithm, RateFigures } from "#config/settings.ts";
import { type Instant, instantOf, type LiveRate, liveRate } from "#data-plane/policy/rates.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";

const START_NS = 86_400_000_000_000n;

function rateOf(
  table: RateTable,
  algorithm: RateAlgorithm,
  figures: RateFigures,
  cost: number,
  text = "|account:a",
): LiveRate {
  return liveRate(
    table,
    { settings: { name: "api", algorithm, by: ["account"], shadow: false, ...figures }, cost },
    figures,
    text,
  );
}

function newTable(): RateTable {
  return new RateTable(createTable(256, 1), 1);
}

/** What somebody would say who wrote every request into a list. */
interface Oracle {
  /** Whether `cost` fits at this instant, and takes it if `takes`. */
  fits(at: Instant, cost: number, takes: boolean): boolean;
  giveBack(at: Instant, cost: number): void;
  left(at: Instant): number;
}

/** Tokens that come back one by one, up to `burst`, in units of a token divided by the interval. */
class SimulatedBucket implements Oracle {
  readonly #intervalNs: bigint;
  readonly #fullNs: bigint;
  #creditNs: bigint;
  #atNs = START_NS;

  constructor({ limit, perMs, burst }: RateFigures) {
    this.#intervalNs = (BigInt(perMs) * 1_000_000n + BigInt(limit) - 1n) / BigInt(limit);
    this.#fullNs = this.#intervalNs * BigInt(burst);
    this.#creditNs = this.#fullNs;
  }

  #add(creditNs: bigint): void {
    const credit = this.#creditNs + creditNs;
    this.#creditNs = credit > this.#fullNs ? this.#fullNs : credit;
  }

  #refill({ ns }: Instant): void {
    this.#add(ns - this.#atNs);
    this.#atNs = ns;
  }

  fits(at: Instant, cost: number, takes: boolean): boolean {
    this.#refill(at);
    const costNs = this.#intervalNs * BigInt(cost);
    if (costNs > this.#creditNs) return false;
    if (takes) this.#creditNs -= costNs;
    return true;
  }

  giveBack(at: Instant, cost: number): void {
    this.#refill(at);
    this.#add(this.#intervalNs * BigInt(cost));
  }

  left(at: Instant): number {
    this.#refill(at);
    return Number(this.#creditNs / this.#intervalNs);
  }
}

interface Written {
  readonly ms: number;
  cost: number;
}

/** Windows that begin with a request and end `perMs` later. */
class FixedList implements Oracle {
  readonly #figures: RateFigures;
  #window: Written[] = [];

  constructor(figures: RateFigures) {
    this.#figures = figures;
  }

  #open({ ms }: Instant): Written[] {
    const [first] = this.#window;
    if (first !== undefined && ms >= first.ms + this.#figures.perMs) this.#window = [];
    return this.#window;
  }

  fits(at: Instant, cost: number, takes: boolean): boolean {
    if (cost > this.left(at)) return false;
    if (takes) this.#open(at).push({ ms: at.ms, cost });
    return true;
  }

  giveBack(_at: Instant, _cost: number): void {
    // With nothing left in it the window has not begun.
    this.#window.pop();
  }

  left(at: Instant): number {
    return this.#figures.limit - this.#open(at).reduce((sum, { cost }) => sum + cost, 0);
  }
}

/** Windows on the clock, of which the one before counts by the share that the last `perMs` reach into. */
class SlidingList implements Oracle {
  readonly #figures: RateFigures;
  readonly #all: Written[] = [];

  constructor(figures: RateFigures) {
    this.#figures = figures;
  }

  fits(at: Instant, cost: number, takes: boolean): boolean {
    if (cost > this.left(at)) return false;
    if (takes) this.#all.push({ ms: at.ms, cost });
    return true;
  }

  giveBack(): void {
    this.#all.pop();
  }

  left({ ms }: Instant): number {
    const { perMs, limit } = this.#figures;
    const window = Math.floor(ms / perMs);
    const of = (number: number) =>
      this.#all.filter((one) => Math.floor(one.ms / perMs) === number).reduce((sum, { cost }) => sum + cost, 0);
    const rest = perMs - (ms - window * perMs);
    return Math.max(0, limit - of(window) - Math.ceil((of(window - 1) * rest) / perMs));
  }
}

const ORACLES = { "token-bucket": SimulatedBucket, "fixed-window": FixedList, "sliding-window": SlidingList } as const;
// The keys of a const object are exactly its key type.
const ALGORITHMS = Object.keys(ORACLES) as readonly RateAlgorithm[];

/** A window's burst is its limit. */
function figuresOf(algorithm: RateAlgorithm) {
  return fc
    .record({
      limit: fc.integer({ min: 1, max: 20 }),
      perMs: fc.integer({ min: 1, max: 40 }),
      burst: fc.integer({ min: 1, max: 20 }),
    })
    .map((figures) => (algorithm === "token-bucket" ? figures : { ...figures, burst: figures.limit }));
}

const steps = fc.array(
  fc.record({
    pauseMs: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 90 })),
    pauseNs: fc.integer({ min: 0, max: 999_999 }),
    cost: fc.integer({ min: 1, max: 4 }),
    back: fc.boolean(),
  }),
  { maxLength: 80 },
);

describe.each(ALGORITHMS)("%s", (algorithm) => {
  test("admits whom the oracle admits, says what is left, and gives back what another check refused", () => {
    fc.assert(
      fc.property(figuresOf(algorithm), steps, (figures, asked) => {
        const table = newTable();
        const oracle = new ORACLES[algorithm](figures);
        let ns = START_NS;
        for (const { pauseMs, pauseNs, cost, back } of asked) {
          ns += BigInt(pauseMs) * 1_000_000n + BigInt(pauseNs);
          const at = instantOf(ns);
          const rate = rateOf(table, algorithm, figures, cost);
          expect(rate.state(at).left).toBe(oracle.left(at));
          expect(rate.waitNs(at) === 0n).toBe(oracle.fits(at, cost, false));
          const taken = rate.take(at);
          expect(taken).toBe(oracle.fits(at, cost, true) ? "taken" : "empty");
          if (taken !== "taken" || !back) continue;
          rate.giveBack(at);
          oracle.giveBack(at, cost);
        }
      }),
    );
  });

  test("after the wait it fits when nobody else takes anything, and a moment before it does not", () => {
    const tick = algorithm === "token-bucket" ? 1n : 1_000_000n;
    fc.assert(
      fc.property(figuresOf(algorithm), steps, fc.integer({ min: 1, max: 20 }), (figures, asked, wanted) => {
        const table = newTable();
        let ns = START_NS;
        for (const { pauseMs, cost } of asked) {
          ns += BigInt(pauseMs) * 1_000_000n;
          rateOf(table, algorithm, figures, cost).take(instantOf(ns));
        }
        const rate = rateOf(table, algorithm, figures, Math.min(wanted, figures.burst));
        const wait = rate.waitNs(instantOf(ns));
        if (wait === 0n) return;
        expect(rate.waitNs(instantOf(ns + wait - tick))).toBeGreaterThan(0n);
        expect(rate.waitNs(instantOf(ns + wait))).toBe(0n);
        expect(rate.take(instantOf(ns + wait))).toBe("taken");
      }),
    );
  });

  test("whatever figures held before, nobody waits longer than it takes to be whole by those that hold now", () => {
    fc.assert(
      fc.property(fc.array(figuresOf(algorithm), { minLength: 2, maxLength: 4 }), steps, (plans, asked) => {
        const table = newTable();
        let ns = START_NS;
        for (const [index, { pauseMs, cost }] of asked.entries()) {
          ns += BigInt(pauseMs) * 1_000_000n;
          const figures = plans[index % plans.length] ?? { limit: 1, perMs: 1, burst: 1 };
          const rate = rateOf(table, algorithm, figures, Math.min(cost, figures.burst));
          const wholeMs = Math.ceil((figures.perMs * figures.burst) / figures.limit) + 1;
          const most = algorithm === "sliding-window" ? 2 * figures.perMs : wholeMs;
          expect(rate.waitNs(instantOf(ns))).toBeLessThanOrEqual(BigInt(most) * 1_000_000n);
          rate.take(instantOf(ns));
        }
      }),
    );
  });
});

test.each(["fixed-window", "sliding-window"] as const)(
  "%s: a plan with another limit goes on with what was taken",
  (algorithm) => {
    const table = newTable();
    const at = instantOf(START_NS);
    const free = rateOf(table, algorithm, { limit: 10, perMs: 1_000, burst: 10 }, 1);
    for (let taken = 0; taken < 10; taken++) expect(free.take(at)).toBe("taken");
    const paid = rateOf(table, algorithm, { limit: 100, perMs: 1_000, burst: 100 }, 1);
    expect(paid.state(at).left).toBe(90);
    expect(paid.take(at)).toBe("taken");
    expect(free.take(at)).toBe("empty");
  },
);

test("token-bucket: a plan with another limit over the same time goes on with the share that is left", () => {
  const table = newTable();
  const at = instantOf(START_NS);
  const free = rateOf(table, "token-bucket", { limit: 10, perMs: 1_000, burst: 10 }, 1);
  for (let taken = 0; taken < 7; taken++) expect(free.take(at)).toBe("taken");
  expect(rateOf(table, "token-bucket", { limit: 100, perMs: 1_000, burst: 100 }, 1).state(at).left).toBe(30);
});

test("token-bucket: a plan by the second owes nothing of hours that a plan by the hour has taken", () => {
  const table = newTable();
  const at = instantOf(START_NS);
  const free = rateOf(table, "token-bucket", { limit: 100, perMs: 3_600_000, burst: 100 }, 100);
  expect(free.take(at)).toBe("taken");
  const paid = rateOf(table, "token-bucket", { limit: 10, perMs: 1_000, burst: 10 }, 1);
  expect([paid.waitNs(at), paid.state(at).left]).toEqual([0n, 10]);
});

test("rates of other names, other keys and other algorithms are apart", () => {
  const table = newTable();
  const figures = { limit: 1, perMs: 1_000, burst: 1 };
  const at = instantOf(START_NS);
  const rates = ALGORITHMS.flatMap((algorithm) =>
    ["|account:a", "|account:b"].map((text) => rateOf(table, algorithm, figures, 1, text)),
  );
  expect(rates.map((rate) => rate.take(at))).toEqual(rates.map(() => "taken"));
  expect(rates.map((rate) => rate.take(at))).toEqual(rates.map(() => "empty"));
});

test.each([
  ["token-bucket", 0, 0],
  ["token-bucket", 3, 3],
  ["fixed-window", 0, 0],
  ["fixed-window", 3, 10],
  ["sliding-window", 0, 0],
  ["sliding-window", 3, 20],
] as const)("%s of 10 in 10 s: with %i taken it is whole again after %i s", (algorithm, taken, seconds) => {
  const rate = rateOf(newTable(), algorithm, { limit: 10, perMs: 10_000, burst: 10 }, 1);
  const at = instantOf(START_NS);
  for (let count = 0; count < taken; count++) rate.take(at);
  expect(rate.state(at)).toEqual({ left: 10 - taken, resetSeconds: seconds });
});
