/** Text put together as bytes is the text that JavaScript would have put together. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ScratchText } from "#data-plane/policy/scratch-text.ts";

const EDGES = [
  0,
  9,
  10,
  999_999_999,
  1_000_000_000,
  1_000_000_001,
  2 ** 31,
  999_999_999_999_999,
  Number.MAX_SAFE_INTEGER,
];
const number = fc.oneof(fc.maxSafeNat(), fc.nat(), fc.constantFrom(...EDGES));
const text = fc.string({ unit: "grapheme-ascii", maxLength: 40 });

test("pieces and numbers, in any order and number, one text after the other", () => {
  const scratch = new ScratchText();
  fc.assert(
    fc.property(fc.array(fc.oneof(number, text), { maxLength: 200 }), (pieces) => {
      expect(scratch.isEmpty).toBe(true);
      for (const piece of pieces) {
        if (typeof piece === "number") scratch.whole(piece);
        else scratch.add(piece);
      }
      expect(scratch.take()).toBe(pieces.join(""));
    }),
  );
});
