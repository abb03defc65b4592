/** Strict JSON: an object that every reader understands alike, or nothing. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseStrictObject } from "#data-plane/identity/strict-json.ts";

/** How JSON.parse reads an object; undefined when it is none. */
function lenient(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The same character as an escape. */
function escaped(key: string): string {
  return [...Array(key.length).keys()].map((at) => `\\u${key.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
}

const object = fc.dictionary(fc.string({ unit: "binary", maxLength: 8 }), fc.jsonValue({ maxDepth: 5 }), {
  maxKeys: 8,
});
const space = fc.constantFrom(undefined, 1, "\t", "\n ");

test("objects without duplicate keys are read as JSON.parse reads them", () => {
  fc.assert(
    fc.property(object, space, (value, indent) => {
      const text = JSON.stringify(value, null, indent);
      expect(parseStrictObject(text)).toEqual(JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});

test("whatever is accepted, JSON.parse reads as the same object", () => {
  const token = fc.constantFrom(
    "{", "}", "[", "]", ":", ",", '"', '"a"', '"b"', '"\\u0061"', "1", "1e400", "null", "true", "\\", " ", "\n", '"\\""', "'", "//",
  ); // biome-ignore format: a list
  const text = fc.oneof(
    fc.array(token, { maxLength: 12 }).map((tokens) => `{${tokens.join("")}}`),
    fc.array(token, { maxLength: 12 }).map((tokens) => tokens.join("")),
    fc.string({ unit: "binary" }),
  );
  fc.assert(
    fc.property(text, (source) => {
      const strict = parseStrictObject(source);
      expect(strict ?? lenient(source)).toEqual(lenient(source));
    }),
    { numRuns: 5_000 },
  );
});

test("a key that stands twice in one object is refused, wherever, whatever its spelling and its values", () => {
  const key = fc.string({ unit: "binary", minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(key, object, fc.jsonValue({ maxDepth: 2 }), fc.boolean(), fc.nat({ max: 3 }), (name, rest, value, escape, depth) => {
      const member = JSON.stringify({ ...rest, [name]: value }).slice(1, -1);
      const twin = escape ? `"${escaped(name)}"` : JSON.stringify(name);
      const inner = `{${member} , ${twin}\n:${JSON.stringify(value)}}`;
      expect(lenient(inner)).toBeDefined();
      const nested = Array.from({ length: depth }).reduce((text: string, _, index) => {
        return index % 2 === 0 ? `[1,${text}]` : `{"outer":${text}}`;
      }, inner);
      expect(parseStrictObject(`{"payload":${nested}}`)).toBeNull();
    }),
    { numRuns: 500 },
  ); // biome-ignore format: one property
});

test("the same key in different objects, and the same text as key and value, are no duplicates", () => {
  const text = '{"a":{"a":{"a":"a"}},"b":[{"a":1},{"a":2}],"c":"a"}';
  expect(parseStrictObject(text)).toEqual(JSON.parse(text));
});

test.each([
  '{"a":1,"a":1}', '{"a":1,"\\u0061":2}', '{"\\u0041":1,"A":2}', '{"a\\/b":1,"a/b":2}', '{"x":{"a":1,"b":2,"a":3}}',
  '{"x":[{"a":1,"a":2}]}', '{"":1,"":2}', '{"__proto__":1,"__proto__":2}', '{"iss":"a","iss" :"b"}', '{"\\ud83d\\ude00":1,"😀":2}',
])("%s is refused", (text) => {
  expect(lenient(text)).toBeDefined();
  expect(parseStrictObject(text)).toBeNull();
}); // biome-ignore format: a list

test.each(["", "null", "1", '"a"', "[]", '[{"a":1}]', "{", "}", '{"a"}', "{'a':1}", '{"a":1,}', '{"a":01}', '{"a":NaN}', '\ufeff{"a":1}', '{"a":1}x', '{"a":"\n"}', '{"a":"\\x"}', "{]"])(
  "%j is no object",
  (text) => {
    expect(parseStrictObject(text)).toBeNull();
  },
); // biome-ignore format: a list

test("members named like those of every object are ordinary and own", () => {
  const value = parseStrictObject('{"__proto__":{"admin":true},"constructor":1,"toString":2}');
  expect(Object.keys(value ?? {})).toEqual(["__proto__", "constructor", "toString"]);
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
});

test("16 levels are enough, one more is too much, and 100,000 do not hurt", () => {
  const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  expect(parseStrictObject(nested(16))).not.toBeNull();
  expect(parseStrictObject(nested(17))).toBeNull();
  expect(parseStrictObject(nested(100_000))).toBeNull();
  expect(parseStrictObject('{"a":'.repeat(100_000))).toBeNull();
});
