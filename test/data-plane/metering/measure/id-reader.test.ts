/** Ids out of answers: what `JSON.parse` says they are, wherever the pieces of the body end. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type BodyHead, textReaderFor } from "#data-plane/metering/measure/reader-for.ts";

const PLAIN: BodyHead = { contentType: "application/json", contentEncoding: undefined };

function read(body: string, cuts: readonly number[] = [], head = PLAIN) {
  const bytes = Buffer.from(body);
  const reader = textReaderFor(["data", "id"], head, 1_000_000);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    reader.push(bytes.subarray(from, end));
    from = end;
  }
  return reader.end();
}

test("any text is read as it is, escapes and all, whatever stands around it", () => {
  const id = fc.oneof(fc.string({ unit: "binary", maxLength: 255 }), fc.uuid(), fc.nat().map(String));
  fc.assert(
    fc.property(
      id,
      fc.json({ maxDepth: 2 }),
      fc.array(fc.nat(), { maxLength: 5 }),
      fc.boolean(),
      (text, other, cuts, isEscaped) => {
        const inside = isEscaped ? `"${escaped(text)}"` : JSON.stringify(text);
        const body = `{"id":"wrong","x":${other},"data":{"x":${other},"id":${inside}},"y":${other}}`;
        expect(read(body, cuts)).toEqual({ text: JSON.parse(body).data.id });
      },
    ),
    { numRuns: 500 },
  );
});

/** As some serialisers write everything: unit by unit. */
function escaped(text: string): string {
  return text.replace(/[^]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

test.each([
  ["7", { text: "7" }],
  ["-7", { text: "-7" }],
  ["12345678901234567890", { text: "12345678901234567890" }],
  ["1.0", { fault: "not_a_number" }],
  ["1e3", { fault: "not_a_number" }],
  ["true", { fault: "not_a_number" }],
  ["{}", { fault: "not_a_number" }],
  ["[1]", { fault: "not_a_number" }],
  ["null", { fault: "missing" }],
  ['""', { text: "" }],
  [`"${"x".repeat(255)}"`, { text: "x".repeat(255) }],
])("the value %s is read as %j", (value, expected) => {
  expect(read(`{"data":{"id":${value}}}`)).toEqual(expected);
});

test.each([
  ["nothing", "", "missing"],
  ["no such member", '{"data":{}}', "missing"],
  ["half a document", '{"data":{"id":"m1"}', "unreadable"],
  ["no JSON", "<html>", "unreadable"],
])("%s has no id", (_what, body, fault) => {
  expect(read(body)).toEqual({ fault });
});

test("a compressed body is not looked into", () => {
  expect(read('{"data":{"id":"m1"}}', [], { ...PLAIN, contentEncoding: "gzip" })).toEqual({
    fault: "unreadable",
  });
});
