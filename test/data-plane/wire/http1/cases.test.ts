/** The cases of `cases/*.md`: each is read as it says, whole, octet by octet, and cut in two anywhere. */
import { describe, expect, test } from "vitest";
import { casesOf, readCases, type WireCase } from "./cases.ts";
import { cuts, RequestReading, ResponseReading } from "./readings.ts";

function readingOf({ file, options }: WireCase): RequestReading | ResponseReading {
  if (file.startsWith("requests")) return new RequestReading();
  const methods = options.flatMap((option) => (option.startsWith("method ") ? option.slice(7).split(" ") : []));
  return new ResponseReading(methods);
}

describe.each(["requests", "responses"])("%s", (prefix) => {
  test.each(casesOf(prefix).map((one) => [`${one.file}: ${one.title}`, one] as const))("%s", (_title, one) => {
    for (const pieces of cuts(one.bytes)) {
      const reading = readingOf(one);
      const lengths = pieces.map(({ length }) => length);
      for (const piece of pieces) reading.take(piece);
      reading.end();
      expect(reading.events, `in pieces of ${lengths.slice(0, 3).join(", ")} octets`).toEqual(one.events);
    }
  });
});

test("no two cases have one title, and none is left to be filled in", () => {
  const cases = [...casesOf("requests"), ...casesOf("responses")];
  const titles = cases.map(({ file, title }) => `${file}: ${title}`);
  expect(new Set(titles).size).toBe(titles.length);
  expect(cases.filter(({ events }) => events.length === 0 || events.includes("TODO"))).toEqual([]);
  expect(cases.length).toBeGreaterThan(240);
});

test("a case without bytes or events, or with an unknown escape, is refused", () => {
  expect(() => readCases("x.md", "## One\n\n```http\nGET\n```\n")).toThrow("exactly one block");
  expect(() => readCases("x.md", "## One\n\n```http\n\\q\n```\n\n```events\nwhole\n```\n")).toThrow("Unknown escape");
});
