/** Permissions: what a pattern covers, and above all what it does not. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isGranted } from "#core/permissions.ts";

test.each([
  ["*", "models:invoke", true],
  ["*", "anything", true],
  ["models:invoke", "models:invoke", true],
  ["models:*", "models:invoke", true],
  ["models:*", "models:invoke:fast", true],
  ["models:invoke:*", "models:invoke:fast", true],
  ["models:invoke:*", "models:invoke", false],
  ["models:*", "models", false],
  ["models:*", "modelsx:invoke", false],
  ["models:*", "agents:invoke", false],
  ["models", "models:invoke", false],
  ["models:inv*", "models:invoke", false],
  ["*:invoke", "models:invoke", false],
  ["mod*", "models:invoke", false],
  ["models:invoke", "models:invoke2", false],
  ["models:invoke", "Models:invoke", false],
  ["", "models:invoke", false],
  ["**", "models:invoke", false],
  [".*", "models:invoke", false],
  [":*", "models:invoke", false],
  ["*", "tollgate:usage:write", false],
  ["*", "tollgate:", false],
  ["*", "tollgate", true],
  ["*", "Tollgate:usage:write", true],
  ["*", "tollgates:usage", true],
  ["tollgate:*", "tollgate:usage:write", true],
  ["tollgate:admin", "tollgate:usage:write", true],
  ["tollgate:admin", "tollgate:*", true],
  ["tollgate:admin", "models:invoke", false],
  ["tollgate:accounts:*", "tollgate:*", false],
  ["tollgate:accounts:*", "tollgate:admin", false],
  ["*", "tollgate:admin", false],
  ["tollgate:usage:*", "tollgate:usage:write", true],
  ["tollgate:usage:write", "tollgate:usage:write", true],
  ["tollgate:usage:read", "tollgate:usage:write", false],
])("%j covers %j: %s", (pattern, wanted, expected) => {
  expect(isGranted([pattern], wanted)).toBe(expected);
});

test("nothing is granted by no patterns, and one that covers is enough", () => {
  expect(isGranted([], "models:invoke")).toBe(false);
  expect(isGranted(["agents:*", "models:read", "models:*"], "models:invoke")).toBe(true);
});

test("the gateway's own permissions are granted by name beside *, never by * alone", () => {
  expect(isGranted(["*", "models:*"], "tollgate:usage:write")).toBe(false);
  expect(isGranted(["*", "tollgate:usage:write"], "tollgate:usage:write")).toBe(true);
});

test("a pattern covers exactly what it says, segment by segment", () => {
  const word = fc.array(fc.constantFrom("a", "b", "ab", "*"), { minLength: 1, maxLength: 4 });
  const wantedWord = fc.array(fc.constantFrom("a", "b", "ab"), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(word, wantedWord, (pattern, wanted) => {
      const [text, wantedText] = [pattern.join(":"), wanted.join(":")];
      const head = pattern.slice(0, -1);
      const covered =
        text === "*" ||
        text === wantedText ||
        (pattern.at(-1) === "*" && wanted.length > head.length && head.every((part, index) => part === wanted[index]));
      expect(isGranted([text], wantedText)).toBe(covered);
    }),
  );
});
