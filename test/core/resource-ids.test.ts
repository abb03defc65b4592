/** Ids that apps take for the same, and ids that are different things to everybody. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isResourceId, likenessesOf, likenessOf } from "#core/resource-ids.ts";

const couldBe = (asked: string, id: string) => likenessesOf(asked).includes(likenessOf(id));

test.each([
  ["7", "7"],
  ["007", "7"],
  ["7", "007"],
  ["+7", "7"],
  ["7.0", "7"],
  ["7.", "7"],
  [" 7 ", "7"],
  ["7-a-title", "7"],
  ["7abc", "7"],
  ["07 OR 1=1", "7"],
  ["\uff17", "7"],
  ["0", "000"],
  ["ABC", "abc"],
  ["Zoë", "ZOË"],
  ["3F2504E0-4F89-11D3-9A0C-0305E82C3301", "3f2504e0-4f89-11d3-9a0c-0305e82c3301"],
])("%j could be %j", (asked, id) => {
  expect(couldBe(asked, id)).toBe(true);
});

test.each([
  ["7", "8"],
  ["70", "7"],
  ["17", "7"],
  ["7", "7-a-title"],
  ["m7", "7"],
  ["m7", "m07"],
  ["-7", "7"],
  ["abc", "abcd"],
  ["3f2504e0-4f89-11d3-9a0c-0305e82c3301", "3f2504e0-4f89-11d3-9a0c-0305e82c3302"],
])("%j is never %j", (asked, id) => {
  expect(couldBe(asked, id)).toBe(false);
});

test("whatever JavaScript reads as the same whole number is the same", () => {
  const spelling = fc
    .tuple(fc.constantFrom("", "+", " ", "0", "00"), fc.nat(), fc.constantFrom("", ".0", ".", "x", "-t", " "))
    .map((parts) => parts.join(""));
  fc.assert(
    fc.property(spelling, fc.nat(), (asked, other) => {
      const meant = Number.parseInt(asked, 10);
      expect(couldBe(asked, String(meant))).toBe(true);
      expect(couldBe(asked, String(other))).toBe(other === meant);
    }),
  );
});

test.each([
  ["m1", true],
  ["x".repeat(255), true],
  ["x".repeat(256), false],
  ["", false],
  ["a\0b", false],
  ["a\nb", false],
  ["\ud800", false],
  ["a b/c", true],
])("%j is an id: %s", (id, expected) => {
  expect(isResourceId(id)).toBe(expected);
});
