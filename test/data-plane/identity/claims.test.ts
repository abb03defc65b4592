/** Claims by path: own properties only, a whole name before a path, and nothing made up. */
import { expect, test } from "vitest";
import { claimAt, listClaim, textClaim } from "#data-plane/identity/claims.ts";

const CLAIMS = {
  sub: "u1",
  org: { id: "o1", deep: { er: 7 }, list: ["a"], "https://a.test/x.y": { z: 1 }, 'a"b\\c': 2 },
  "https://app.test/roles": ["Admin", 1, null, "User"],
  "org.id": "whole name",
  scope: " read  write ",
  empty: "",
  zero: 0,
  half: 1.5,
  big: 2 ** 53,
  flag: true,
  nothing: null,
  long: "x".repeat(256),
  torn: "a\ud800",
};

test.each([
  ["sub", "u1"],
  ["org.id", "whole name"],
  ["org.deep.er", 7],
  ["org.list.0", "a"],
  ["https://app.test/roles", CLAIMS["https://app.test/roles"]],
  ['org["https://a.test/x.y"]', { z: 1 }],
  ['org["https://a.test/x.y"].z', 1],
  ['org["https://a.test/x.y"]["z"]', 1],
  ['["org"].id', "o1"],
  ['org["a\\"b\\\\c"]', 2],
  ["org[id]", undefined],
  ['org["id"', undefined],
  ['org.["id"]', undefined],
  ['org["id"]id', undefined],
  ["org..id", undefined],
  ["org.none", undefined],
  ["none", undefined],
  ["sub.length", undefined],
  ["org.list.length", 1],
  ["nothing.x", undefined],
  ["__proto__", undefined],
  ["constructor.name", undefined],
  ["org.__proto__", undefined],
  ["toString", undefined],
  ["", undefined],
])("the claim at %j", (path, value) => {
  expect(claimAt(CLAIMS, path)).toEqual(value);
});

test.each([
  ["sub", "u1"],
  ["org.deep.er", "7"],
  ["zero", "0"],
  ["empty", null],
  ["half", null],
  ["big", null],
  ["flag", null],
  ["nothing", null],
  ["org", null],
  ["long", null],
  ["torn", null],
  ["none", null],
  [null, null],
])("the text of %j is %j", (path, text) => {
  expect(textClaim(CLAIMS, path)).toBe(text);
});

test.each([
  ["https://app.test/roles", ["Admin", "User"]],
  ["scope", ["read", "write"]],
  ["sub", ["u1"]],
  ["empty", []],
  ["zero", []],
  ["org", []],
  ["nothing", []],
  ["none", []],
  [null, []],
])("the list of %j is %j", (path, list) => {
  expect(listClaim(CLAIMS, path)).toEqual(list);
});

test("a name of 255 characters is enough, one more names nobody", () => {
  expect(textClaim({ a: "x".repeat(255) }, "a")).toHaveLength(255);
  expect(textClaim({ a: "x".repeat(256) }, "a")).toBeNull();
});
