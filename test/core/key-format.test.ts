/** API keys as text: the checksum finds every change of one character, garbage does not pass, and what is shown gives nothing away. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readFileSync } from "node:fs";
import {
  KEY_ENVIRONMENTS,
  type KeyFormat,
  KeyFormats,
  keyPattern,
  maskedKey,
  newKey,
  STANDARD_FORMAT,
} from "#core/key-format.ts";

const STANDARD = new KeyFormats([STANDARD_FORMAT], KEY_ENVIRONMENTS);
const ACME: KeyFormat = { ...STANDARD_FORMAT, brand: "acme" };
const isWellFormed = (text: string) => STANDARD.fault(text) === null;

const CHARACTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-. \n";

test.each(KEY_ENVIRONMENTS)("a new key of %s has the documented shape and is well formed", (env) => {
  const key = newKey(STANDARD_FORMAT, env);
  expect(key).toMatch(new RegExp(`^tg_sk_${env}_[0-9A-Za-z]{38}$`));
  expect(isWellFormed(key)).toBe(true);
});

test("every change of every single character is found", () => {
  const missed: string[] = [];
  for (let round = 0; round < 20; round++) {
    const key = newKey(STANDARD_FORMAT, "live");
    for (let at = 0; at < key.length; at++) {
      for (const character of CHARACTERS) {
        const changed = key.slice(0, at) + character + key.slice(at + 1);
        if (changed !== key && isWellFormed(changed)) missed.push(changed);
      }
    }
  }
  expect(missed).toEqual([]);
});

test("a left-out, doubled or swapped character is found", () => {
  const missed: string[] = [];
  for (let round = 0; round < 20; round++) {
    const key = newKey(STANDARD_FORMAT, "test");
    for (let at = 0; at < key.length; at++) {
      const [before, after] = [key.slice(0, at), key.slice(at + 1)];
      const swapped = before + after.slice(0, 1) + (key[at] ?? "") + after.slice(1);
      const changes = [before + after, before + (key[at] ?? "") + key.slice(at), swapped];
      missed.push(...changes.filter((text) => text !== key && isWellFormed(text)));
    }
  }
  expect(missed).toEqual([]);
});

test("text of the right shape without the right checksum does not pass", () => {
  const body = fc.stringMatching(/^[0-9A-Za-z]{38}$/);
  fc.assert(
    fc.property(fc.constantFrom(...KEY_ENVIRONMENTS), body, (env, text) => {
      expect(isWellFormed(`tg_sk_${env}_${text}`)).toBe(false);
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
      expect(isWellFormed(garbage)).toBe(false);
    }),
  );
});

test("a key of another brand, or with anything around it, does not pass", () => {
  const key = newKey(STANDARD_FORMAT, "live");
  const others = [newKey(ACME, "live"), ` ${key}`, `${key} `, `${key}\n`, `x${key}`, key.toUpperCase(), `${key}${key}`];
  expect(others.filter((text) => isWellFormed(text))).toEqual([]);
  expect(new KeyFormats([ACME], KEY_ENVIRONMENTS).fault(newKey(ACME, "live"))).toBeNull();
});

test("what claims to be a key is told apart from a token by its brand alone", () => {
  expect([STANDARD.claim("tg_anything"), STANDARD.claim("tgx_sk_live_"), STANDARD.claim("eyJhbGciOi")]).toEqual([
    true, false, false,
  ]); // biome-ignore format: one row
});

test("a masked key shows eight characters of the secret and its environment", () => {
  const key = newKey(STANDARD_FORMAT, "live");
  expect(maskedKey(key)).toBe(`tg_sk_live_${key.slice(11, 15)}…${key.slice(-4)}`);
});

const GLYPH: KeyFormat = { brand: "glyph", kind: "sk", length: 32, checksum: true };

test("a format says brand, kind and length, with the checksum within the length or without one", () => {
  expect(newKey(GLYPH, "live")).toMatch(/^glyph_sk_live_[0-9A-Za-z]{32}$/);
  expect(newKey({ brand: "a", kind: "pk", length: 28, checksum: false }, "dev")).toMatch(/^a_pk_dev_[0-9A-Za-z]{28}$/);
});

test("several formats are taken at once, each with its own kind, length and checksum", () => {
  const bare: KeyFormat = { ...STANDARD_FORMAT, kind: "pk", checksum: false };
  const formats = new KeyFormats([GLYPH, STANDARD_FORMAT, bare], KEY_ENVIRONMENTS);
  for (const format of [GLYPH, STANDARD_FORMAT, bare]) expect(formats.fault(newKey(format, "test"))).toBeNull();
  const wrong = [
    newKey({ ...GLYPH, checksum: false }, "live"),
    newKey({ ...GLYPH, length: 38 }, "live"),
    newKey({ ...GLYPH, kind: "pk" }, "live"),
    newKey({ ...bare, brand: "glyph" }, "live"),
  ];
  expect(wrong.map((text) => formats.fault(text))).toEqual(["format", "format", "format", "format"]);
  expect([formats.claim("glyph_x"), formats.claim("tg_x"), formats.claim("glyphs_x")]).toEqual([true, true, false]);
});

test("keys of other environments are told from garbage", () => {
  const live = new KeyFormats([STANDARD_FORMAT], ["live"]);
  const dev = newKey(STANDARD_FORMAT, "dev");
  expect([live.fault(newKey(STANDARD_FORMAT, "live")), live.fault(dev), live.fault(dev.slice(0, -1))]).toEqual([
    null, "environment", "format",
  ]); // biome-ignore format: one row
});

test("the documented pattern finds 10,000 keys in text, and nothing that is nearly one", () => {
  const page = readFileSync(new URL("../../docs/keys.md", import.meta.url), "utf8");
  const [, documented = ""] = /```\n(\\btg_sk_.*)\n```/.exec(page) ?? [];
  expect(documented).toBe(keyPattern(STANDARD_FORMAT));
  const pattern = new RegExp(documented, "g");
  const missed: string[] = [];
  for (let round = 0; round < 10_000; round++) {
    const key = newKey(STANDARD_FORMAT, KEY_ENVIRONMENTS[round % 3] ?? "live");
    const text = [`key=${key}\n`, `"${key}"`, `https://x/?k=${key}&a`, key][round % 4] ?? "";
    if (text.match(pattern)?.join() !== key) missed.push(text);
  }
  expect(missed).toEqual([]);
  const key = newKey(STANDARD_FORMAT, "live");
  const near = [
    key.slice(0, -1),
    `${key}A`,
    `${key}_`,
    `x${key}`,
    `_${key}`,
    key.toUpperCase(),
    key.replace("_sk_", "_pk_"),
    key.replace("_live_", "_prod_"),
    key.replace("tg_", "tgx_"),
    `${key.slice(0, 20)}-${key.slice(21)}`,
    `${key.slice(0, 20)} ${key.slice(21)}`,
    `${key.slice(0, 20)}é${key.slice(21)}`,
    maskedKey(key),
  ];
  expect(near.filter((text) => pattern.test(text))).toEqual([]);
});

test("the documented example is a key by its checksum", () => {
  const page = readFileSync(new URL("../../docs/keys.md", import.meta.url), "utf8");
  const examples = [...page.matchAll(new RegExp(keyPattern(STANDARD_FORMAT), "g"))].map(([key]) => key);
  expect(examples).toHaveLength(1);
  expect(examples.map((key) => STANDARD.fault(key))).toEqual([null]);
});
