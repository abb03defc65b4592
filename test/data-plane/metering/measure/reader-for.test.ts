/** Which body gets which reader, and which may not be looked into. */
import { expect, test } from "vitest";
import { parseMeterSource } from "#core/meter-source.ts";
import { readerFor } from "#data-plane/metering/measure/reader-for.ts";
import { read } from "./readings.ts";

const CAPS = { bodyBytes: 100, eventBytes: 50 };

function says(source: string, body: string, contentType?: string, contentEncoding?: string): unknown {
  const parsed = parseMeterSource(source);
  if ("fault" in parsed) throw new Error(parsed.fault);
  const reader = readerFor(parsed, { contentType, contentEncoding }, CAPS);
  return reader === null ? null : read(reader, body);
}

test.each(["duration", "bytes.in", "bytes.out", "upstream", "request.header:x", "response.header:x"])(
  "%s needs no body",
  (source) => {
    expect(says(source, "")).toBeNull();
  },
);

test("each source reads bodies of its form", () => {
  expect(says("request.json:n", '{\n"n":1}')).toEqual({ text: "1" });
  expect(says("response.json:n", '{\n"n":1}', "text/plain")).toEqual({ text: "1" });
  expect(says("sse.last:n", 'data: {"n":1}\n\n', "text/event-stream; charset=utf-8")).toEqual({ text: "1" });
  expect(says("sse.last:n", 'data: {"n":1}\n\n')).toEqual({ text: "1" });
  expect(says("ndjson.last:n", '{"n":1}\n{"n":2}', "application/x-ndjson")).toEqual({ text: "2" });
  expect(says("ndjson.last:n", '{"n":1}\n{"n":2}', "application/json")).toEqual({ text: "2" });
});

test.each(["application/json", "Application/JSON; charset=utf-8", "application/problem+json", " application/json "])(
  "sse.last reads %j as one document",
  (contentType) => {
    expect(says("sse.last:n", '{\n"n":1}', contentType)).toEqual({ text: "1" });
  },
);

test.each(["text/event-stream", "application/jsonl", "application/x-ndjson", "text/json; x=application/json", ""])(
  "sse.last reads %j as events",
  (contentType) => {
    expect(says("sse.last:n", 'data: {"n":1}\n\n', contentType)).toEqual({ text: "1" });
  },
);

test.each(["gzip", "br", "identity, gzip", "GZIP", "x", "gzip, identity"])("%j is unreadable", (contentEncoding) => {
  for (const source of ["request.json:n", "response.json:n", "sse.last:n", "ndjson.last:n"]) {
    expect(says(source, '{"n":1}', "application/json", contentEncoding)).toEqual({ fault: "unreadable" });
  }
});

test.each(["", "identity", " Identity ", "identity,identity"])("%j is plain", (contentEncoding) => {
  expect(says("response.json:n", '{"n":1}', undefined, contentEncoding)).toEqual({ text: "1" });
});

test("documents have the cap of bodies, events and lines their own", () => {
  const document = (bytes: number) => `{"n":1,"x":"${"x".repeat(bytes - 14)}"}`;
  expect(says("response.json:n", document(100))).toEqual({ text: "1" });
  expect(says("response.json:n", document(101))).toEqual({ fault: "over_cap" });
  expect(says("sse.last:n", document(100), "application/json")).toEqual({ text: "1" });
  expect(says("sse.last:n", `data: ${document(50)}\n\n`)).toEqual({ text: "1" });
  expect(says("sse.last:n", `data: ${document(51)}\n\n`)).toEqual({ fault: "over_cap" });
  expect(says("ndjson.last:n", document(50))).toEqual({ text: "1" });
  expect(says("ndjson.last:n", document(51))).toEqual({ fault: "over_cap" });
});
