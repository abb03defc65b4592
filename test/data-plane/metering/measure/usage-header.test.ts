/** What apps report in x-tollgate-usage: the meters, or one clear fault. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseUsageHeader, USAGE_HEADER } from "#data-plane/metering/measure/usage-header.ts";
import { oddText } from "./readings.ts";

function usage(...lines: readonly string[]): unknown {
  const parsed = parseUsageHeader(lines);
  return "fault" in parsed ? parsed : Object.fromEntries(parsed);
}

test("the header's name is lower case, as heads are kept", () => {
  expect(USAGE_HEADER).toBe("x-tollgate-usage");
});

test.each([
  [["tokens=123,jobs=1"], { tokens: "123", jobs: "1" }],
  [["tokens=123", "jobs=1"], { tokens: "123", jobs: "1" }],
  [[" tokens = 12.5 ,\tjobs=1e3\t"], { tokens: "12.5", jobs: "1e3" }],
  [["a=1,,b=2,"], { a: "1", b: "2" }],
  [["gpu.seconds=0.25", "", "in-bytes=0"], { "gpu.seconds": "0.25", "in-bytes": "0" }],
  [["tokens=-1,jobs=NaN,x=abc"], { tokens: "-1", jobs: "NaN", x: "abc" }],
  [["constructor=1,toString=2"], { constructor: "1", toString: "2" }],
  [[], {}],
  [[""], {}],
  [[" , ,"], {}],
])("%j", (lines, expected) => {
  expect(usage(...lines)).toEqual(expected);
});

test.each([
  [["tokens"]],
  [["tokens="]],
  [["=5"]],
  [["tokens=1 jobs=2"]],
  [["tokens=1;jobs=2"]],
  [["tokens=1=2"]],
  [['tokens="1"']],
  [["tokens:1"]],
  [["1tokens=1"]],
  [["tök=1"]],
  [["to ken=1"]],
  [[`${"x".repeat(65)}=1`]],
  [[`x=${"1".repeat(1_025)}`]],
  [["tokens=1\u0000"]],
  [["tokens=1, jobs"]],
])("%j is a fault", (lines) => {
  expect(usage(...lines)).toEqual({ fault: expect.stringMatching(/^Expected meter=value, got "/) });
});

describe("a meter named twice", () => {
  test.each([[["tokens=1,tokens=2"]], [["tokens=1", "tokens=2"]], [["tokens=1,tokens=1"]]])(
    "%j is a fault",
    (lines) => {
      expect(usage(...lines)).toEqual({ fault: 'Expected each meter once, got "tokens" again' });
    },
  );

  test("but in other letters it is another", () => {
    expect(usage("tokens=1,Tokens=2")).toEqual({ tokens: "1", Tokens: "2" });
  });
});

test("64 meters are read, one more is a fault", () => {
  const entries = Array.from({ length: 65 }, (_, index) => `m${index}=${index}`);
  expect(Object.keys(usage(entries.slice(0, 64).join(",")) as object)).toHaveLength(64);
  expect(usage(entries.join(","))).toEqual({ fault: "Expected at most 64 meters" });
});

test("whatever meters and numbers are reported, they are read back, however the lines are split", () => {
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,10}$/);
  const report = fc.dictionary(name, fc.oneof(fc.nat().map(String), fc.double({ noNaN: true }).map(String)), {
    maxKeys: 8,
  });
  fc.assert(
    fc.property(report, fc.constantFrom(",", ", ", " ,\t", ",,"), fc.boolean(), (meters, separator, isSplit) => {
      const entries = Object.entries(meters).map(([meter, value]) => `${meter}=${value}`);
      expect(usage(...(isSplit ? entries : [entries.join(separator)]))).toEqual({ ...meters });
    }),
  );
});

test("any text is meters or a fault, in no time", () => {
  fc.assert(
    fc.property(fc.array(oddText, { maxLength: 4 }), (lines) => {
      expect(parseUsageHeader(lines)).toBeDefined();
    }),
  );
  for (const text of [" ", ",", "=", "a", "a=", "a =", "\t,"]) expect(usage(text.repeat(100_000))).toBeDefined();
});
