/** Ends a client or an app could choose so as not to be charged, or to say what only the gateway may: an open body, the head of an upgrade. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { requestHead } from "#test/support/raw.ts";
import { startScene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

/** Answers before it has read the body, and never ends; the head of its upgrades tells of usage. */
const app = await startServer((request, response) => {
  request.resume();
  response.writeHead(200);
  response.write("x".repeat(50));
});
const sockets = new WebSocketServer({ server: app.server });
sockets.on("headers", (headers) => void headers.push("X-Tollgate-Usage: told=7", "X-App: kept"));

const scene = await startScene({
  config: {
    server: { adminToken: "an-admin-token-for-tests-0123456789", limits: { bodyBytes: 1000 } },
    meters: { out: { from: "bytes.out" }, told: { from: "upstream" } },
    plans: { free: { default: true } },
    upstreams: { app: { targets: [app.url] } },
    routes: [
      { name: "out", match: { path: "/out" }, upstream: "app", meters: { out: "measured" } },
      { name: "ws", match: { path: "/ws" }, upstream: "app", meters: { told: "measured" } },
    ],
  },
});
const { gateway, operator } = scene;
afterAll(() => Promise.all([scene, app].map((part) => part[Symbol.asyncDispose]())));

test("an answer read while the body stays open, and then grows beyond its limit, is charged for what was answered", async () => {
  const key = await operator.key();
  const socket = connect({ port: gateway.port, host: "127.0.0.1" });
  const closed = once(socket, "close");
  socket.on("error", () => undefined);
  let text = "";
  socket.on("data", (part) => {
    text += part.toString("latin1");
  });
  socket.write(`${requestHead("POST", "/out", [key.line, "Transfer-Encoding: chunked"])}5\r\nhello\r\n`);
  await until("the answer has begun", () => text.includes("x".repeat(50)));
  socket.write(`7d0\r\n${"y".repeat(2000)}\r\n`);
  await closed;
  await until("it is charged", async () => (await operator.used(key.account, "out")) > 0);
  expect(await operator.used(key.account, "out")).toBe(50);
});

test("what an app says of its usage in the head of an upgrade counts, and does not reach the client", async () => {
  const key = await operator.key();
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws`, { headers: { "x-api-key": key.secret } });
  const [answer] = await once(socket, "upgrade");
  expect(Object.keys(answer.headers).filter((name) => name.startsWith("x-"))).toEqual(
    expect.arrayContaining(["x-app"]),
  );
  expect(answer.headers).not.toHaveProperty("x-tollgate-usage");
  socket.terminate();
  await until("it is charged", async () => (await operator.used(key.account, "told")) === 7);
});
