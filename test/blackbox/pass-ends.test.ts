/** How requests end that do not end well: clients and upstreams that leave, are absent or too slow, bodies that are too large. */
import { once } from "node:events";
import { connect } from "node:net";
import type { ServerResponse } from "node:http";
import { afterAll, beforeEach, expect, test } from "vitest";
import { Client } from "#test/support/client.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, startScene } from "#test/support/scene.ts";
import { freePort, startServer, startTcp } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const BODY_LIMIT_BYTES = 100_000;
/** Longer than the second in which a call must end when its client leaves: the timeout must not be what ends it. */
const REQUEST_TIMEOUT = "1500ms";

/** Says how far its last request got. */
const seen = { requests: 0, bodyBytes: 0, aborted: false };
let onRequest = (_response: ServerResponse): void => undefined;
const app = await startServer((request, response) => {
  Object.assign(seen, { requests: seen.requests + 1, bodyBytes: 0, aborted: false });
  request.on("data", (part: Buffer) => (seen.bodyBytes += part.length));
  response.on("close", () => (seen.aborted = !response.writableFinished));
  onRequest(response);
});
/** Answers with what a test put here, then closes. */
let bytes = "";
const broken = await startTcp((socket) => {
  socket.on("data", () => socket.end(bytes, "latin1"));
});
const nobody = `http://127.0.0.1:${await freePort()}`;
const scene = await startScene({
  config: {
    server: {
      workers: 2,
      adminToken: ADMIN_TOKEN,
      limits: { bodyBytes: BODY_LIMIT_BYTES, requestTimeout: REQUEST_TIMEOUT },
    },
    upstreams: { app: { targets: [app.url] }, broken: { targets: [broken.url] }, nobody: { targets: [nobody] } },
    routes: [
      { name: "app", match: { path: "/app" }, upstream: "app", meters: { api_calls: 1 } },
      { name: "broken", match: { path: "/broken" }, upstream: "broken", meters: { api_calls: 1 } },
      { name: "nobody", match: { path: "/nobody" }, upstream: "nobody", meters: { api_calls: 1 } },
    ],
  },
});
const { gateway, operator } = scene;
const key = await operator.key();

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
  await broken[Symbol.asyncDispose]();
});
beforeEach(() => {
  Object.assign(seen, { requests: 0, bodyBytes: 0, aborted: false });
  onRequest = () => undefined;
});

function ask(target: string, lines: readonly string[] = []): string {
  return requestHead("GET", target, [key.line, ...lines]);
}

/** The answers to a request, as far as they matter here. */
async function outcome(request: string | readonly string[]): Promise<readonly object[]> {
  const { responses } = await rawExchange(gateway.port, request, { responses: 1, idleMs: 3000 });
  return responses.map((response) => ({
    status: response.status,
    type: response.header("content-type"),
    body: response.json(),
    namesUpstream: response.text().includes("127.0.0.1"),
    idIsTheHeaders: response.text().includes(`"request_id":"${response.header("x-request-id")}"`),
  }));
}

/** One whole problem, which names no address of an upstream. */
function problem(status: number, error: string): readonly unknown[] {
  const type = "application/problem+json";
  return [
    { status, type, body: expect.objectContaining({ status, error }), namesUpstream: false, idIsTheHeaders: true },
  ];
}

test("a client that leaves cancels the call to the app within a second, before and after the answer began", async () => {
  for (const begin of [false, true]) {
    seen.requests = 0;
    onRequest = (response) => void (begin && response.write("first"));
    const socket = connect(gateway.port, "127.0.0.1");
    socket.write(ask("/app"));
    await until("the app has the request", () => seen.requests === 1);
    if (begin) await once(socket, "data");
    const left = performance.now();
    socket.destroy();
    await until("the app sees the call end", () => seen.aborted, 1000);
    expect(performance.now() - left).toBeLessThan(1000);
  }
});

test("a client that leaves in the middle of its body cancels the call to the app", async () => {
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(requestHead("POST", "/app", [key.line, "Content-Length: 1000"]) + "part");
  await until("the app has the part", () => seen.bodyBytes === 4);
  socket.destroy();
  await until("the app sees the call end", () => seen.aborted, 1000);
  expect(seen.bodyBytes).toBe(4);
});

