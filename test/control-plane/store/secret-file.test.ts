/** Secrets in files: owner only, whole or absent, made once even when two make them, refused when others may read them. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pepperOf } from "#control-plane/store/pepper.ts";
import { secretFile } from "#control-plane/store/secret-file.ts";

let dir = "";
let umask = 0;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "tollgate-secret-"));
  // The mode must not depend on the operator's umask.
  umask = process.umask(0);
});
afterEach(() => {
  process.umask(umask);
  rmSync(dir, { recursive: true, force: true });
});

test("a secret is made once, for its owner only, and nothing else is left beside it", () => {
  const path = join(dir, "secret");
  expect(secretFile(path, () => "first")).toBe("first");
  expect(secretFile(path, () => "second")).toBe("first");
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir)).toEqual(["secret"]);
});

test("of two that make it at once the first wins, and both get the same", () => {
  const path = join(dir, "secret");
  let inner = "";
  const outer = secretFile(path, () => {
    inner = secretFile(path, () => "theirs");
    return "mine";
  });
  expect([inner, outer, readFileSync(path, "utf8")]).toEqual(["theirs", "theirs", "theirs"]);
  expect(readdirSync(dir)).toEqual(["secret"]);
});

test.each([0o640, 0o604, 0o644, 0o660, 0o602])("a secret file with mode %i is refused", (mode) => {
  const path = join(dir, "secret");
  writeFileSync(path, "known to others");
  chmodSync(path, mode);
  expect(() => secretFile(path, () => "new")).toThrow("can be read by others");
});

test("the pepper is 32 random bytes, the same at every start, and another one elsewhere", () => {
  const other = mkdtempSync(join(tmpdir(), "tollgate-secret-"));
  const pepper = pepperOf(dir);
  expect(pepper).toHaveLength(32);
  expect(pepperOf(dir)).toEqual(pepper);
  expect(pepperOf(other)).not.toEqual(pepper);
  expect(statSync(join(dir, "pepper")).mode & 0o777).toBe(0o600);
  rmSync(other, { recursive: true });
});

test("a damaged pepper is refused rather than replaced: with another one no key would be known", () => {
  pepperOf(dir);
  writeFileSync(join(dir, "pepper"), "short");
  expect(() => pepperOf(dir)).toThrow("is damaged");
  expect(readFileSync(join(dir, "pepper"), "utf8")).toBe("short");
});
