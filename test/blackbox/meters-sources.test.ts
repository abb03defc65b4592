/** Where a meter's value can come from, and how it becomes units: through the real gateway, read from the ledger. */
import { gzipSync } from "node:zlib";
import { setTimeout as sleep } from "node:timers/promises";
import { type MeterCase, testMeters } from "./meters-cases.ts";

const json = { "content-type": "application/json" };
const sse = { "content-type": "text/event-stream" };
const usage = (tokens: unknown) => JSON.stringify({ id: 1, usage: { total_tokens: tokens } });
const tokens = { from: "response.json:usage.total_tokens" };
const seconds = (more: object) => ({ from: "response.header:x-seconds", ...more });
const after = (value: string) => ({ headers: { "x-seconds": value } });

const SOURCES: readonly MeterCase[] = [
  { what: "that is a constant of the route", meter: {}, route: 3, answer: {}, units: 3 },
  {
    what: "in a header of the request",
    meter: { from: "request.header:X-Size" },
    headers: { "x-SIZE": " 12 " },
    answer: {},
    units: 12,
  },
  {
    what: "in a header of the response",
    meter: { from: "response.header:x-cost" },
    answer: { headers: { "X-Cost": "7" } },
    units: 7,
  },
  {
    what: "in the request's JSON",
    meter: { from: "request.json:input.items[1].size" },
    headers: json,
    body: JSON.stringify({ input: { items: [{ size: 1 }, { size: 41 }] } }),
    answer: {},
    units: 41,
  },
  {
    what: "in the request's JSON, cut into chunks",
    meter: { from: 'request.json:["the size"]' },
    headers: json,
    body: ['{"a":[1,2,{"the size":9}],"the si', 'ze":4', "3}"],
    answer: {},
    units: 43,
  },
  { what: "in the response's JSON", meter: tokens, answer: { headers: json, body: usage(123) }, units: 123 },
  { what: "in the response's JSON, as text", meter: tokens, answer: { headers: json, body: usage("124") }, units: 124 },
  {
    what: "in the response's JSON, cut into chunks",
    meter: tokens,
    answer: { headers: json, body: ['{"usage":{"total_', 'tokens":12', "5}}"] },
    units: 125,
  },
  {
    what: "in the JSON of an error that counts",
    meter: tokens,
    answer: { status: 404, headers: json, body: usage(5) },
    units: 5,
  },
  {
    what: "in the JSON of an error that does not count",
    meter: tokens,
    answer: { status: 500, headers: json, body: usage(5) },
    units: 0,
  },
  {
    what: "in the last event that has one",
    meter: { from: "sse.last:usage.total_tokens" },
    answer: {
      headers: sse,
      body: [
        `data: ${usage(1)}\n\n`,
        `event: x\r\ndata: ${usage(17)}\r`,
        "\n\r\n",
        'data: {"choices":[]}\n\n',
        "data: [DONE]\n\n",
      ],
    },
    units: 17,
  },
  {
    what: "in the JSON of an app that was not asked to stream",
    meter: { from: "sse.last:usage.total_tokens" },
    answer: { headers: json, body: usage(18) },
    units: 18,
  },
  {
    what: "in the last line that has one",
    meter: { from: "ndjson.last:n" },
    answer: { headers: { "content-type": "application/x-ndjson" }, body: ['{"n":1}\n{"n"', ':19}\r\n{"m":2}\n', "\n"] },
    units: 19,
  },
  { what: "of bytes of the request", meter: { from: "bytes.in" }, body: "x".repeat(1234), answer: {}, units: 1234 },
  {
    what: "of bytes of the request, in chunks",
    meter: { from: "bytes.in" },
    body: ["x".repeat(70_000), "yy"],
    answer: {},
    units: 70_002,
  },
  { what: "of bytes of the response", meter: { from: "bytes.out" }, answer: { body: "é".repeat(500) }, units: 1000 },
  {
    what: "of bytes of the response, compressed as they are",
    meter: { from: "bytes.out" },
    answer: { headers: { "content-encoding": "gzip" }, body: [gzipSync("x".repeat(99_999), { level: 9 })] },
    units: gzipSync("x".repeat(99_999), { level: 9 }).length,
  },
  { what: "of no bytes", meter: { from: "bytes.out" }, answer: { status: 204 }, units: 0 },
  {
    what: "of time",
    meter: { from: "duration", scale: 1000 },
    answer: async (_request, response) => {
      await sleep(110);
      response.end();
    },
    units: [110, 10_000],
  },
  {
    what: "that the app reports",
    meter: { from: "upstream" },
    answer: { headers: { "x-tollgate-usage": "{meter}=9" } },
    units: 9,
  },
  {
    what: "that the app reports among others",
    meter: { from: "upstream" },
    answer: { headers: { "X-Tollgate-Usage": ["jobs=1, other=x", " {meter} = 10 "] } },
    units: 10,
  },
  {
    what: "that the app reports, which is worth more than its body",
    meter: tokens,
    answer: { headers: { ...json, "x-tollgate-usage": "{meter}=11" }, body: usage(99) },
    units: 11,
  },
  {
    what: "that the app reports of a meter without a source",
    meter: {},
    route: 2,
    answer: { headers: { "x-tollgate-usage": "{meter}=11" } },
    units: 2,
  },
  {
    what: "that the app reports in a trailer",
    meter: { from: "upstream" },
    answer: trailing("12"),
    units: 12,
  },
  {
    what: "that the app reports in a trailer, which is worth more than its body",
    meter: { from: "response.json:n" },
    answer: trailing("13"),
    units: 13,
  },
  {
    what: "that the client claims to be the app's",
    meter: { from: "upstream", fallback: 1 },
    headers: { "x-tollgate-usage": "{meter}=0" },
    answer: { headers: { "x-tollgate-usage": "{meter}=14" } },
    units: 14,
  },
];

