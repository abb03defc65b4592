/** Random ids: their prefix, their length, no favourite letters, none twice. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { newId, randomBase62, toBase62 } from "#core/ids.ts";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

test.each(["acct", "key", "req"] as const)("an id of %s has its prefix and 22 random characters", (prefix) => {
  expect(newId(prefix)).toMatch(new RegExp(`^${prefix}_[0-9A-Za-z]{22}$`));
});

test("20,000 ids are 20,000 different ones", () => {
  expect(new Set(Array.from({ length: 20_000 }, () => newId("req"))).size).toBe(20_000);
});

test("random text has the length it was asked for, and no letter is favoured", () => {
  expect([0, 1, 7, 300].map((length) => randomBase62(length).length)).toEqual([0, 1, 7, 300]);
  const counts = new Map([...BASE62].map((letter) => [letter, 0]));
  const text = randomBase62(620_000);
  for (const letter of text) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  // 10,000 each is expected, with a standard deviation of 99: 8 of them do not happen by chance in 10^13 runs.
  expect([...counts.values()].filter((count) => Math.abs(count - 10_000) > 800)).toEqual([]);
  expect(counts.size).toBe(62);
});

test("a number in base 62 reads back, at exactly its width", () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 32 - 1 }), (value) => {
      const text = toBase62(value, 6);
      expect(text).toHaveLength(6);
      expect([...text].reduce((sum, letter) => sum * 62 + BASE62.indexOf(letter), 0)).toBe(value);
    }),
  );
  expect([toBase62(0, 6), toBase62(61, 2), toBase62(62, 2)]).toEqual(["000000", "0z", "10"]);
});
