/** Clients that leave behind the body of their request, or keep quiet: the upstream hears of it, and nothing is under way for them any more. */
import type { ServerResponse } from "node:http";
import { afterAll, expect, test } from "vitest";
import { Client } from "#test/support/client.ts";
import { metricOf } from "#test/support/metrics.ts";
import { startGateway } from "#test/support/process.ts";
import { requestHead } from "#test/support/raw.ts";
import { startUpstream } from "#test/support/upstream.ts";
import { until } from "#test/support/until.ts";

const CLIENTS = 8;
/** In which a call must end when its client leaves. */
const HEARD_MS = 1000;

const calls = new Set<ServerResponse>();
let begins = false;
const upstream = await startUpstream(({ url }, response) => {
  if (url === "/quick") return void setTimeout(() => response.end("quick"), 50);
  calls.add(response);
  response.on("close", () => calls.delete(response));
  if (begins) response.writeHead(200, { "content-type": "text/event-stream" }).write(": first\n\n");
});
const config = {
  server: { workers: 1, limits: { headerTimeout: "1s", idleTimeout: "2s" } },
  upstreams: { app: { targets: [upstream.url] } },
  routes: [{ name: "open", match: { path: "/**" }, upstream: "app", auth: "none" }],
};
const gateway = await startGateway(config);

afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  await upstream.close();
});

const POST = `${requestHead("POST", "/stream", ["Content-Length: 5"])}abcde`;
const inFlight = () => metricOf(gateway, "tollgate_requests_in_flight");
const counted = (status: string) => metricOf(gateway, `tollgate_requests_total{route="open",status="${status}"}`);

function openClients(): Promise<readonly Client[]> {
  return Promise.all(Array.from({ length: CLIENTS }, () => Client.open(gateway.port)));
}

/** Leaves as many idle connections to the upstream as there are clients. */
async function warm(clients: readonly Client[]): Promise<void> {
  await Promise.all(clients.map((client) => client.send(requestHead("GET", "/quick"))));
  await until("all are answered", () => clients.every(({ statuses }) => statuses.length === 1));
}

test.each([
  ["before its answer, on new connections", false, false],
  ["before its answer, on kept connections", false, true],
  ["while its answer streams, on new connections", true, false],
  ["while its answer streams, on kept connections", true, true],
])("a client that leaves behind its body, %s, cancels the call to the app", async (_when, streams, kept) => {
  begins = streams;
  const clients = await openClients();
  if (kept) await warm(clients);
  await Promise.all(clients.map((client) => client.send(POST)));
  await until("the app has all", () => calls.size === CLIENTS);
  if (streams) await until("the answers have begun", () => clients.every(({ responses }) => responses.length > 0));
  for (const client of clients) client[Symbol.dispose]();
  await until("the app sees all calls end", () => calls.size === 0, HEARD_MS);
  await until("nothing is under way", async () => (await inFlight()) === 0, HEARD_MS);
  expect(calls.size).toBe(0);
});

test("a client that left before its answer is counted as 4xx", async () => {
  begins = false;
  const before = { failed: await counted("4xx"), broken: await counted("5xx"), served: await counted("2xx") };
  const clients = await openClients();
  await Promise.all(clients.map((client) => client.send(POST)));
  await until("the app has all", () => calls.size === CLIENTS);
  for (const client of clients) client[Symbol.dispose]();
  await until("nothing is under way", async () => (await inFlight()) === 0);
  const after = { failed: await counted("4xx"), broken: await counted("5xx"), served: await counted("2xx") };
  expect(after).toEqual({ ...before, failed: before.failed + CLIENTS });
});

test("an empty line behind a body, as old clients send it, is no slow head: the connection ends in silence", async () => {
  using client = await Client.open(gateway.port);
  await client.send(`${requestHead("POST", "/quick", ["Content-Length: 1"])}a\r\n`);
  await until("the connection has ended", () => client.closed, 8000);
  expect(client.statuses).toEqual([200]);
});

test("half a head does not hold up a stop", async () => {
  await using own = await startGateway({ ...config, server: { workers: 1 } });
  using client = await Client.open(own.port);
  await client.send(requestHead("GET", "/quick"));
  await until("it is answered", () => client.statuses.length === 1);
  await client.send("GET /quick HT");
  const began = performance.now();
  expect(await own.stop()).toBe(0);
  expect(performance.now() - began).toBeLessThan(4000);
});
