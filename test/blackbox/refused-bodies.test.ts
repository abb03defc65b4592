/** Requests refused, or held up, while their body is on its way: a refusal is heard at once and whole, and what comes behind is served. */
import { afterAll, expect, test } from "vitest";
import { Client } from "#test/support/client.ts";
import { startGateway } from "#test/support/process.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, startScene } from "#test/support/scene.ts";
import { freePort, startTcp } from "#test/support/server.ts";
import { unreadBy, whileStopped } from "#test/support/stopped.ts";
import { until } from "#test/support/until.ts";
import { startUpstream } from "#test/support/upstream.ts";

/** The gateway reads past what is left of a refused body for no longer than five seconds: nothing below may need them. */
const AT_ONCE_MS = 3000;

const upstream = await startUpstream(({ body }, response) => void response.end(`got ${body.length}`));
/** Sends an interim answer with the head of the request, and no other. */
const hinting = await startTcp((socket) => {
  socket.once("data", () => socket.write("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"));
});
const upstreams = {
  app: { targets: [upstream.url] },
  hinting: { targets: [hinting.url] },
  nobody: { targets: [`http://127.0.0.1:${await freePort()}`] },
};
const routes = [
  { name: "counted", match: { path: "/counted" }, upstream: "app", meters: { api_calls: 1 } },
  { name: "hinting", match: { path: "/hinting" }, upstream: "hinting", auth: "none" },
  { name: "nobody", match: { path: "/nobody" }, upstream: "nobody", auth: "none" },
  { name: "open", match: { path: "/open" }, upstream: "app", auth: "none" },
];
const scene = await startScene({
  config: { server: { workers: 1, adminToken: ADMIN_TOKEN, limits: { bodyBytes: "100KiB" } }, upstreams, routes },
});
const { gateway, operator } = scene;
/** Waits less long for its upstreams than for its clients. */
const impatient = await startGateway({
  server: { workers: 1, limits: { requestTimeout: "500ms", idleTimeout: "1500ms" } },
  upstreams,
  routes: routes.filter(({ auth }) => auth === "none"),
});

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await impatient[Symbol.asyncDispose]();
  await hinting[Symbol.asyncDispose]();
  await upstream.close();
});

const GET = requestHead("GET", "/open");
const CHUNKED = ["Transfer-Encoding: chunked"];

function chunk(bytes: number): string {
  return `${bytes.toString(16)}\r\n${"a".repeat(bytes)}\r\n`;
}

test("a request that comes with the end of a refused one's body is answered", async () => {
  using client = await Client.open(gateway.port);
  await client.send(requestHead("POST", "/counted", ["Content-Length: 10"]));
  await until("the first is refused", () => client.statuses.length === 1);
  await client.send(`0123456789${GET}`);
  await until("the second is answered", () => client.statuses.length === 2, AT_ONCE_MS);
  expect(client.statuses).toEqual([401, 200]);
});

test("a connection goes on behind the 502 for an upstream that is down, wherever its body was cut in two", async () => {
  using client = await Client.open(gateway.port);
  await client.send(requestHead("POST", "/nobody", ["Content-Length: 2000"]) + "a".repeat(1000));
  await until("the first is refused", () => client.statuses.length === 1, AT_ONCE_MS);
  await client.send("a".repeat(1000) + GET);
  await until("the second is answered", () => client.statuses.length === 2, AT_ONCE_MS);
  expect(client.statuses).toEqual([502, 200]);
});

test("chunks beyond the limit get their 413, also when more of them come in the same read", async () => {
  const burst = chunk(10 * 1024) + chunk(1024).repeat(4);
  const pieces = [requestHead("POST", "/open", CHUNKED), ...Array.from({ length: 9 }, () => chunk(10 * 1024)), burst];
  const { responses, closed } = await rawExchange(gateway.port, pieces, { idleMs: AT_ONCE_MS });
  expect(responses.map(({ status, complete }) => [status, complete])).toEqual([[413, true]]);
  expect(closed).toBe(true);
});

test("an upload of which more came ahead than the gateway holds goes on when its key is known", async () => {
  const pieces = 12_000;
  const body = `${"0000000000000001\r\na\r\n".repeat(pieces)}0\r\n\r\n`;
  const { line } = await operator.key();
  // So that a connection to the app is there at once.
  expect((await rawExchange(gateway.port, GET, { responses: 1 })).responses[0]?.status).toBe(200);
  using client = await Client.open(gateway.port);
  await whileStopped(gateway, async () => {
    void client.send(requestHead("POST", "/counted", [line, ...CHUNKED]) + body);
    await until("more has arrived than the gateway holds", () => unreadBy(client.socket) > 64 * 1024);
  });
  await until("it is answered", () => client.statuses.length === 1);
  expect(client.responses.map(({ status, text }) => [status, text()])).toEqual([[200, `got ${pieces}`]]);
});

test.each([
  ["has less patience than the client may rest", "/open", [408]],
  ["has sent an interim answer", "/hinting", [103, 408]],
])("an upload that stops gets 408, also when the upstream %s", async (_what, target, statuses) => {
  const upload = `${requestHead("POST", target, ["Content-Length: 100"])}abc`;
  const { responses, closed } = await rawExchange(impatient.port, upload, { idleMs: 6000 });
  expect(responses.map(({ status, complete }) => [complete, status])).toEqual(statuses.map((status) => [true, status]));
  expect(closed).toBe(true);
});
