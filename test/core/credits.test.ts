/**
 * Credit grants against the slow and obvious way: every credit an item of its own in one pile; to take one, look through the
 * whole pile for the one that goes first. Takes, returns and the passing of time at random.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { burnOrder, type CreditGrant, isUsable, rolledOver } from "#core/credits.ts";

const PLAIN_GRANT: CreditGrant = {
  id: "g",
  amount: 1,
  priority: 0,
  startMs: 0,
  expiresMs: null,
  createdMs: 0,
  source: "plan",
};

/** Few values of each kind, so that most comparisons are ties. */
const grantsOf = fc
  .array(
    fc.record({
      amount: fc.nat({ max: 6 }),
      priority: fc.integer({ min: -1, max: 1 }),
      startMs: fc.nat({ max: 20 }),
      expiresMs: fc.option(fc.nat({ max: 40 })),
      createdMs: fc.nat({ max: 2 }),
      source: fc.constantFrom("plan", "purchase", "promo", "admin"),
    }),
    { maxLength: 8 },
  )
  .chain((grants) =>
    // Ids in an order of their own, capitals and beyond ASCII too: no order of the input or of a locale may shine through.
    fc
      .shuffledSubarray(["a", "B", "b", "ä", "z", "g1", "g10", "g2"], { minLength: 8 })
      .map((ids) => grants.map((grant, index): CreditGrant => ({ ...grant, id: ids[index] ?? "" }))),
  );

interface Act {
  readonly kind: "take" | "giveBack" | "wait";
  readonly amount: number;
}

const acts = fc.array(
  fc.record({ kind: fc.constantFrom("take", "take", "giveBack", "wait" as const), amount: fc.nat({ max: 7 }) }),
  { maxLength: 60 },
) as fc.Arbitrary<readonly Act[]>;

/** Credits taken together, by grant, to be given back together. */
type Taking = ReadonlyMap<string, number>;

/** The obvious way. */
class Pile {
  #credits: CreditGrant[];

  constructor(grants: readonly CreditGrant[]) {
    this.#credits = grants.flatMap((grant) => Array.from({ length: grant.amount }, () => grant));
  }

  /** All or nothing. */
  take(amount: number, nowMs: number): Taking | null {
    if (this.#credits.filter((credit) => usable(credit, nowMs)).length < amount) return null;
    const taken = new Map<string, number>();
    for (let i = 0; i < amount; i++) {
      const first = this.#firstOf(nowMs);
      this.#credits.splice(this.#credits.indexOf(first), 1);
      taken.set(first.id, (taken.get(first.id) ?? 0) + 1);
    }
    return taken;
  }

  giveBack(credits: readonly CreditGrant[]): void {
    this.#credits.push(...credits);
  }

  left(id: string): number {
    return this.#credits.filter((credit) => credit.id === id).length;
  }

  #firstOf(nowMs: number): CreditGrant {
    let first: CreditGrant | undefined;
    for (const credit of this.#credits) {
      if (usable(credit, nowMs) && (first === undefined || goesFirst(credit, first))) first = credit;
    }
    if (first === undefined) throw new Error("No credit left");
    return first;
  }
}

function usable(credit: CreditGrant, nowMs: number): boolean {
  if (nowMs < credit.startMs) return false;
  return credit.expiresMs === null ? true : nowMs < credit.expiresMs;
}

function goesFirst(a: CreditGrant, b: CreditGrant): boolean {
  if (a.priority !== b.priority) return a.priority < b.priority;
  if (a.expiresMs !== b.expiresMs) {
    if (a.expiresMs === null) return false;
    if (b.expiresMs === null) return true;
    return a.expiresMs < b.expiresMs;
  }
  if (a.createdMs !== b.createdMs) return a.createdMs < b.createdMs;
  return a.id < b.id;
}

/** As the gateway does it: a counter of what is used for each grant, the grants asked in burning order. */
class Counters {
  readonly used = new Map<string, number>();
  readonly #grants: readonly CreditGrant[];

  constructor(grants: readonly CreditGrant[]) {
    this.#grants = grants;
  }

  take(amount: number, nowMs: number): Taking | null {
    const taken = new Map<string, number>();
    let missing = amount;
    for (const grant of burnOrder(this.#grants, nowMs)) {
      const part = Math.min(missing, grant.amount - (this.used.get(grant.id) ?? 0));
      if (part > 0) taken.set(grant.id, part);
      missing -= part;
    }
    if (missing > 0) return null;
    this.#add(taken, 1);
    return taken;
  }

  giveBack(taking: Taking): void {
    this.#add(taking, -1);
  }

  #add(taking: Taking, sign: 1 | -1): void {
    for (const [id, part] of taking) this.used.set(id, (this.used.get(id) ?? 0) + sign * part);
  }
}

/** A pile and counters of the same grants, through the same acts. */
class Pair {
  readonly #grants: readonly CreditGrant[];
  readonly #pile: Pile;
  readonly #counters: Counters;
  #out: Taking[] = [];
  #nowMs = 0;

  constructor(grants: readonly CreditGrant[]) {
    this.#grants = grants;
    this.#pile = new Pile(grants);
    this.#counters = new Counters(grants);
  }

