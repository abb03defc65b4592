/** Requests that follow each other on one connection, and what one of them may leave behind for the next: nothing. */
import { once } from "node:events";
import type { Socket } from "node:net";
import { connect } from "node:net";
import { afterAll, beforeEach, expect, test } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { startScene } from "#test/support/scene.ts";
import { startTcp } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** All that came, and what becomes of each piece. */
let received = "";
let ends = 0;
let onPiece = (socket: Socket, _text: string): void => void socket.write(OK);
const app = await startTcp((socket) => {
  socket.on("data", (bytes: Buffer) => {
    const text = bytes.toString("latin1");
    received += text;
    onPiece(socket, text);
  });
  socket.on("close", () => ends++);
});
const scene = await startScene({ target: app.url });
const { gateway, operator } = scene;
const key = await operator.key();

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
});
beforeEach(() => {
  received = "";
  ends = 0;
  onPiece = (socket) => void socket.write(OK);
});

const get = (path: string, ...lines: readonly string[]) => requestHead("GET", path, [key.line, ...lines]);
const paths = () => [...received.matchAll(/^[A-Z]+ (\S+) HTTP/gm)].map(([, path]) => path);

// First of all: there is no connection to the app yet, so the body waits for one.
test("the app's call ends when a client leaves that had sent all of its body with its head", async () => {
  onPiece = () => undefined;
  const client = connect({ port: gateway.port, host: "127.0.0.1" });
  await once(client, "connect");
  client.write(`${requestHead("POST", "/1", [key.line, "Content-Length: 5"])}hello`);
  await until("the app has the request", () => received.endsWith("hello"));
  client.end();
  await until("the call has ended", () => ends > 0, 2000);
  expect(ends).toBe(1);
  client.destroy();
});

test("a pipelined request goes on when the one before it is answered, not sooner", async () => {
  const waiting: Socket[] = [];
  onPiece = (socket) => void waiting.push(socket);
  const exchange = rawExchange(gateway.port, [get("/1") + requestHead("POST", "/2", [key.line]) + get("/3")], {
    responses: 3,
    idleMs: 5000,
  });
  for (const [index, path] of ["/1", "/2", "/3"].entries()) {
    const socket = await until(`${path} has come`, () => waiting[index]);
    expect(paths()).toEqual(["/1", "/2", "/3"].slice(0, index + 1));
    socket.write(OK);
  }
  expect((await exchange).responses.map(({ status }) => status)).toEqual([200, 200, 200]);
});

test.each([
  ["asked for to be the last", get("/1", "Connection: close")],
  ["refused", get("/1", "X_A: 1")],
])("behind a request that was %s nothing is forwarded, and nothing charged", async (_what, first) => {
  const before = await operator.used(key.account);
  const upgrade = get("/3", "Upgrade: websocket", "Connection: Upgrade");
  for (const second of [get("/2"), upgrade]) {
    const { responses, closed } = await rawExchange(gateway.port, [first + second], { idleMs: 1000 });
    expect([responses.length, closed]).toEqual([1, true]);
  }
  const good = first.includes("X_A") ? 0 : 2;
  expect(paths()).toEqual(Array.from({ length: good }, () => "/1"));
  expect(await operator.used(key.account)).toBe(before + good);
});

test("behind a refused request whose body comes in two pieces the next one is served", async () => {
  const refused = requestHead("POST", "/1", ["Content-Length: 5"]);
  const { responses } = await rawExchange(gateway.port, [`${refused}he`, `llo${get("/2")}`], {
    responses: 2,
    idleMs: 3000,
  });
  expect(responses.map(({ status }) => status)).toEqual([401, 200]);
});

test.each([
  ["closes", (socket: Socket) => socket.end()],
  ["breaks off", (socket: Socket) => socket.destroy()],
  ["resets", (socket: Socket) => socket.resetAndDestroy()],
])("an app that %s under a body is answered for with 502, and the next request is served", async (_how, leave) => {
  onPiece = (socket) => void leave(socket);
  for (const content of ["he", "hello"]) {
    const head = requestHead("POST", "/1", [key.line, "Content-Length: 5"]);
    const { responses } = await rawExchange(gateway.port, [head, content], { responses: 1, idleMs: 3000 });
    expect(responses.map(({ status }) => status)).toEqual([502]);
  }
  onPiece = (socket) => void socket.write(OK);
  const { responses } = await rawExchange(gateway.port, get("/2"), { responses: 1 });
  expect(responses.map(({ status }) => status)).toEqual([200]);
  expect(gateway.logs().filter(({ event }) => event === "worker-failed")).toEqual([]);
});

test("content behind an answer to HEAD is no answer to the next request", async () => {
  const askedForHead = new Set<Socket>();
  onPiece = (socket, text) => {
    if (askedForHead.has(socket)) socket.write("HTTP/1.1 299 Left over\r\nContent-Length: 0\r\n\r\n");
    if (!text.startsWith("HEAD")) return void socket.write(OK);
    askedForHead.add(socket);
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
  };
  // On one connection, so that both are one worker's.
  const both = [requestHead("HEAD", "/1", [key.line]), get("/2")];
  const { responses } = await rawExchange(gateway.port, both, { responses: 2, methods: ["HEAD", "GET"] });
  expect(responses.map(({ status }) => status)).toEqual([200, 200]);
});