test("a body that turns into garbage ends the connection and the call to the app, which never gets a clean end", async () => {
  using client = await Client.open(gateway.port);
  await client.send(`${requestHead("POST", "/app", [key.line, "Transfer-Encoding: chunked"])}4\r\npart\r\n`);
  await until("the app has the part", () => seen.bodyBytes === 4);
  await client.send("zz\r\n");
  await until("the app sees the call end", () => seen.aborted, 1000);
  await until("the connection is closed", () => client.closed);
  expect(seen.bodyBytes).toBe(4);
});

test.each([
  ["a length", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nten bytes."],
  ["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes.\r\n"],
  ["a broken chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nten bytes.\r\nzz\r\n"],
])("an answer with %s that breaks off is cut off for the client, never ended cleanly", async (_how, answer) => {
  bytes = answer;
  const { responses, closed } = await rawExchange(gateway.port, ask("/broken"), { idleMs: 3000 });
  expect(closed).toBe(true);
  expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[200, false]]);
});

test("an answer that falls silent is cut off for the client after the request timeout", async () => {
  onRequest = (response) => void response.writeHead(200, { "content-length": 10 }).write("part");
  const { responses, closed } = await rawExchange(gateway.port, ask("/app"), { idleMs: 5000 });
  expect(closed).toBe(true);
  expect(responses[0]?.complete).toBe(false);
});

test("an app that refuses connections is answered for with 502 and costs nothing", async () => {
  const before = await operator.used(key.account);
  expect(await outcome(ask("/nobody"))).toEqual(problem(502, "upstream_unreachable"));
  expect(await operator.used(key.account)).toBe(before);
});

test.each([
  ["is missing", "", "upstream_unreachable"],
  ["is not HTTP", "SSH-2.0-OpenSSH_9.6\r\n", "upstream_invalid_response"],
  ["switches to a protocol nobody asked for", "HTTP/1.1 101 Switching Protocols\r\n\r\n", "upstream_invalid_response"],
  [
    "has two lengths",
    "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "upstream_invalid_response",
  ],
])("an app whose answer %s is answered for with 502", async (_what, answer, error) => {
  bytes = answer;
  expect(await outcome(ask("/broken"))).toEqual(problem(502, error));
});

test("an app that does not answer in time is answered for with 504, and its call is cancelled", async () => {
  expect(await outcome(ask("/app"))).toEqual(problem(504, "upstream_timeout"));
  await until("the app sees the call end", () => seen.aborted, 1000);
});

test("a body with too great a length is refused with 413 before the app hears of it", async () => {
  const request = requestHead("POST", "/app", [key.line, `Content-Length: ${BODY_LIMIT_BYTES + 1}`]);
  expect(await outcome(request)).toEqual(problem(413, "body_too_large"));
  expect(seen.requests).toBe(0);
});

test("a chunked body is cut off at the limit: 413, never whole at the app, and it costs nothing", async () => {
  const before = await operator.used(key.account);
  const head = requestHead("POST", "/app", [key.line, "Transfer-Encoding: chunked"]);
  const chunk = `${(20_000).toString(16)}\r\n${"x".repeat(20_000)}\r\n`;
  expect(await outcome([head, ...Array.from({ length: 6 }, () => chunk), "0\r\n\r\n"])).toEqual(
    problem(413, "body_too_large"),
  );
  await until("the app sees the call end", () => seen.aborted, 1000);
  expect(seen.bodyBytes).toBeLessThanOrEqual(BODY_LIMIT_BYTES);
  expect(await operator.used(key.account)).toBe(before);
});

test("a body of exactly the limit passes, with a length and in chunks", async () => {
  onRequest = (response) => void response.req.on("end", () => response.end());
  const body = "x".repeat(BODY_LIMIT_BYTES);
  const framed: readonly (readonly [string, string])[] = [
    [`Content-Length: ${BODY_LIMIT_BYTES}`, body],
    ["Transfer-Encoding: chunked", `${BODY_LIMIT_BYTES.toString(16)}\r\n${body}\r\n0\r\n\r\n`],
  ];
  for (const [line, content] of framed) {
    const head = requestHead("POST", "/app", [key.line, line]);
    const { responses } = await rawExchange(gateway.port, [head, content], { responses: 1 });
    expect(responses[0]?.status).toBe(200);
    expect(seen.bodyBytes).toBe(BODY_LIMIT_BYTES);
  }
});
