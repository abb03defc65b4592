/** What the scanner does beyond its reader: windows of larger buffers, and documents one after the other. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { JsonPathScanner } from "#data-plane/metering/measure/json-path-scanner.ts";
import { damaged, documentAndPath, jsonText, NO_CAP, readingOf } from "./readings.ts";

/** A window each: the document's bytes, with others on both sides of them. */
function scanWindows(scanner: JsonPathScanner, body: Uint8Array, cuts: readonly number[]): void {
  const ends = [...new Set(cuts.map((cut) => cut % (body.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const [index, end] of [...ends, body.length].entries()) {
    const noise = Buffer.from('"}9'.repeat(index % 3));
    scanner.scan(Buffer.concat([noise, body.subarray(from, end), noise]), noise.length, noise.length + end - from);
    from = end;
  }
}

const cuts = fc.array(fc.nat(), { maxLength: 8 });

test("bytes outside the window are not read, wherever the window lies in its buffer", () => {
  fc.assert(
    fc.property(documentAndPath, cuts, ([text, path], places) => {
      const scanner = new JsonPathScanner(path, NO_CAP);
      scanWindows(scanner, Buffer.from(text), places);
      expect(scanner.end()).toEqual(readingOf(text, path));
    }),
    { numRuns: 1_000 },
  );
});

test("after a restart nothing is left of the document before, however it ended", () => {
  const before = fc.oneof(
    damaged(jsonText),
    jsonText.map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(before, documentAndPath, cuts, fc.boolean(), (first, [text, path], places, isEnded) => {
      const scanner = new JsonPathScanner(path, NO_CAP);
      scanWindows(scanner, first, places);
      if (isEnded) scanner.end();
      scanner.restart();
      expect(scanner.isBlank).toBe(true);
      scanWindows(scanner, Buffer.from(text), places);
      expect(scanner.end()).toEqual(readingOf(text, path));
    }),
    { numRuns: 1_000 },
  );
});

test("isBlank holds until the first byte that is none", () => {
  const scanner = new JsonPathScanner(["a"], 10);
  const scan = (text: string) => scanner.scan(Buffer.from(text), 0, text.length);
  for (const [text, isBlank] of [["", true], [" \r\n\t", true], ["{", false], ["}", false]] as const) {
    scan(text);
    expect(scanner.isBlank).toBe(isBlank);
  } // biome-ignore format: a table
});
