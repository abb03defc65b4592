/**
 * Values that are missing or no good: each counts its documented fallback (else what was reserved), is counted in
 * `tollgate_meter_faults_total` and told in the log, and the answer reaches the client as it is. No crash, no silent nought.
 */
import { gzipSync } from "node:zlib";
import { type MeterCase, testMeters } from "./meters-cases.ts";

const BODY_CAP = 4096;
const json = { "content-type": "application/json" };
const tokens = { from: "response.json:usage.total_tokens", fallback: 7 };
const last = { from: "sse.last:usage.total_tokens", fallback: 7 };
const cost = { from: "response.header:x-cost", fallback: 7 };
const size = { from: "request.json:size", fallback: 7 };
const reported = { from: "upstream", fallback: 7 };

/** One value that is no good, wherever it stands. */
const fault = { units: 7, faults: 1 };

const bodies: readonly (readonly [string, string | readonly (string | Uint8Array)[]])[] = [
  ["in a body without it", "{}"],
  ["in a body where the path ends early", '{"usage":5}'],
  ["in a body with the name as text", '{"x":"usage.total_tokens"}'],
  ["in an empty body", ""],
  ["in a body that is no JSON", "<html>usage.total_tokens: 5</html>"],
  ["in JSON that is cut off", '{"usage":{"total_tokens":5'],
  ["in JSON with more behind it", '{"usage":{"total_tokens":5}} x'],
  ["in a body beyond the cap", `${" ".repeat(BODY_CAP)}{"usage":{"total_tokens":5}}`],
  ["in chunks beyond the cap", ['{"usage":{"total_tokens":5},"x":"', "y".repeat(BODY_CAP), '"}']],
  ["in a body as deep as it is long", "[".repeat(BODY_CAP - 1)],
  ["in a body that is no UTF-8", [Uint8Array.of(0xff, 0xfe, 0x00), '{"usage":{"total_tokens":5}}']],
  ...["-1", "-0.001", '"NaN"', '"Infinity"', "null", "true", "[5]", "{}", '""', '" 5"', '"0x10"', '"1,000"'].map(
    (value) => [`of ${value}`, `{"usage":{"total_tokens":${value}}}`] as const,
  ),
  ["of more units than can be counted", '{"usage":{"total_tokens":9007199254740992}}'],
  ["with an endless exponent", '{"usage":{"total_tokens":1e999999999}}'],
  ["with endless digits", `{"usage":{"total_tokens":${"9".repeat(2000)}}}`],
];

const CASES: readonly MeterCase[] = [
  ...bodies.map(([what, body]): MeterCase => ({ what, meter: tokens, answer: { headers: json, body }, ...fault })),
  {
    what: "in a compressed body",
    meter: tokens,
    answer: { headers: { ...json, "content-encoding": "gzip" }, body: [gzipSync('{"usage":{"total_tokens":5}}')] },
    ...fault,
  },
  {
    what: "in events without it",
    meter: last,
    answer: { headers: { "content-type": "text/event-stream" }, body: ["data: hello\n\n", "data: [DONE]\n\n"] },
    ...fault,
  },
  {
    what: "in an event beyond the cap",
    meter: last,
    answer: {
      headers: { "content-type": "text/event-stream" },
      body: ['data: {"usage":{"total_tokens":5}}\n\n', `data: {"x":"${"y".repeat(BODY_CAP)}"}\n\n`],
    },
    ...fault,
  },
  {
    what: "in a line beyond the cap",
    meter: { from: "ndjson.last:n", fallback: 7 },
    answer: { body: [`{"n":1,"x":"${"y".repeat(BODY_CAP)}"}\n`] },
    ...fault,
  },
  { what: "in a header that is not there", meter: cost, answer: {}, ...fault },
  { what: "in a header that says it twice", meter: cost, answer: { headers: { "x-cost": ["3", "4"] } }, ...fault },
  { what: "in an empty header", meter: cost, answer: { headers: { "x-cost": "" } }, ...fault },
  { what: "below nought in a header", meter: cost, answer: { headers: { "x-cost": "-4" } }, ...fault },
  {
    what: "in a header of the request that is not there",
    meter: { ...cost, from: "request.header:x-cost" },
    answer: {},
    ...fault,
  },
  { what: "in the body of a request without one", meter: size, answer: {}, ...fault },
  {
    what: "in a request beyond the cap, which reaches the app all the same",
    meter: size,
    headers: json,
    body: `{"x":"${"y".repeat(BODY_CAP)}","size":5}`,
    answer: (request, response) => void response.writeHead(request.body.length > BODY_CAP ? 200 : 500).end(),
    ...fault,
  },
  { what: "that the app does not report", meter: reported, answer: {}, ...fault },
  {
    what: "that the app reports of another meter",
    meter: reported,
    answer: { headers: { "x-tollgate-usage": "m0=5" } },
    ...fault,
  },
  {
    what: "that the app reports below nought",
    meter: reported,
    answer: { headers: { "x-tollgate-usage": "{meter}=-5" } },
    ...fault,
  },
  // The header's own fault, and that of the value that is missing then.
  {
    what: "in a report that is none",
    meter: reported,
    answer: { headers: { "x-tollgate-usage": "{meter}" } },
    units: 7,
    faults: 2,
  },
  {
    what: "that the app reports twice",
    meter: reported,
    answer: { headers: { "x-tollgate-usage": "{meter}=5,{meter}=5" } },
    units: 7,
    faults: 2,
  },
  {
    what: "in a report that is none, though its body has it",
    meter: tokens,
    answer: { headers: { ...json, "x-tollgate-usage": "=" }, body: '{"usage":{"total_tokens":5}}' },
    units: 5,
    faults: 1,
  },
  {
    what: "without a fallback counts the estimate",
    meter: { from: "response.header:x-cost", estimate: 4 },
    answer: {},
    units: 4,
    faults: 1,
  },
  {
    what: "without a fallback counts the estimate of the client",
    meter: { from: "response.header:x-cost", estimate: "request.header:x-most" },
    headers: { "x-most": "6" },
    answer: {},
    units: 6,
    faults: 1,
  },
  {
    what: "with an estimate of the client that is none",
    meter: { from: "response.header:x-cost", estimate: "request.header:x-most" },
    headers: { "x-most": "-6" },
    answer: { headers: { "x-cost": "3" } },
    units: 3,
  },
  {
    what: "without fallback and estimate counts nought, and is told of",
    meter: { from: "response.header:x-cost" },
    answer: {},
    units: 0,
    faults: 1,
  },
  { what: "of an answer that is not charged is not missed", meter: tokens, answer: { status: 503 }, units: 0 },
];

testMeters(CASES, { metering: { bodyCap: String(BODY_CAP) } });