  /** What the act took: the counters' answer, and the pile's. */
  act({ kind, amount }: Act): readonly [Taking | null, Taking | null] {
    if (kind === "wait") this.#nowMs += amount;
    if (kind === "giveBack") this.#giveBack(amount);
    if (kind !== "take") return [null, null];
    const taken = this.#counters.take(amount, this.#nowMs);
    if (taken !== null) this.#out.push(taken);
    return [taken, this.#pile.take(amount, this.#nowMs)];
  }

  /** Of each grant: what the counters leave of it, what the pile does, and what is out. */
  balances() {
    return this.#grants.map((grant) => ({
      amount: grant.amount,
      left: grant.amount - (this.#counters.used.get(grant.id) ?? 0),
      inPile: this.#pile.left(grant.id),
      out: this.#out.reduce((total, taking) => total + (taking.get(grant.id) ?? 0), 0),
    }));
  }

  #giveBack(which: number): void {
    const [taking] = this.#out.splice(which % Math.max(1, this.#out.length), 1);
    if (taking === undefined) return;
    this.#counters.giveBack(taking);
    this.#pile.giveBack(
      this.#grants.flatMap((grant) => Array.from({ length: taking.get(grant.id) ?? 0 }, () => grant)),
    );
  }
}

test("takes, returns and expiries leave every grant with what the pile of single credits leaves it", () => {
  fc.assert(
    fc.property(grantsOf, acts, (grants, plan) => {
      const pair = new Pair(grants);
      for (const act of plan) {
        const [taken, expected] = pair.act(act);
        expect(taken).toEqual(expected);
        for (const { amount, left, inPile, out } of pair.balances()) {
          expect(left).toBe(inPile);
          expect(left).toBeGreaterThanOrEqual(0);
          expect(left + out).toBe(amount);
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("the order is the same for every order of the input, which stays as it was", () => {
  const twice = grantsOf.chain((grants) =>
    fc.tuple(fc.constant(grants), fc.shuffledSubarray([...grants], { minLength: grants.length }), fc.nat({ max: 45 })),
  );
  fc.assert(
    fc.property(twice, ([grants, shuffled, nowMs]) => {
      const before = [...shuffled];
      expect(burnOrder(shuffled, nowMs)).toEqual(burnOrder(grants, nowMs));
      expect(shuffled).toEqual(before);
    }),
  );
});

test("each rule decides only among grants the rules before it leave equal", () => {
  const grants: readonly CreditGrant[] = [
    { ...PLAIN_GRANT, id: "last: higher number of priority", priority: 2, expiresMs: 11, createdMs: 0 },
    { ...PLAIN_GRANT, id: "4: never expires", priority: 1, expiresMs: null, createdMs: 0 },
    { ...PLAIN_GRANT, id: "3b: same age, later id", priority: 1, expiresMs: 90, createdMs: 5 },
    { ...PLAIN_GRANT, id: "3a: same age, earlier id", priority: 1, expiresMs: 90, createdMs: 5 },
    { ...PLAIN_GRANT, id: "2: older", priority: 1, expiresMs: 90, createdMs: 4 },
    { ...PLAIN_GRANT, id: "1: sooner expiry, though younger", priority: 1, expiresMs: 80, createdMs: 9 },
    {
      ...PLAIN_GRANT,
      id: "0: lower number of priority, though it never expires",
      priority: 0,
      expiresMs: null,
      createdMs: 9,
    },
    { ...PLAIN_GRANT, id: "none: expired", priority: 0, expiresMs: 10 },
    { ...PLAIN_GRANT, id: "none: not begun", priority: 0, startMs: 11 },
  ];
  expect(burnOrder(grants, 10).map((grant) => grant.id.split(":")[0])).toEqual([
    "0",
    "1",
    "2",
    "3a",
    "3b",
    "4",
    "last",
  ]);
});

test.each([
  [9, false],
  [10, true],
  [19, true],
  [20, false],
])("a grant from 10 to 20 is usable at %i: %s", (nowMs, expected) => {
  expect(isUsable({ ...PLAIN_GRANT, startMs: 10, expiresMs: 20 }, nowMs)).toBe(expected);
});

test("a grant that never expires is usable for ever, one that expires as it begins never", () => {
  expect(isUsable(PLAIN_GRANT, Number.MAX_SAFE_INTEGER)).toBe(true);
  expect(isUsable({ ...PLAIN_GRANT, startMs: 5, expiresMs: 5 }, 5)).toBe(false);
});

test.each([
  [0, { max: 100 }, 0],
  [30, { max: 100 }, 30],
  [130, { max: 100 }, 100],
  [30, { max: 0 }, 0],
  [30, { max: 100, min: 50 }, 50],
  [0, { max: 100, min: 50 }, 50],
  [60, { max: 100, min: 50 }, 60],
  [60, { max: 40, min: 50 }, 40],
])("of %i unused, %o rolls over %i", (unused, rule, expected) => {
  expect(rolledOver(unused, rule)).toBe(expected);
});

test("what rolls over is never beyond max, and is all of what is left wherever the rule allows", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat(), fc.nat(), (unused, max, min) => {
      const rolled = rolledOver(unused, { max, min });
      expect(rolled).toBeLessThanOrEqual(max);
      expect(rolled === unused || unused < min || max < unused).toBe(true);
    }),
  );
});
