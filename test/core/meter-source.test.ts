/** Sources of meters: what each spelling means, and what a wrong one is told. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseMeterSource } from "#core/meter-source.ts";

test.each([
  ["duration", { kind: "duration" }],
  ["bytes.in", { kind: "bytes.in" }],
  ["bytes.out", { kind: "bytes.out" }],
  ["upstream", { kind: "upstream" }],
  ["request.header:x-units", { kind: "request.header", name: "x-units" }],
  ["response.header:X-Call-Seconds", { kind: "response.header", name: "x-call-seconds" }],
  ["response.json:usage.total_tokens", { kind: "response.json", path: ["usage", "total_tokens"] }],
  ["request.json:n", { kind: "request.json", path: ["n"] }],
  ["sse.last:usage.total_tokens", { kind: "sse.last", path: ["usage", "total_tokens"] }],
  ["ndjson.last:eval_count", { kind: "ndjson.last", path: ["eval_count"] }],
  ["request.json:items[0].size", { kind: "request.json", path: ["items", 0, "size"] }],
  ["request.json:items.0.size", { kind: "request.json", path: ["items", 0, "size"] }],
  ["request.json:[2][10]", { kind: "request.json", path: [2, 10] }],
  ["request.json:2.a", { kind: "request.json", path: [2, "a"] }],
  ['request.json:["a.b"].c', { kind: "request.json", path: ["a.b", "c"] }],
  ['request.json:a["0"]["x\\"y"]', { kind: "request.json", path: ["a", "0", 'x"y'] }],
  ['request.json:a["\\u0041\\ud83d\\ude00"]', { kind: "request.json", path: ["a", "A😀"] }],
  ['request.json:[""]', { kind: "request.json", path: [""] }],
  ["request.json:__proto__.constructor", { kind: "request.json", path: ["__proto__", "constructor"] }],
  ["request.json:x-y:z/ü.1a", { kind: "request.json", path: ["x-y:z/ü", "1a"] }],
  ["request.json:a[999999]", { kind: "request.json", path: ["a", 999_999] }],
])("%s", (text, expected) => {
  expect(parseMeterSource(text)).toEqual(expected);
});

test.each([
  "", " duration", "duration ", "Duration", "duration:", "duration:s", "bytes", "bytes.in:1", "upstream:tokens", "constant", "1",
  "response", "response.body:a", "response.header", "response.header:", "response.header:x y", "response.header:x:y", "response.header:ü",
  "response.json", "response.json:", "response.json:.", "response.json:.a", "response.json:a.",
  "response.json:a..b", "response.json:a b", "response.json: a", "response.json:a\n", "response.json:a\u0000", "response.json:$.a",
  "response.json:$[0]", "response.json:a[", "response.json:a]", "response.json:a[]", "response.json:a[-1]", "response.json:a[01]",
  "response.json:a.01", "response.json:a[1000000]", "response.json:a[99999999999999999999]", "response.json:a[*]", "response.json:a['b']",
  "response.json:a[b]", "response.json:a[0]b", "response.json:a.[0]", 'response.json:a["b]', 'response.json:a["b"', 'response.json:"a"',
  'response.json:a["\\x"]', 'response.json:a["\\u12"]', 'response.json:["a\nb"]',
])("%j is told what is wanted", (text) => {
  expect(parseMeterSource(text)).toEqual({ fault: expect.stringMatching(/^Expected .{10,700}$/) });
}); // biome-ignore format: a list

test.each([
  ["header", "request.header:", "x", 128],
  ["name", "request.json:a.", "x", 128],
  ["path", "request.json:a", ".a", 15],
  ["text", `request.json:${`["${"x".repeat(100)}"]`.repeat(9)}.y`, "y", 73],
])("a %s may not be longer", (_, start, more, times) => {
  expect(parseMeterSource(start + more.repeat(times))).not.toHaveProperty("fault");
  expect(parseMeterSource(start + more.repeat(times + 1))).toHaveProperty("fault");
  expect(parseMeterSource(start + more.repeat(100_000))).toHaveProperty("fault");
});

test("a fault names the place and the cure", () => {
  expect(parseMeterSource("response.json:usage..total")).toEqual({
    fault: expect.stringMatching(/such as usage\.total_tokens.*got "usage\.\.total", wrong from "\.\.total" on$/),
  });
  expect(parseMeterSource("response.json:$.usage")).toEqual({
    fault: expect.stringContaining("without the leading $"),
  });
  expect(parseMeterSource("request.json:a.007")).toEqual({ fault: expect.stringContaining('["007"] for a name') });
});

test("every path of names and indexes can be written, and is read back", () => {
  const odd = fc.constantFrom("a", "0", ".", "[", "]", '"', "\\", "é", "😀", "\ud800", "\u0000", "\n", " ", ":", "$");
  const step = fc.oneof(
    fc.nat({ max: 999_999 }),
    fc.string({ unit: odd, maxLength: 5 }),
    fc.constantFrom("a", "b.c", "0"),
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 8 }), (path) => {
      const text = path.map((part) => `[${JSON.stringify(part)}]`).join("");
      expect(parseMeterSource(`sse.last:${text}`)).toEqual({ kind: "sse.last", path });
    }),
  );
});

test("any text is a source or a fault, never an exception", () => {
  const piece = fc.constantFrom(
    "response.json",
    "sse.last",
    ":",
    ".",
    "[",
    "]",
    '"',
    "\\",
    "a",
    "0",
    " ",
    "$",
    "\u0000",
    "\ud800",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      const source = parseMeterSource(`response.json:${pieces.join("")}`);
      expect("fault" in source || ("path" in source && source.path.length > 0)).toBe(true);
    }),
    { numRuns: 2_000 },
  );
});
