/** Clients that read slowly or not at all: nothing piles up for them, nothing is cut off as long as they read, and nothing overtakes. */
import { afterAll, beforeEach, expect, test } from "vitest";
import { Client } from "#test/support/client.ts";
import { metricOf } from "#test/support/metrics.ts";
import { startGateway } from "#test/support/process.ts";
import { requestHead } from "#test/support/raw.ts";
import { startUpstream } from "#test/support/upstream.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const upstream = await startUpstream();
/** Takes upgrades. */
const chat = await startServer((_request, response) => {
  asked++;
  response.writeHead(200, { "content-length": 30_000 }).end(Buffer.alloc(30_000, "a"));
});
let asked = 0;
chat.server.on("upgrade", (_request, socket) => {
  socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\ntunnel");
});
const config = {
  upstreams: { app: { targets: [upstream.url] }, chat: { targets: [chat.url] } },
  routes: [
    { name: "open", match: { path: "/open" }, upstream: "app", auth: "none" },
    { name: "chat", match: { path: "/chat" }, upstream: "chat", auth: "none" },
  ],
};
const gateway = await startGateway({ ...config, server: { workers: 1 } });
const impatient = await startGateway({ ...config, server: { workers: 1, limits: { requestTimeout: "2s" } } });

const GET = requestHead("GET", "/open");
const LAST = requestHead("GET", "/open", ["Connection: close"]);
const UPGRADE = requestHead("GET", "/chat", [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
]);

beforeEach(() => upstream.clear());
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await impatient[Symbol.asyncDispose]();
  await upstream.close();
  await chat[Symbol.asyncDispose]();
});

function answerWith(bytes: number): void {
  const body = Buffer.alloc(bytes, "a");
  upstream.answer((_request, response) => void response.writeHead(200, { "content-length": bytes }).end(body));
}

const STILL_MS = 600;

/** The value once it has stood still for a while; read too early it is too low, which a test of an upper bound survives. */
async function settled(look: () => number | Promise<number>): Promise<number> {
  let last = -1;
  let since = performance.now();
  return await until(
    "it stands still",
    async () => {
      const value = await look();
      if (value !== last) since = performance.now();
      last = value;
      return performance.now() - since > STILL_MS && { value };
    },
    20_000,
  ).then(({ value }) => value);
}

function isOnly(body: Buffer, letter: string): boolean {
  return body.every((byte) => byte === letter.charCodeAt(0));
}

test("requests sent ahead wait until their client reads: no answers pile up, and all come when it does", async () => {
  answerWith(60_000);
  using client = await Client.open(gateway.port, { reads: "nothing" });
  void client.send(GET.repeat(599) + LAST);
  // What the system itself keeps of a connection is a few megabytes.
  expect(await settled(() => upstream.count)).toBeLessThan(300);
  client.readAll();
  await until("the connection has ended", () => client.closed, 15_000);
  const { responses } = client;
  expect(responses).toHaveLength(600);
  expect(responses.every(({ status, body }) => status === 200 && body.length === 60_000 && isOnly(body, "a"))).toBe(
    true,
  );
});

test("refusals wait for their client like any answer", async () => {
  const refused = () => metricOf(gateway, 'tollgate_refusals_total{code="route_not_found"}');
  using client = await Client.open(gateway.port, { reads: "nothing" });
  void client.send(requestHead("GET", "/nowhere").repeat(60_000));
  expect(await settled(refused)).toBeLessThan(40_000);
});

test("a slow reader gets the whole of an answer whose connection closes behind it", async () => {
  // Of several lengths, so that the end of one or the other waits in the gateway while the system is full.
  const lengths = [4_000_000, 4_300_000, 4_600_000, 4_900_000, 5_200_000, 5_500_000];
  const got = lengths.map(async (bytes) => {
    using client = await Client.open(gateway.port, { reads: 2_000_000 });
    await client.send(requestHead("GET", "/open", ["Connection: close", `X-Bytes: ${bytes}`]));
    await until("the connection has ended", () => client.closed, 15_000);
    return client.responses[0]?.body.length;
  });
  upstream.answer(({ headers }, response) => {
    const bytes = Number(headers["x-bytes"]);
    response.writeHead(200, { "content-length": bytes }).end(Buffer.alloc(bytes, "a"));
  });
  expect(await Promise.all(got)).toEqual(lengths);
});

test("a slow reader gets the whole of a good answer also when garbage follows its request, and then hears 400", async () => {
  const lengths = [4_000_000, 4_600_000, 5_200_000];
  upstream.answer(({ headers }, response) => {
    const bytes = Number(headers["x-bytes"]);
    response.writeHead(200, { "content-length": bytes }).end(Buffer.alloc(bytes, "a"));
  });
  const got = lengths.map(async (bytes) => {
    using client = await Client.open(gateway.port, { reads: 2_000_000 });
    await client.send(`${requestHead("GET", "/open", [`X-Bytes: ${bytes}`])}garbage\r\n\r\n`);
    await until("the connection has ended", () => client.closed, 15_000);
    return client.responses.map(({ status, body }) => (status === 200 ? body.length : status));
  });
  expect(await Promise.all(got)).toEqual(lengths.map((bytes) => [bytes, 400]));
});

test("a client that reads slowly but steadily is not cut off, although its answer takes longer than the request timeout", async () => {
  const bytes = 12_000_000;
  answerWith(bytes);
  using client = await Client.open(impatient.port, { reads: 2_000_000 });
  await client.send(LAST);
  await until("the connection has ended", () => client.closed, 15_000);
  expect(client.responses.map(({ status, body }) => [status, body.length])).toEqual([[200, bytes]]);
});

test("an upgrade never overtakes answers that its client has not read", async () => {
  // Of several lengths: of one or the other the end waits in the gateway while the system is full.
  const before = [100, 120, 140, 160, 180, 200];
  const clients = await Promise.all(before.map(() => Client.open(gateway.port, { reads: "nothing" })));
  for (const [index, client] of clients.entries()) {
    void client.send(requestHead("GET", "/chat").repeat(before[index] ?? 0) + UPGRADE);
  }
  await settled(() => asked);
  for (const client of clients) client.readAll();
  for (const [index, client] of clients.entries()) {
    const isOver = () => client.closed || client.statuses.includes(101);
    await until("it is upgraded, or the connection is given up", isOver, 15_000, 50);
    const { responses } = client;
    const whole = responses.filter(({ status, complete, body }) => status === 200 && complete && isOnly(body, "a"));
    // Given up, the last may be cut off; upgraded, all have come before.
    const isUpgraded = responses.at(-1)?.status === 101;
    expect(whole.length).toBeGreaterThanOrEqual(isUpgraded ? (before[index] ?? 0) : responses.length - 1);
    client[Symbol.dispose]();
  }
});
