/** The last value in lines of JSON, against splitting the whole text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonPath } from "#core/meter-source.ts";
import type { Reading } from "#data-plane/metering/measure/body-reader.ts";
import { NdjsonLastReader } from "#data-plane/metering/measure/ndjson-last-reader.ts";
import { chunkSizes, damaged, decoded, jsonText, lastOf, NO_CAP, read, readIn } from "./readings.ts";

const RUNS = process.env.TOLLGATE_LONG === "1" ? 100_000 : 1_000;

function reader(path: JsonPath = ["n"], lineBytesMax = NO_CAP): NdjsonLastReader {
  return new NdjsonLastReader(path, lineBytesMax);
}

const line = fc.oneof(
  fc.constantFrom("", " ", '{"a":1}', '{"a":null}', '{"a":"x"}', "{}", "garbage", '{"a":2', '{"b":[3]}'),
  jsonText.map((text) => text.replaceAll("\n", " ")),
);
const body = fc
  .tuple(fc.constantFrom("", "", "\ufeff"), fc.array(line, { maxLength: 8 }), fc.constantFrom("\n", "\r\n"), fc.boolean())
  .map(([mark, lines, end, isEnded]) => mark + lines.join(end) + (isEnded ? end : "")); // biome-ignore format: one distribution
const path = fc.constantFrom<JsonPath>(["a"], ["b"], ["a", "b"], [0], ["b", 0]);

describe("against the lines of the text", () => {
  test("the last line that has the value says it, whatever the lines and the chunks", () => {
    let found = 0;
    fc.assert(
      fc.property(body, path, chunkSizes, (text, at, sizes) => {
        const expected = lastOf(decoded(Buffer.from(text)).split("\n"), at);
        if ("text" in expected) found++;
        expect(readIn(reader(at), text, sizes)).toEqual(expected);
      }),
      { numRuns: RUNS },
    );
    expect(found).toBeGreaterThan(RUNS / 20);
  });

  test("so does that of a damaged body", () => {
    fc.assert(
      fc.property(damaged(body), path, chunkSizes, (bytes, at, sizes) => {
        expect(readIn(reader(at), bytes, sizes)).toEqual(lastOf(decoded(bytes).split("\n"), at));
      }),
      { numRuns: RUNS },
    );
  });

  test("lines over the cap are over_cap until a later one has the value", () => {
    const document = fc.constantFrom('{"a":1}', '{"a":22}', '{"a":333}', "{}", '{"a":null}', '{"b":123456}');
    fc.assert(
      fc.property(fc.array(document, { maxLength: 6 }), fc.integer({ min: 5, max: 12 }), chunkSizes, (lines, cap, sizes) => {
        expect(readIn(reader(["a"], cap), lines.join("\n"), sizes)).toEqual(lastOf(lines, ["a"], cap));
      }),
    ); // biome-ignore format: one property
  });
});

test.each<[string, Reading]>([
  ['{"n":1}\n{"n":2}\n{"done":true}\n', { text: "2" }],
  ['{"n":1}\n{"n":2}', { text: "2" }],
  ['{"n":1}\r\n\r\n{"n":2', { text: "1" }],
  ['{"n":1}\nnot json\n', { text: "1" }],
  ['{"n":1}\n{"n":"many"}\n', { fault: "not_a_number" }],
  ['{"n":\n1}', { fault: "unreadable" }],
  ["<html>\n</html>", { fault: "unreadable" }],
  ["{}\n<html>", { fault: "missing" }],
  ["\n\n\n", { fault: "missing" }],
  ["", { fault: "missing" }],
])("%j says %j", (text, expected) => {
  expect(read(reader(), text)).toEqual(expected);
  expect(readIn(reader(), text, [1])).toEqual(expected);
});

test("a line that never ends costs no memory and hides nothing behind it", () => {
  const stream = reader(["n"], 1_000);
  stream.push(Buffer.from('{"n":1}\n{"x":"'));
  const chunk = Buffer.from("x".repeat(100_000));
  const { heapUsed, external } = process.memoryUsage();
  for (let i = 0; i < 1_000; i++) stream.push(chunk);
  const after = process.memoryUsage();
  expect(after.heapUsed + after.external - heapUsed - external).toBeLessThan(20_000_000);
  stream.push(Buffer.from('"}\n{"n":2}'));
  expect(stream.end()).toEqual({ text: "2" });
});

test("a million lines of nothing are no trouble", () => {
  expect(read(reader(), "\n".repeat(1_000_000))).toEqual({ fault: "missing" });
});