function trailing(value: string): MeterCase["answer"] {
  return ({ url }, response) => {
    response.writeHead(200, { ...json, trailer: "x-tollgate-usage" }).write('{"n":1}');
    response.addTrailers({ "x-tollgate-usage": `${url.slice(1)}=${value}` });
    response.end();
  };
}

const UNITS: readonly MeterCase[] = [
  { what: "scaled and rounded up", meter: seconds({ scale: "1/60" }), answer: after("61"), units: 2 },
  { what: "scaled to a whole number exactly", meter: seconds({ scale: "1/60" }), answer: after("120"), units: 2 },
  {
    what: "scaled and rounded down",
    meter: seconds({ scale: "1/60", round: "down" }),
    answer: after("119.999"),
    units: 1,
  },
  {
    what: "scaled and rounded to the nearest",
    meter: seconds({ scale: "1/60", round: "nearest" }),
    answer: after("89"),
    units: 1,
  },
  { what: "a half rounded to the nearest", meter: seconds({ round: "nearest" }), answer: after("2.5"), units: 3 },
  { what: "with a fraction no float holds", meter: seconds({ scale: 10 }), answer: after("0.1"), units: 1 },
  { what: "below the minimum", meter: seconds({ minimum: 5 }), answer: after("2"), units: 5 },
  { what: "of nought with a minimum", meter: seconds({ minimum: 1 }), answer: after("0"), units: 1 },
  { what: "of nought", meter: seconds({}), answer: after("0.0"), units: 0 },
  { what: "with an exponent", meter: seconds({ scale: "0.001" }), answer: after("12e5"), units: 1200 },
  { what: "of which only the request counts", meter: seconds({ aggregate: "count" }), answer: after("77"), units: 1 },
  { what: "below its estimate", meter: seconds({ estimate: 50 }), answer: after("7"), units: 7 },
  { what: "above its estimate", meter: seconds({ estimate: 50 }), answer: after("70"), units: 70 },
];

testMeters([...SOURCES, ...UNITS]);
