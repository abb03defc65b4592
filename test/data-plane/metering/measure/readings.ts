/** What the tests of body readers share: bodies cut into chunks, and the slow, obvious way to a value. Holds no tests. */
import fc from "fast-check";
import type { JsonPath } from "#core/meter-source.ts";
import type { BodyReader, Reading } from "#data-plane/metering/measure/body-reader.ts";

/** Larger than any body of these tests. */
export const NO_CAP = 1_000_000_000;

/** Sizes of chunks, used in turn; mostly tiny, so that every place is a place where a chunk ends. */
export const chunkSizes: fc.Arbitrary<readonly number[]> = fc.oneof(
  fc.constant([NO_CAP]),
  fc.constant([1]),
  fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 8 }).map((sizes) => [...sizes, 1]),
  fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 4 }),
);

/** Pushes the body in chunks of the given sizes, each in memory of its own that is overwritten afterwards. */
export function readIn(reader: BodyReader, body: string | Uint8Array, sizes: readonly number[]): Reading {
  const bytes = Buffer.from(body);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = Math.min(bytes.length, at + (sizes[turn % sizes.length] ?? 1));
    const chunk = Uint8Array.from(bytes.subarray(at, end));
    reader.push(chunk);
    chunk.fill(0x39);
    at = end;
  }
  return reader.end();
}

/** Puts text after text in a reader as one chunk. */
export function read(reader: BodyReader, body: string | Uint8Array): Reading {
  return readIn(reader, body, [NO_CAP]);
}

class Numeral {
  readonly source: string;

  constructor(source: string) {
    this.source = source;
  }
}

type SourceReviver = (name: string, value: unknown, context: { readonly source?: string }) => unknown;
/** ES2025's third argument, which Node 24 has and the types have not. */
const parseWithSource = JSON.parse as unknown as (text: string, reviver: SourceReviver) => unknown;

/** Bytes as text: without a mark at the start, what is no UTF-8 replaced. */
export function decoded(body: Uint8Array): string {
  return new TextDecoder().decode(body);
}

