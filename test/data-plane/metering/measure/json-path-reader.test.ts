/** The value at a path of one JSON document, against JSON.parse: whatever the document, the path and the chunks. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonPath } from "#core/meter-source.ts";
import { JsonPathReader } from "#data-plane/metering/measure/json-path-reader.ts";
import {
  chunkSizes,
  damaged,
  decoded,
  documentAndPath,
  jsonPath,
  jsonText,
  NO_CAP,
  read,
  readIn,
  readingOf,
} from "./readings.ts";

const RUNS = process.env.TOLLGATE_LONG === "1" ? 100_000 : 1_500;
const USAGE: JsonPath = ["usage", "total_tokens"];

function reader(path: JsonPath = USAGE, capBytes = NO_CAP): JsonPathReader {
  return new JsonPathReader(path, capBytes);
}

describe("against JSON.parse", () => {
  test("a document says what JSON.parse and the path say, in the words of the document", () => {
    let found = 0;
    fc.assert(
      fc.property(documentAndPath, chunkSizes, ([text, path], sizes) => {
        const expected = readingOf(text, path);
        if ("text" in expected) found++;
        expect(readIn(reader(path), text, sizes)).toEqual(expected);
      }),
      { numRuns: RUNS },
    );
    expect(found).toBeGreaterThan(RUNS / 20);
  });

  test("damaged documents are unreadable exactly where JSON.parse throws", () => {
    let unreadable = 0;
    fc.assert(
      fc.property(damaged(jsonText), jsonPath, chunkSizes, (body, path, sizes) => {
        const expected = readingOf(decoded(body), path);
        if ("fault" in expected && expected.fault === "unreadable") unreadable++;
        expect(readIn(reader(path), body, sizes)).toEqual(expected);
      }),
      { numRuns: RUNS },
    );
    expect(unreadable).toBeGreaterThan(RUNS / 10);
  });

  test("so is every ASCII character at every kind of place", () => {
    const before = [
      "", " ", "[", "[1", "[1,", "[ ", "{", '{"a"', '{"a":', '{"a":1', '{"a":1,', '["', '["a', '["\\', '["\\u', '["\\u0', '["\\u00', '["\\u000',
      '["\\u0000', "[-", "[0", "[1", "[-0", "[1.", "[1.5", "[1e", "[1e+", "[1E5", "[t", "[tru", "[fals", "[n", "[nul", "[null", "[1]", "{}", "1",
    ]; // biome-ignore format: a list
    const after = [
      "",
      "]",
      "}",
      ":1}",
      '"]',
      '":1}',
      "1]",
      "rue]",
      "alse]",
      "e]",
      "l]",
      "ull]",
      "000]",
      '0"]',
      '000"]',
      '"a":1}',
      "5]",
    ];
    const wrong: string[] = [];
    for (const start of before)
      for (let code = 0; code < 128; code++)
        for (const end of after) {
          const text = start + String.fromCharCode(code) + end;
          const isUnreadable = JSON.stringify(read(reader(["x"]), text)) === '{"fault":"unreadable"}';
          if (isUnreadable === parses(text)) wrong.push(text);
        }
    expect(wrong).toEqual([]);
  });

  test("so are heaps of tokens", () => {
    const token = fc.constantFrom(
      "{", "}", "[", "]", ":", ",", '"a"', '"b"', '"\\u0061"', '"', "1", "0", "-", "1.5", "e", "E+", ".", "null", "true", "fals", "nul",
      "\\", "\\u00", " ", "\n", "\u0000", "\ufeff", "'", "//", "é",
    ); // biome-ignore format: a list
    const heap = fc.oneof(
      fc.array(token, { maxLength: 8 }).map((tokens) => tokens.join("")),
      fc.array(token, { maxLength: 8 }).map((tokens) => `{"a":${tokens.join("")}`),
      fc.array(token, { maxLength: 6 }).map((tokens) => `[1,${tokens.join("")}]`),
    );
    fc.assert(
      fc.property(
        heap,
        fc.constantFrom<JsonPath>(["a"], ["a", "b"], [0], [1], ["a", 0]),
        chunkSizes,
        (text, path, sizes) => {
          expect(readIn(reader(path), text, sizes)).toEqual(readingOf(decoded(Buffer.from(text)), path));
        },
      ),
      { numRuns: RUNS * 2 },
    );
  });

  test("a cap lets the same bytes through, and one byte less is over_cap", () => {
    const document = documentAndPath.filter(([text]) => /^[[{].*[\]}]$/s.test(text));
    fc.assert(
      fc.property(document, chunkSizes, ([text, path], sizes) => {
        const bytes = Buffer.byteLength(text);
        expect(readIn(reader(path, bytes), text, sizes)).toEqual(readingOf(text, path));
        expect(readIn(reader(path, bytes - 1), text, sizes)).toEqual({ fault: "over_cap" });
      }),
    );
  });
});

test.each<[string, JsonPath, unknown]>([
  ['{"usage":{"total_tokens":42}}', USAGE, { text: "42" }],
  ['\ufeff{"usage":{"total_tokens":42}}', USAGE, { text: "42" }],
  ['{"usage":{"total_tokens":"42"}}', USAGE, { text: "42" }],
  ['{"usage":{"total_tokens":"\\u0034\\u0032"}}', USAGE, { text: "42" }],
  ['{"us\\u0061ge":{"total_tokens":1e400}}', USAGE, { text: "1e400" }],
  ['{"usage":{"total_tokens":1},"usage":{"total_tokens":2}}', USAGE, { text: "2" }],
  ['{"usage":{"total_tokens":1,"total_tokens":2}}', USAGE, { text: "2" }],
  ['{"usage":{"total_tokens":1},"usage":{}}', USAGE, { fault: "missing" }],
  ['{"usage":{"total_tokens":1},"usage":null}', USAGE, { fault: "missing" }],
  ['{"usage":{"total_tokens":1,"total_tokens":null}}', USAGE, { fault: "missing" }],
  ['{"usage":{"total_tokens":1},"x":{"usage":{"total_tokens":2}}}', USAGE, { text: "1" }],
  ['{"x":[{"usage":{"total_tokens":2}}]}', USAGE, { fault: "missing" }],
  ['[{"usage":{"total_tokens":2}}]', USAGE, { fault: "missing" }],
  ['{"usage":[{"total_tokens":2}]}', USAGE, { fault: "missing" }],
  ['{"usage":{"total_tokens":null}}', USAGE, { fault: "missing" }],
  ['{"usage":{"total_tokens":true}}', USAGE, { fault: "not_a_number" }],
  ['{"usage":{"total_tokens":"many"}}', USAGE, { fault: "not_a_number" }],
  ['{"usage":{"total_tokens":{"total_tokens":2}}}', USAGE, { fault: "not_a_number" }],
  ['{"usage":{"total_tokens":[2]}}', USAGE, { fault: "not_a_number" }],
  ['{"usage":{"total_tokens":NaN}}', USAGE, { fault: "unreadable" }],
  ['{"usage":{"total_tokens":42}', USAGE, { fault: "unreadable" }],
  ['{"usage":{"total_tokens":42}}}', USAGE, { fault: "unreadable" }],
  ['{"usage":{"total_tokens":42}} {}', USAGE, { fault: "unreadable" }],
  ['{"usage":{"total_tokens":42},}', USAGE, { fault: "unreadable" }],
  ['{"usage":{"total_tokens":042}}', USAGE, { fault: "unreadable" }],
  ['{"usage":{"total_tokens":42}}\u0000', USAGE, { fault: "unreadable" }],
  ["<html>", USAGE, { fault: "unreadable" }],
  ["", USAGE, { fault: "missing" }],
  [" \r\n\t", USAGE, { fault: "missing" }],
  ["\ufeff", USAGE, { fault: "missing" }],
  ["\ufeff\ufeff1", [], { fault: "unreadable" }],
  ["42", USAGE, { fault: "missing" }],
  ["42", [], { text: "42" }],
  [" 42\n", [], { text: "42" }],
  ["4.", [], { fault: "unreadable" }],
  ['{"a":[[1,2],[3,[4,5]],[6]]}', ["a", 1, 1, 1], { text: "5" }],
  ['{"a":[[1,2],[3,[4,5]],[6]]}', ["a", 2, 0], { text: "6" }],
  ['{"\\\\":1,"b":2}', ["\\"], { text: "1" }],
  ['{"\\u005c":1,"b":2}', ["\\"], { text: "1" }],
  ['{"\\\\":1,"\\u0062":2}', ["b"], { text: "2" }],
  ['{"a\\\\":1,"a\\u0062":2}', ["ab"], { text: "2" }],
  ['{"a\\\\":1,"a\\u0062":2}', ["a\\"], { text: "1" }],
  ['{"\\\\b":1,"b":2}', ["\\"], { fault: "missing" }],
  ['{"a":[1]}', ["a", 1], { fault: "missing" }],
  ['{"0":1}', [0], { fault: "missing" }],
  ['{"0":1}', ["0"], { text: "1" }],
  ["[1]", ["0"], { fault: "missing" }],
])("%j at %j", (text, path, expected) => {
  expect(read(reader(path), text)).toEqual(expected);
  expect(readIn(reader(path), text, [1])).toEqual(expected);
});

describe("hostile bodies", () => {
  test("bytes that are no UTF-8 matter only where they stand: within a string they are some character", () => {
    const wrap = (inside: readonly number[]) =>
      Buffer.concat([Buffer.from('{"x":"'), Buffer.from(inside), Buffer.from('","usage":{"total_tokens":5}}')]);
    for (const inside of [[0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
      expect(readIn(reader(), wrap(inside), [1])).toEqual({ text: "5" });
    }
    expect(read(reader(), wrap([0]))).toEqual({ fault: "unreadable" });
    expect(read(reader(), Uint8Array.of(0xff, 0x7b, 0x7d))).toEqual({ fault: "unreadable" });
    expect(read(reader(), Uint8Array.of(0xef, 0xbb))).toEqual({ fault: "unreadable" });
    for (const broken of [[0xef], [0xef, 0xbb], [0xef, 0xef, 0xbb, 0xbf], [0xbb, 0xbf], [0xbf]]) {
      const body = Uint8Array.of(...broken, 0x7b, 0x7d);
      expect(readIn(reader(), body, [1])).toEqual({ fault: "unreadable" });
      expect(read(reader(), body)).toEqual({ fault: "unreadable" });
    }
  });

  test("512 levels are read, one more is unreadable, and a million do not hurt", () => {
    const nested = (levels: number) => `${"[".repeat(levels)}1${"]".repeat(levels)}`;
    const mixed = (levels: number) => `${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`;
    expect(read(reader([0]), nested(512))).toEqual({ fault: "not_a_number" });
    expect(read(reader(["a", "a"]), mixed(512))).toEqual({ fault: "not_a_number" });
    for (const levels of [513, 1_000_000]) {
      expect(read(reader([0]), nested(levels))).toEqual({ fault: "unreadable" });
      expect(read(reader(["a", "a"]), mixed(levels))).toEqual({ fault: "unreadable" });
    }
  });

  test("a number of 1024 characters is read, one more is too_large; a text that long is no number", () => {
    const digits = (count: number) => "7".repeat(count);
    const says = (value: string) => readIn(reader(["a"]), `{"a":${value}}`, [100]);
    expect(says(digits(1_024))).toEqual({ text: digits(1_024) });
    expect(says(digits(1_025))).toEqual({ fault: "too_large" });
    expect(says(digits(1_000_000))).toEqual({ fault: "too_large" });
    expect(says(`"${digits(1_024)}"`)).toEqual({ text: digits(1_024) });
    expect(says(`"${digits(1_025)}"`)).toEqual({ fault: "not_a_number" });
  });

  test("names much longer than the one looked for, and names that only start like it, are others", () => {
    const members = ["usage ", "usag", "u".repeat(100_000), "\\u0075".repeat(10_000), "usage\\u0000"];
    const text = `{${members.map((name) => `"${name}":{"total_tokens":1}`).join(",")}}`;
    for (const sizes of [[1], [7], [NO_CAP]]) expect(readIn(reader(), text, sizes)).toEqual({ fault: "missing" });
  });

  test("a body that never ends costs no memory, and one over its cap no time", () => {
    const body = reader();
    body.push(Buffer.from('{"x":["'));
    const chunk = Buffer.from(`${"lorem ipsum ".repeat(5_000)}","`);
    const before = memoryBytes();
    for (let i = 0; i < 800; i++) body.push(chunk); // 48 MB
    expect(memoryBytes() - before).toBeLessThan(20_000_000);
    body.push(Buffer.from('"],"usage":{"total_tokens":5}}'));
    expect(body.end()).toEqual({ text: "5" });

    const capped = reader(USAGE, 1_000);
    capped.push(Buffer.from('{"x":["'));
    for (let i = 0; i < 100_000; i++) capped.push(chunk); // 6 GB, were it read
    expect(capped.end()).toEqual({ fault: "over_cap" });
  });

  test("any bytes at all get an answer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), chunkSizes, (bytes, sizes) => {
        expect(readIn(reader(["a"]), bytes, sizes)).toEqual(readingOf(decoded(bytes), ["a"]));
      }),
      { numRuns: RUNS },
    );
  });
});

/** Blanks alone count as nothing to read, rather than as something unreadable. */
function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return /^[ \t\r\n]*$/.test(text);
  }
}

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
