/** The last value in server-sent events, against the HTML Standard's steps done on the whole text. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonPath } from "#core/meter-source.ts";
import type { Reading } from "#data-plane/metering/measure/body-reader.ts";
import { SseLastReader } from "#data-plane/metering/measure/sse-last-reader.ts";
import { chunkSizes, damaged, decoded, jsonText, lastOf, NO_CAP, read, readIn } from "./readings.ts";

const RUNS = process.env.TOLLGATE_LONG === "1" ? 100_000 : 1_000;
const USAGE: JsonPath = ["usage", "total_tokens"];

function reader(path: JsonPath = USAGE, eventBytesMax = NO_CAP): SseLastReader {
  return new SseLastReader(path, eventBytesMax);
}

/** Data of each event, as the standard dispatches them, and of one that the end cuts short. */
function dispatched(stream: string): readonly string[] {
  const events: string[] = [];
  let data: string | null = null;
  for (const line of stream.split(/\r\n|\n|\r/)) {
    const [, field = line, value = ""] = /^([^:]*):(?: ?)(.*)$/s.exec(line) ?? [];
    if (line === "" && data !== null) events.push(data);
    if (line === "") data = null;
    else if (field === "data") data = data === null ? value : `${data}\n${value}`;
  }
  return data === null ? events : [...events, data];
}

function readingOfStream(stream: string, path: JsonPath): Reading {
  return lastOf(dispatched(stream), path);
}

/** A line's end, or an event's. */
const lineEnd = fc.constantFrom("\n", "\r\n", "\r", "\n\n", "\r\n\r\n", "\r\r", "\n\r");
const value = fc.oneof(
  fc.constantFrom('{"a":3}', '{"a":12.5}', '{"a":{"b":7}}', '{"b":8}', '{"a":[9]}', '{"a":null}', '{"a":"x"}', "[10]"),
  fc.constantFrom("[DONE]", "", " ", '{"a":1', "}", '"a":2', "{", ",", '{"a":', "7}"),
  jsonText.map((text) => text.replaceAll(/[\r\n]/g, " ")),
);
const line = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constantFrom("data:", "data: ", "data:  "), value).map((parts) => parts.join("")) },
  { weight: 1, arbitrary: fc.constant("") },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      "data", ":", ": data: {}", "event: usage", "id:1", "retry: 5", "dat", 'dat: {"a":9}', 'Data: {"a":9}', ' data: {"a":9}',
      'data : {"a":9}', 'datax: {"a":9}', 'x\u0000data:{"a":9}', "\ufeffdata: {}", "é: 1",
    ),
  },
); // biome-ignore format: one distribution
const stream = fc
  .tuple(fc.constantFrom("", "", "\ufeff"), fc.array(fc.tuple(line, lineEnd), { maxLength: 12 }), fc.boolean())
  .map(([mark, lines, isCut]) => {
    const text = mark + lines.map((parts) => parts.join("")).join("");
    return isCut ? text.replace(/[\r\n]+$/, "") : text;
  });
const path = fc.constantFrom<JsonPath>(["a"], ["b"], ["a", "b"], [0], ["a", 0]);

describe("against the standard", () => {
  test("the last event that has the value says it, whatever the lines, their ends and the chunks", () => {
    let found = 0;
    fc.assert(
      fc.property(stream, path, chunkSizes, (text, at, sizes) => {
        const expected = readingOfStream(decoded(Buffer.from(text)), at);
        if ("text" in expected) found++;
        expect(readIn(reader(at), text, sizes)).toEqual(expected);
      }),
      { numRuns: RUNS },
    );
    expect(found).toBeGreaterThan(RUNS / 20);
  });

  test("so does that of a damaged stream", () => {
    fc.assert(
      fc.property(damaged(stream), path, chunkSizes, (bytes, at, sizes) => {
        expect(readIn(reader(at), bytes, sizes)).toEqual(readingOfStream(decoded(bytes), at));
      }),
      { numRuns: RUNS },
    );
  });

  test("events over the cap are over_cap until a later one has the value", () => {
    const data = fc.constantFrom('{"a":1}', '{"a":22}', '{"a":333}', "{}", '{"a":null}', '{"b":123456}');
    fc.assert(
      fc.property(
        fc.array(data, { maxLength: 6 }),
        fc.integer({ min: 5, max: 12 }),
        chunkSizes,
        (events, cap, sizes) => {
          const body = events.map((text) => `data: ${text}\n\n`).join("");
          expect(readIn(reader(["a"], cap), body, sizes)).toEqual(lastOf(events, ["a"], cap));
        },
      ),
    );
  });
});

