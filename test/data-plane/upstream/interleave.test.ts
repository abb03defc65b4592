/** Weights of targets: exact shares in each round, spread over it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { interleave } from "#data-plane/upstream/pool.ts";

test.each([
  [[1], [0]],
  [[7], [0]],
  [
    [1, 1],
    [0, 1],
  ],
  [
    [5, 5, 5],
    [0, 1, 2],
  ],
  [
    [3, 1],
    [0, 0, 1, 0],
  ],
  [
    [5, 1, 1],
    [0, 0, 1, 0, 2, 0, 0],
  ],
  [
    [2, 4],
    [1, 0, 1],
  ],
])("weights %j are served %j", (weights, turns) => {
  expect(interleave(weights)).toEqual(turns);
});

test("a round holds each target exactly by its weight, and no part of a round strays by more than the number of targets", () => {
  const weights = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(weights, (shares) => {
      const turns = interleave(shares);
      const total = shares.reduce((sum, share) => sum + share, 0);
      expect(total % turns.length).toBe(0);
      const served = shares.map(() => 0);
      turns.forEach((target, index) => {
        served[target] = (served[target] ?? 0) + 1;
        for (const [each, share] of shares.entries()) {
          expect(Math.abs((served[each] ?? 0) - ((index + 1) * share) / total)).toBeLessThanOrEqual(shares.length);
        }
      });
      expect(served).toEqual(shares.map((share) => (share * turns.length) / total));
    }),
  );
});

test("the largest weights of the largest upstream are laid out in under a second", () => {
  const started = performance.now();
  const weights = Array.from({ length: 64 }, (_, index) => 1_000 - index);
  expect(interleave(weights)).toHaveLength(weights.reduce((sum, weight) => sum + weight, 0));
  expect(performance.now() - started).toBeLessThan(1_000);
});
