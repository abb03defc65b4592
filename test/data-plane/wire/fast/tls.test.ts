/**
 * The lane over TLS sockets: the same answers as over plain ones, upgrades included. No listener of the gateway speaks TLS yet, so the
 * lanes are put together here, with a real TLS server before them and a real app behind.
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { afterAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { FastLane } from "#data-plane/wire/fast/fast-lane.ts";
import { FullLane } from "#data-plane/wire/full/full-lane.ts";
import { Turn } from "#data-plane/wire/turn.ts";
import { makeCertificate } from "#test/support/certificate.ts";
import { startServer } from "#test/support/server.ts";
import { BenchSite } from "../../../../bench/micro/site.ts";

const app = await startServer((request, response) => {
  response.setHeader("x-proto", request.headers["x-forwarded-proto"] ?? "");
  request.pipe(response);
});
const sockets = new WebSocketServer({ server: app.server });
sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(data)));

const site = new BenchSite(
  JSON.stringify({
    version: 1,
    upstreams: { app: { targets: [app.url] } },
    routes: [{ name: "all", match: { path: "/**" }, upstream: "app" }],
  }),
);
const turn = new Turn(() => site.settler.flush());
const { limits } = site.runtime.settings.server;
const parts = { ...site, turn, meterFault: () => undefined };
const full = new FullLane(parts, limits);
const lane = new FastLane(parts, full, limits, () => undefined);

const { key, cert } = makeCertificate();
const server = createTlsServer({ key, cert, allowHalfOpen: true }, (socket) => lane.take(socket));
server.listen(0, "127.0.0.1");
await once(server, "listening");
// Just listening on a port.
const { port } = server.address() as AddressInfo;
const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: cert });

afterAll(async () => {
  agent.destroy();
  full.drainConnections();
  await lane.drain().catch(() => undefined);
  server.close();
  site[Symbol.dispose]();
  await app[Symbol.asyncDispose]();
});

async function ask(method: string, body: Buffer, secret: string) {
  const headers = { authorization: `Bearer ${secret}`, "content-length": body.length };
  const request = httpsRequest({ host: "localhost", port, agent, method, path: "/x", headers });
  const answered = once(request, "response");
  request.end(body);
  // What `response` brings.
  const [response] = (await answered) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return { status: response.statusCode, proto: response.headers["x-proto"], body: Buffer.concat(chunks) };
}

test("requests one after the other on one connection, small and large", async () => {
  const connections = once(server, "secureConnection");
  for (const bytes of [0, 1, 70_000, 3_000_000, 5]) {
    const body = Buffer.alloc(bytes, `${bytes},`);
    const answer = await ask("POST", body, site.key);
    expect({ ...answer, body: answer.body.equals(body) }).toEqual({ status: 200, proto: "https", body: true });
  }
  await connections;
  expect(await ask("GET", Buffer.alloc(0), "tg_live_nonsense")).toMatchObject({ status: 401 });
});

test("an upgrade is handed over", async () => {
  const socket = new WebSocket(`wss://localhost:${port}/ws`, {
    ca: cert,
    headers: { authorization: `Bearer ${site.key}` },
  });
  await once(socket, "open");
  for (const message of ["a", "b".repeat(100_000)]) {
    const answer = once(socket, "message");
    socket.send(message);
    expect(String((await answer)[0])).toBe(message);
  }
  const closed = once(socket, "close");
  socket.close();
  await closed;
});
