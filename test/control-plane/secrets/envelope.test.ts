/** Sealed texts: what is sealed opens in its place with its key, and nowhere and with nothing else. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { keyIdOf, newSealingKey, openWith, type Place, seal, sealingKeyOf } from "#control-plane/secrets/envelope.ts";

const key = newSealingKey();
const PLACE: Place = ["api_keys", "sealed", "key_1"];
const places = fc.tuple(fc.string(), fc.string(), fc.string()) as fc.Arbitrary<Place>;

test("any text opens again in its place", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), places, (text, place) => {
      expect(openWith(seal(text, place, key), place, key)).toBe(text.toWellFormed());
    }),
  );
});

test("in another place, with another key, or with one bit changed it does not open", () => {
  const sealed = seal("a secret", PLACE, key);
  expect(openWith(sealed, ["api_keys", "sealed", "key_2"], key)).toBeNull();
  expect(openWith(sealed, ["api_keys", "sealed"], key)).toBeNull();
  expect(openWith(sealed, ["api_keys", 'sealed","key_1'], key)).toBeNull();
  const other = newSealingKey();
  expect(openWith(sealed, PLACE, other)).toBeNull();
  // Even one that claims to be this key.
  expect(openWith(sealed, PLACE, { ...other, id: key.id })).toBeNull();
  const parts = sealed.split(".");
  for (const index of [2, 3, 4]) {
    const bytes = Buffer.from(parts[index] ?? "", "base64url");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const text = parts.with(index, changed.toString("base64url")).join(".");
      expect(openWith(text, PLACE, key)).toBeNull();
    }
  }
});

test("what is no sealed text opens to nothing, whatever it is", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(openWith(text, PLACE, key)).toBeNull();
    }),
  );
  const sealed = seal("x", PLACE, key);
  for (const text of ["", "v1", `v2${sealed.slice(2)}`, `${sealed}.more`, sealed.slice(0, -4), sealed.split(".").slice(0, 4).join(".")])
    expect(openWith(text, PLACE, key)).toBeNull();
  // A tag cut to fewer bytes would be easier to guess.
  const short = sealed.split(".").with(4, Buffer.alloc(4).toString("base64url")).join(".");
  expect(openWith(short, PLACE, key)).toBeNull();
}); // biome-ignore format: one list

test("the same text is never sealed to the same, and names its key", () => {
  const all = Array.from({ length: 100 }, () => seal("same", PLACE, key));
  expect(new Set(all).size).toBe(100);
  expect(all.map(keyIdOf)).toEqual(all.map(() => key.id));
  expect(sealingKeyOf(key.bytes).id).toBe(key.id);
  expect(keyIdOf("v1.short.x")).toBeNull();
});