test.each<[string, Reading]>([
  ['data: {"usage":null}\n\ndata: {"usage":{"total_tokens":42}}\n\ndata: [DONE]\n\n', { text: "42" }],
  ['data: {"usage":{"total_tokens":1}}\n\ndata: {"usage":{"total_tokens":2}}\n\ndata: {"usage":null}\n\n', { text: "2" }],
  ['event: message_delta\ndata: {"usage":{"total_tokens":3}}\n\nevent: message_stop\ndata: {"type":"message_stop"}\n\n', { text: "3" }],
  ['data: {"usage":\r\ndata: {"total_tokens":4}}\r\n\r\n', { text: "4" }],
  ['data: {"usage":{"total_tokens":5}}\r\r', { text: "5" }],
  ['data: {"usage":{"total_tokens":6}}', { text: "6" }],
  ['data: {"usage":{"total_tokens":6}}\n\ndata: {"usage":{"total_tokens":7', { text: "6" }],
  ['data: {"usage":{"total_tokens":6}}\n\ndata: {"usage":{"total_tokens":"many"}}\n\n', { fault: "not_a_number" }],
  ['data: {"usage":{"total_tok\ndata: ens":8}}\n\n', { fault: "unreadable" }],
  ['{"usage":{"total_tokens":9}}', { fault: "missing" }],
  [': {"usage":{"total_tokens":9}}\n\n', { fault: "missing" }],
  ["data: [DONE]\n\n", { fault: "unreadable" }],
  ["data: [DONE]\n\ndata: {}\n\n", { fault: "missing" }],
  ["data\n\ndata:\n\n\n\n", { fault: "missing" }],
  ["", { fault: "missing" }],
])("%j says %j", (text, expected) => {
  expect(read(reader(), text)).toEqual(expected);
  expect(readIn(reader(), text, [1])).toEqual(expected);
}); // biome-ignore format: a table

describe("hostile streams", () => {
  test("one event, one line or one name that never ends costs no memory and hides nothing behind it", () => {
    const chunk = Buffer.from("x".repeat(100_000));
    for (const start of ["data: {", "data: ", "comment", ":", "data"]) {
      const body = reader(USAGE, 1_000_000);
      body.push(Buffer.from(start));
      const before = memoryBytes();
      for (let i = 0; i < 300; i++) body.push(chunk);
      expect(memoryBytes() - before).toBeLessThan(20_000_000);
      body.push(Buffer.from('\n\ndata: {"usage":{"total_tokens":5}}\n\n'));
      expect(body.end()).toEqual({ text: "5" });
    }
  });

  test("an event over the cap takes the place of the values before it", () => {
    const long = `data: {"x":"${"x".repeat(1_000)}","usage":{"total_tokens":9}}\n\n`;
    const short = 'data: {"usage":{"total_tokens":5}}\n\n';
    expect(read(reader(USAGE, 500), short + long)).toEqual({ fault: "over_cap" });
    expect(read(reader(USAGE, 500), short + long + short)).toEqual({ text: "5" });
    expect(read(reader(USAGE, 5_000), short + long)).toEqual({ text: "9" });
  });

  test("the cap counts all lines of an event, and the breaks between them", () => {
    const event = `${"data: 1\n".repeat(50)}\n`.replace("1", '{"a":[1').replaceAll("data: 1\n", "data: ,1\n");
    const bytes = dispatched(event)[0]?.length ?? 0;
    expect(bytes).toBeGreaterThan(100);
    expect(read(reader(["b"], bytes), event)).toEqual({ fault: "unreadable" });
    expect(read(reader(["b"], bytes - 1), event)).toEqual({ fault: "over_cap" });
  });

  test("a million events of nothing are no trouble", () => {
    expect(read(reader(), "data\n\n".repeat(300_000))).toEqual({ fault: "missing" });
    expect(read(reader(), "\r".repeat(1_000_000))).toEqual({ fault: "missing" });
  });

  test("any bytes at all get an answer", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), chunkSizes, (bytes, sizes) => {
        expect(readIn(reader(["a"]), bytes, sizes)).toEqual(readingOfStream(decoded(bytes), ["a"]));
      }),
    );
  });
});

function memoryBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