/** A member with a backslash in its name, however it is spelled. */
const BACKSLASH_NAME = /\\(?:\\|u005c)[^"]*"[ \t\r\n]*:/i;

/**
 * What a document says, by `JSON.parse`. V8 (nodejs/node#63785) takes a name whose last character is escaped for one that ends in
 * `\`, once it has seen such a one in a like object: they are left out here, and asked for by hand in json-path-reader.test.ts.
 */
export function readingOf(text: string, path: JsonPath): Reading {
  fc.pre(!BACKSLASH_NAME.test(text));
  if (/^[ \t\r\n]*$/.test(text)) return { fault: "missing" };
  let value: unknown;
  try {
    value = parseWithSource(text, (_, one, { source }) => (typeof one === "number" ? new Numeral(source ?? "") : one));
  } catch {
    return { fault: "unreadable" };
  }
  value = path.reduce(memberOf, value);
  if (value instanceof Numeral) return { text: value.source };
  if (value === undefined || value === null) return { fault: "missing" };
  const isNumber = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$/;
  return typeof value === "string" && isNumber.test(value) ? { text: value } : { fault: "not_a_number" };
}

function memberOf(value: unknown, step: string | number): unknown {
  if (typeof value !== "object" || value === null || value instanceof Numeral) return undefined;
  if (Array.isArray(value) !== (typeof step === "number") || !Object.hasOwn(value, step)) return undefined;
  // An object that has the member as its own.
  return (value as Record<string | number, unknown>)[step];
}

/** Few names, so that documents and paths meet: plain, odd, and such as stand for something elsewhere. */
const NAMES = ["a", "b", "ab", "", "0", "ä", "😀", "a.b", '"', "\n", "\ud800", "\ufffd", "__proto__", "length"];
const someName = fc.constantFrom(...NAMES, "a", "b", "a", "b");

export const jsonPath: fc.Arbitrary<JsonPath> = fc.oneof(
  fc.array(fc.oneof(someName, fc.nat({ max: 2 })), { minLength: 1, maxLength: 4 }),
  fc.array(fc.constantFrom("a", "b", 0, 1), { minLength: 1, maxLength: 3 }),
);

/** A text as a JSON string: each unit plain where it may be, or escaped in one of the ways there are. */
function spelled(text: string, ways: readonly number[]): string {
  const units = Array.from({ length: text.length }, (_, at) => {
    const way = ways[at % Math.max(ways.length, 1)] ?? 0;
    const unit = text.charAt(at);
    const hex = text.charCodeAt(at).toString(16).padStart(4, "0");
    if (way === 1) return `\\u${hex}`;
    if (way === 2) return `\\u${hex.toUpperCase()}`;
    if (way === 3 && unit === "/") return "\\/";
    // A surrogate without its other half comes out of stringify escaped; halves of a pair must stay together or both be escaped.
    return /[\ud800-\udfff]/.test(unit) ? `\\u${hex}` : JSON.stringify(unit).slice(1, -1);
  });
  return ways.length === 0 ? JSON.stringify(text) : `"${units.join("")}"`;
}

/** Characters of every kind, of which fast-check's own "binary" unit takes seconds to get ready. */
export const oddText = fc.string({
  unit: fc.constantFrom("a", "0", "é", "中", "😀", "\ud800", "\udc00", "\u0000", "\u001f", "\n", " ", '"', "\\", "/", "\u007f", "\u2028", "\ufeff", "{", "]", ":", ",", "="),
  maxLength: 6,
}); // biome-ignore format: a list

const ways = fc.array(fc.nat({ max: 3 }), { maxLength: 4 });
const nameText = fc.tuple(someName, ways).map(([text, how]) => spelled(text, how));
const numberText = fc.oneof(
  fc.constantFrom("0", "-0", "7", "-1", "1.50", "1E+2", "12.5e1", "0.0", "1e400", "1e-7", "9007199254740993", "123456789012345678901234567890"),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
); // biome-ignore format: one distribution
const texts = fc.constantFrom(
  "12",
  "-3",
  "1e3",
  "007",
  ".5",
  "+5",
  "5.",
  "",
  "abc",
  " 1",
  "1 ",
  "NaN",
  "0x1",
  "ü",
  '{"a":1}',
  "[1]",
  "a\\",
);
const stringText = fc.tuple(fc.oneof(texts, oddText), ways).map(([text, how]) => spelled(text, how)); // biome-ignore format: one distribution
const blank = fc.constantFrom("", "", "", " ", "\n", "\t \r\n", "  ");

/** Texts of JSON documents with everything the grammar has: blanks, escapes, spellings of numbers, names that stand twice. */
const anyText: fc.Arbitrary<string> = fc.letrec<{ node: string }>((tie) => {
  const scalar = fc.oneof(numberText, stringText, fc.constantFrom("true", "false", "null"));
  const elements = fc.array(fc.tuple(blank, tie("node"), blank), { maxLength: 4 });
  const members = fc.array(fc.tuple(blank, nameText, blank, tie("node"), blank), { maxLength: 5 });
  return {
    node: fc.oneof(
      { depthSize: "small", withCrossShrink: true },
      scalar,
      fc.tuple(elements, blank).map(([each, end]) => `[${each.map((parts) => parts.join("")).join(",") || end}]`),
      fc.tuple(members, blank).map(([each, end]) => {
        const pairs = each.map(([left, key, middle, value, right]) => `${left}${key}${middle}:${value}${right}`);
        return `{${pairs.join(",") || end}}`;
      }),
    ),
  };
}).node;

export const jsonText = anyText.filter((text) => !BACKSLASH_NAME.test(text));

/** A document and a path that leads into it, as far as there is something; or, now and then, a path of any kind. */
const walk = fc.tuple(jsonText, fc.array(fc.nat(), { minLength: 4, maxLength: 4 }));
export const documentAndPath: fc.Arbitrary<readonly [text: string, path: JsonPath]> = fc.oneof(
  { weight: 3, arbitrary: walk.map(([text, turns]) => [text, pathInto(text, turns)] as const) },
  { weight: 1, arbitrary: fc.tuple(jsonText, jsonPath) },
);

/** Takes the turns that there are, into values of the last members that have their names. */
function pathInto(text: string, turns: readonly number[]): JsonPath {
  let value: unknown = JSON.parse(text);
  const path: (string | number)[] = [];
  for (const turn of turns) {
    if (typeof value !== "object" || value === null) break;
    const names = Object.keys(value);
    const name = names[turn % Math.max(names.length, 1)];
    if (name === undefined) break;
    path.push(Array.isArray(value) ? Number(name) : name);
    value = memberOf(value, path.at(-1) ?? "");
  }
  return path;
}

/** Bytes with a few of them replaced, left out, put in, or all behind a place cut off. */
export function damaged(body: fc.Arbitrary<string>): fc.Arbitrary<Uint8Array> {
  const byte = fc.oneof(fc.constantFrom(...Buffer.from('{}[]:,"\\ 01-+.eEtfnu\n\r\t\0/')), fc.nat({ max: 255 }));
  const change = fc.record({ at: fc.nat(), how: fc.constantFrom("replace", "insert", "remove", "cut"), byte });
  return fc.tuple(body, fc.array(change, { minLength: 1, maxLength: 3 })).map(([text, changes]) => {
    const bytes = [...Buffer.from(text)];
    for (const { at, how, byte: other } of changes) {
      const place = at % (bytes.length + 1);
      if (how === "cut") bytes.length = place;
      else if (how === "insert") bytes.splice(place, 0, other);
      else bytes.splice(place, 1, ...(how === "replace" ? [other] : []));
    }
    return Uint8Array.from(bytes);
  });
}

/** What documents of one stream say together: the last that has something. Those over the cap, in bytes, are not looked into. */
export function lastOf(documents: readonly string[], path: JsonPath, capBytes = NO_CAP): Reading {
  const readings = documents
    .filter((text) => !/^[ \t\r\n]*$/.test(text))
    .map((text): Reading => (Buffer.byteLength(text) > capBytes ? { fault: "over_cap" } : readingOf(text, path)));
  const last = readings.findLast((one) => !("fault" in one) || (one.fault !== "missing" && one.fault !== "unreadable"));
  const isUnreadable = readings.length > 0 && readings.every((one) => "fault" in one && one.fault === "unreadable");
  return last ?? { fault: isUnreadable ? "unreadable" : "missing" };
}
