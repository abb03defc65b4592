/** Prices of units against the definition of rounding half up, in exact fractions, over all safe integers. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { overageCost, type UnitPrice, unitsForMoney } from "#core/money.ts";

const MOST = Number.MAX_SAFE_INTEGER;

/** Small numbers, where roundings meet, and any safe integer up to the last. */
const whole = fc.oneof(fc.nat({ max: 60 }), fc.maxSafeNat(), fc.integer({ min: MOST - 9, max: MOST }));
const prices: fc.Arbitrary<UnitPrice> = fc.record({ price: whole, per: whole.map((per) => Math.max(1, per)) });

test("a cost is the whole number nearest to units × price / per, the higher one at a half", () => {
  fc.assert(
    fc.property(whole, prices, (units, price) => {
      const exact = 2n * BigInt(units) * BigInt(price.price); // in halves of 1/per
      const per = BigInt(price.per);
      const cost = BigInt(overageCost(units, price));
      expect((2n * cost - 1n) * per <= exact).toBe(true);
      expect(exact < (2n * cost + 1n) * per || cost === BigInt(MOST)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("more units never cost less", () => {
  fc.assert(
    fc.property(whole, whole, prices, (a, b, price) => {
      expect(overageCost(Math.min(a, b), price)).toBeLessThanOrEqual(overageCost(Math.max(a, b), price));
    }),
  );
});

test("units for a sum are the most that cost no more than it: one unit more costs more", () => {
  fc.assert(
    fc.property(whole, prices, (money, price) => {
      const units = unitsForMoney(money, price);
      expect(Number.isSafeInteger(units)).toBe(true);
      expect(overageCost(units, price)).toBeLessThanOrEqual(money);
      expect(units === MOST || overageCost(units + 1, price) > money).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});

test("units for the cost of units are at least those units, and cost the same", () => {
  fc.assert(
    fc.property(whole, prices, (units, price) => {
      const cost = overageCost(units, price);
      const again = unitsForMoney(cost, price);
      expect(again).toBeGreaterThanOrEqual(units);
      expect(overageCost(again, price)).toBe(cost);
    }),
  );
});

test("units for small sums are those found by counting", () => {
  for (let per = 1; per <= 12; per++) {
    for (let price = 1; price <= 12; price++) {
      let units = 0;
      for (let money = 0; money <= 30; money++) {
        while (overageCost(units + 1, { price, per }) <= money) units++;
        expect({ money, price, per, units: unitsForMoney(money, { price, per }) }).toEqual({
          money,
          price,
          per,
          units,
        });
      }
    }
  }
});

test.each([
  [0, { price: 10, per: 1 }, 0],
  [7, { price: 10, per: 1 }, 70],
  [1, { price: 200, per: 1_000 }, 0],
  [2, { price: 200, per: 1_000 }, 0],
  [3, { price: 200, per: 1_000 }, 1],
  [1_000, { price: 200, per: 1_000 }, 200],
  [1, { price: 1, per: 2 }, 1],
  [3, { price: 1, per: 2 }, 2],
  [5, { price: 0, per: 1 }, 0],
  [MOST, { price: 1, per: 1 }, MOST],
  [MOST, { price: 2, per: 1 }, MOST],
  [MOST, { price: MOST, per: MOST }, MOST],
  [MOST, { price: 1, per: MOST }, 1],
  [-5, { price: 10, per: 1 }, 0],
] as const)("%i units at %o cost %i", (units, price, cost) => {
  expect(overageCost(units, price)).toBe(cost);
});

test.each([
  [0, { price: 10, per: 1 }, 0],
  [9, { price: 10, per: 1 }, 0],
  [10, { price: 10, per: 1 }, 1],
  [0, { price: 200, per: 1_000 }, 2],
  [200, { price: 200, per: 1_000 }, 1_002],
  [0, { price: 0, per: 1 }, MOST],
  [MOST, { price: MOST, per: 1 }, MOST],
  [-1, { price: 1, per: 1_000 }, 0],
  [-1, { price: 0, per: 1 }, 0],
] as const)("%i pays at %o for %i units", (money, price, units) => {
  expect(unitsForMoney(money, price)).toBe(units);
});

test.each([
  [1.5, { price: 1, per: 1 }],
  [Number.NaN, { price: 1, per: 1 }],
  [1, { price: 0.1, per: 1 }],
  [1, { price: 1, per: 0 }],
])("%d units at %o are no price: it throws", (units, price) => {
  expect(() => overageCost(units, price)).toThrow(RangeError);
});
