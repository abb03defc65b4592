/** Permissions on the caller's own things: what `:own` grants, and above all that it never grants the whole. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Grant, grantOf, isGranted } from "#core/permissions.ts";

test.each<readonly [readonly string[], string, Grant]>([
  [["calls:read"], "calls:read", "full"],
  [["calls:*"], "calls:read", "full"],
  [["*"], "calls:read", "full"],
  [["calls:read:own"], "calls:read", "own"],
  [["calls:*:own"], "calls:read", "own"],
  [["*:own"], "calls:read", "own"],
  [["calls:read:own", "calls:*"], "calls:read", "full"],
  [["calls:read:own", "calls:read"], "calls:read", "full"],
  [["calls:update:own"], "calls:read", "none"],
  [["calls:read:owned"], "calls:read", "none"],
  [["calls:read:Own"], "calls:read", "none"],
  [["calls:read:own:own"], "calls:read", "none"],
  [["calls:own"], "calls:read", "none"],
  [["own"], "calls:read", "none"],
  [[":own"], "calls:read", "none"],
  [["calls:read:own"], "calls", "none"],
  [["calls:read:own"], "calls:read:deep", "none"],
  [["calls:read:own"], "calls:read:own", "full"],
  [["calls:*:own"], "calls:read:own", "full"],
  [["calls:*"], "calls:read:own", "full"],
  [["calls:read"], "calls:read:own", "none"],
  [["*:own"], "tollgate:usage:write", "none"],
  [["*:own"], "tollgate:usage:own", "none"],
  [["tollgate:usage:*:own"], "tollgate:usage:write", "own"],
  [[], "calls:read", "none"],
])("%j grants %j: %s", (granted, wanted, expected) => {
  expect(grantOf(granted, wanted)).toBe(expected);
});

const part = fc.constantFrom("a", "b", "own", "*", "tollgate");
const pattern = fc.array(part, { minLength: 1, maxLength: 5 });
const permission = fc.array(fc.constantFrom("a", "b", "own", "tollgate"), { minLength: 1, maxLength: 4 });

/** Part by part, from the front: as the words of the documentation say it. */
function means(words: readonly string[], wanted: readonly string[]): boolean {
  if (words.join(":") === wanted.join(":")) return true;
  if (words.length === 1 && words[0] === "*") return wanted[0] !== "tollgate" || wanted.length === 1;
  if (words.length > 1 && words.at(-1) === "own")
    return wanted.length > 1 && wanted.at(-1) === "own" && means(words.slice(0, -1), wanted.slice(0, -1));
  const head = words.slice(0, -1);
  return words.at(-1) === "*" && wanted.length > head.length && head.every((word, index) => word === wanted[index]);
}

test("what is granted is what the words say, for any lists of patterns", () => {
  const seen = new Set<Grant>();
  fc.assert(
    fc.property(fc.array(pattern, { maxLength: 4 }), permission, (granted, wanted) => {
      const texts = granted.map((words) => words.join(":"));
      const isFull = granted.some((words) => means(words, wanted));
      const isOwn = granted.some(
        (words) => words.length > 1 && words.at(-1) === "own" && means(words.slice(0, -1), wanted),
      );
      const expected = isFull ? "full" : isOwn ? "own" : "none";
      seen.add(expected);
      expect(grantOf(texts, wanted.join(":"))).toBe(expected);
      expect(isGranted(texts, wanted.join(":"))).toBe(isFull);
    }),
    { numRuns: 5000 },
  );
  expect(seen.size).toBe(3);
});
