/** API keys as text: the checksum finds every change of one character, garbage does not pass, and what is shown gives nothing away. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isWellFormedKey, KEY_ENVIRONMENTS, looksLikeKey, maskedKey, newKey } from "#core/key-format.ts";

const CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. \n";

test.each(KEY_ENVIRONMENTS)("a new key of %s has the documented shape and is well formed", (env) => {
  const key = newKey("tg", env);
  expect(key).toMatch(new RegExp(`^tg_sk_${env}_[0-9A-Za-z]{38}$`));
  expect(isWellFormedKey(key, "tg")).toBe(true);
});

test("every change of every single character is found", () => {
  const missed: string[] = [];
  for (let round = 0; round < 20; round++) {
    const key = newKey("tg", "live");
    for (let at = 0; at < key.length; at++) {
      for (const character of CHARACTERS) {
        const changed = key.slice(0, at) + character + key.slice(at + 1);
        if (changed !== key && isWellFormedKey(changed, "tg")) missed.push(changed);
      }
    }
  }
  expect(missed).toEqual([]);
});

test("a left-out, doubled or swapped character is found", () => {
  const missed: string[] = [];
  for (let round = 0; round < 20; round++) {
    const key = newKey("tg", "test");
    for (let at = 0; at < key.length; at++) {
      const [before, after] = [key.slice(0, at), key.slice(at + 1)];
      const swapped = before + after.slice(0, 1) + (key[at] ?? "") + after.slice(1);
      const changes = [before + after, before + (key[at] ?? "") + key.slice(at), swapped];
      missed.push(...changes.filter((text) => text !== key && isWellFormedKey(text, "tg")));
    }
  }
  expect(missed).toEqual([]);
});

test("text of the right shape without the right checksum does not pass", () => {
  const body = fc.stringMatching(/^[0-9A-Za-z]{38}$/);
  fc.assert(
    fc.property(fc.constantFrom(...KEY_ENVIRONMENTS), body, (env, text) => {
      expect(isWellFormedKey(`tg_sk_${env}_${text}`, "tg")).toBe(false);
    }),
    { numRuns: 2_000 },
  );
});

test("any other text does not pass", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string().map((rest) => `tg_sk_live_${rest}`),
  );
  fc.assert(
    fc.property(text, (garbage) => {
      expect(isWellFormedKey(garbage, "tg")).toBe(false);
    }),
  );
});

test("a key of another brand, or with anything around it, does not pass", () => {
  const key = newKey("tg", "live");
  const others = [
    newKey("acme", "live"),
    ` ${key}`,
    `${key} `,
    `${key}\n`,
    `x${key}`,
    key.toUpperCase(),
    `${key}${key}`,
  ];
  expect(others.filter((text) => isWellFormedKey(text, "tg"))).toEqual([]);
  expect(isWellFormedKey(newKey("acme", "live"), "acme")).toBe(true);
});

test("what claims to be a key is told apart from a token by its brand alone", () => {
  expect([looksLikeKey("tg_anything", "tg"), looksLikeKey("tgx_sk_live_", "tg"), looksLikeKey("eyJhbGciOi", "tg")]).toEqual([
    true, false, false,
  ]); // biome-ignore format: one row
});

test("a masked key shows eight characters of the secret and its environment", () => {
  const key = newKey("tg", "live");
  expect(maskedKey(key)).toBe(`tg_sk_live_${key.slice(11, 15)}…${key.slice(-4)}`);
});
