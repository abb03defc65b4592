/** WebSockets: the same checks as any request before the upgrade, then bytes both ways until either side, or a stop, ends it. */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { connect } from "node:net";
import type { Duplex } from "node:stream";
import { afterAll, beforeEach, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { type MadeKey, type Scene, startScene } from "#test/support/scene.ts";
import { freePort, startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const app = await startServer((_request, response) => response.end("plain"));
const sockets = new WebSocketServer({ noServer: true });
sockets.on("connection", (socket) => socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary })));
const upgrades: IncomingMessage[] = [];
function accept(request: IncomingMessage, socket: Duplex, head: Buffer): void {
  sockets.handleUpgrade(request, socket, head, (client) => sockets.emit("connection", client, request));
}
let onUpgrade = accept;
app.server.on("upgrade", (request, socket, head) => {
  upgrades.push(request);
  onUpgrade(request, socket, head);
});

const config = {
  plans: { free: { default: true, quotas: { api_calls: { limit: 2, per: "month" } } } },
  upstreams: { app: { targets: [app.url] }, nobody: { targets: [`http://127.0.0.1:${await freePort()}`] } },
  routes: [
    {
      name: "chat",
      match: { path: "/chat" },
      upstream: "app",
      meters: { api_calls: 1 },
      require: { permissions: ["models:read"] },
    },
    {
      name: "admin",
      match: { path: "/admin" },
      upstream: "app",
      meters: { api_calls: 1 },
      require: { permissions: ["models:write"] },
    },
    { name: "nobody", match: { path: "/nobody" }, upstream: "nobody", meters: { api_calls: 1 } },
  ],
};
const scene = await startScene({ config });
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
});
beforeEach(() => {
  upgrades.length = 0;
  onUpgrade = accept;
});

function dial(target: string, key: MadeKey | null, of: Scene = scene): WebSocket {
  const headers = key === null ? {} : { authorization: `Bearer ${key.secret}`, "x-tollgate-account": "forged" };
  return new WebSocket(`ws://127.0.0.1:${of.gateway.port}${target}`, ["chat.v1"], { headers });
}

/** The answer to an upgrade that was not granted. */
async function refusalOf(socket: WebSocket): Promise<{ readonly status: number; readonly text: string }> {
  socket.on("error", () => undefined);
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  let text = "";
  for await (const part of response) text += String(part);
  return { status: response.statusCode ?? 0, text };
}

async function echoOf(
  socket: WebSocket,
  message: string | Buffer,
): Promise<{ readonly data: Buffer; readonly isBinary: boolean }> {
  const answer = once(socket, "message");
  socket.send(message);
  const [data, isBinary] = (await answer) as [Buffer, boolean];
  return { data, isBinary };
}

test("text and binary messages go both ways unchanged, large ones too, and the upgrade is charged once", async () => {
  const key = await operator.key({ roles: ["User"] });
  const socket = dial("/chat", key);
  await once(socket, "open");
  expect(socket.protocol).toBe("chat.v1");
  expect(await echoOf(socket, "grüße")).toEqual({ data: Buffer.from("grüße"), isBinary: false });
  const large = Buffer.alloc(3 * 1024 * 1024, "0123456789abcdef\xff", "latin1");
  const { data, isBinary } = await echoOf(socket, large);
  expect([data.equals(large), isBinary]).toEqual([true, true]);
  socket.close(4001, "done");
  expect((await once(socket, "close"))[0]).toBe(4001);
  expect(await operator.used(key.account)).toBe(1);
});

test.each([
  ["a key that is revoked", (key: MadeKey) => operator.call("DELETE", `/admin/keys/${key.id}`)],
  ["a key that is switched off", (key: MadeKey) => operator.call("PATCH", `/admin/keys/${key.id}`, { enabled: false })],
  ["an account that is suspended", (key: MadeKey) => operator.call("POST", `/admin/accounts/${key.account}/suspend`)],
  ["an account that is deleted", (key: MadeKey) => operator.call("DELETE", `/admin/accounts/${key.account}`)],
])("open sockets of %s are closed with 1008 within a second, those of others not", async (_what, change) => {
  const [key, other] = [await operator.key({ roles: ["User"] }), await operator.key({ roles: ["User"] })];
  const [mine, theirs] = [dial("/chat", key), dial("/chat", other)];
  await Promise.all([once(mine, "open"), once(theirs, "open")]);
  await operator.call("PATCH", `/admin/keys/${key.id}`, { name: "still good" });
  await operator.call("PATCH", `/admin/accounts/${key.account}`, { name: "still good" });
  expect((await echoOf(mine, "here")).data.toString()).toBe("here");
  const closed = once(mine, "close");
  const before = performance.now();
  expect((await change(key)).status).toBe(200);
  expect((await closed)[0]).toBe(1008);
  expect(performance.now() - before).toBeLessThan(1000);
  expect((await echoOf(theirs, "there")).data.toString()).toBe("there");
  theirs.close();
});

test("open sockets of a user who is signed out, suspended or deleted are closed, those of another user of the account not", async () => {
  await using jwks = await startJwks(makeKey("ES256"));
  const claims = { account: "org", roles: "roles" };
  const issuers = [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims }];
  await using other = await startScene({
    config: { ...config, plans: { free: { default: true } }, identity: { issuers } },
  });
  const { port } = other.gateway;
  const as = async (sub: string) => {
    const iat = Math.floor(Date.now() / 1000) - 10;
    const token = jwks.token({ claims: { aud: "api", sub, org: "o", roles: ["User"], iat } });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`, { headers: { authorization: `Bearer ${token}` } });
    await once(socket, "open");
    return socket;
  };
  const ben = await as("ben");
  for (const [user, method, path, body] of [
    ["ann", "DELETE", "/sessions", undefined],
    ["amy", "PATCH", "", { state: "suspended" }],
    ["abe", "DELETE", "", undefined],
  ] as const) {
    const closed = once(await as(user), "close");
    expect((await other.operator.call(method, `/admin/users/${user}${path}`, body)).status).toBe(200);
    expect([user, (await closed)[0]]).toEqual([user, 1008]);
  }
  expect((await echoOf(ben, "still here")).data.toString()).toBe("still here");
  ben.close();
});

test("the app is told who calls, and never gets the credential or a forged identity", async () => {
  const key = await operator.key({ roles: ["User"] });
  const socket = dial("/chat", key);
  await once(socket, "open");
  socket.close();
  const [upgrade] = upgrades;
  expect(upgrade?.headers).toMatchObject({
    "x-tollgate-account": key.account,
    "x-tollgate-roles": "User",
    "x-tollgate-key-id": key.id,
    "x-forwarded-for": "127.0.0.1",
    upgrade: "websocket",
  });
  expect(upgrade?.headers["x-request-id"]).toMatch(/^req_/);
  expect(upgrade?.rawHeaders.join("\n")).not.toContain(key.secret);
});

test.each([
  ["without credentials", "/chat", null, 401, "credentials_missing"],
  ["without the permission", "/admin", "User", 403, "permission_denied"],
  ["on a path no route takes", "/else", "User", 404, "route_not_found"],
  ["on an endpoint of the gateway's own", "/_tollgate/auth/me", "User", 400, "malformed_request"],
] as const)(
  "an upgrade %s is refused with the right code before the app hears of it",
  async (_what, target, role, status, error) => {
    const key = role === null ? null : await operator.key({ roles: [role] });
    const refusal = await refusalOf(dial(target, key));
    expect(JSON.parse(refusal.text)).toMatchObject({ status, error, request_id: expect.stringMatching(/^req_/) });
    expect(refusal.status).toBe(status);
    expect(upgrades).toHaveLength(0);
  },
);

test("an upgrade over the quota is refused with 429 before the app hears of it", async () => {
  const key = await operator.key();
  for (const _allowed of [1, 2]) await once(dial("/chat", key), "open");
  upgrades.length = 0;
  const refusal = await refusalOf(dial("/chat", key));
  expect(JSON.parse(refusal.text)).toMatchObject({
    status: 429,
    error: "quota_exceeded",
    meter: "api_calls",
    used: 2,
    limit: 2,
  });
  expect(upgrades).toHaveLength(0);
});

test.each([
  [200, "OK", 1],
  [403, "Forbidden", 1],
  [503, "Service Unavailable", 0],
])(
  "an app that answers the upgrade with %i is passed on, and charged like any answer",
  async (status, reason, units) => {
    const key = await operator.key();
    onUpgrade = (_request, socket) =>
      socket.end(`HTTP/1.1 ${status} ${reason}\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody`);
    expect(await refusalOf(dial("/chat", key))).toEqual({ status, text: "body" });
    expect(await operator.used(key.account)).toBe(units);
  },
);

test("an app that cannot be reached is answered for with 502, and costs nothing", async () => {
  const key = await operator.key();
  const refusal = await refusalOf(dial("/nobody", key));
  expect(JSON.parse(refusal.text)).toMatchObject({ status: 502, error: "upstream_unreachable" });
  expect(await operator.used(key.account)).toBe(0);
});

test("an upgrade with a body is refused, costs nothing and opens no tunnel", async () => {
  const key = await operator.key();
  const lines = [key.line, "Connection: Upgrade", "Upgrade: websocket", "Content-Length: 1"];
  const request = `${requestHead("GET", "/chat", lines)}x${requestHead("GET", "/chat", [key.line])}`;
  const { responses, closed } = await rawExchange(gateway.port, request);
  expect(responses.map(({ status }) => status)).toEqual([400]);
  expect(closed).toBe(true);
  expect(upgrades).toHaveLength(0);
  expect(await operator.used(key.account)).toBe(0);
});

test("an upgrade to another protocol is not offered: the request is a plain one", async () => {
  const key = await operator.key();
  const lines = [key.line, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"];
  const { responses } = await rawExchange(gateway.port, requestHead("GET", "/chat", lines), { responses: 1 });
  expect(responses.map(({ status, text }) => [status, text()])).toEqual([[200, "plain"]]);
  expect(upgrades).toHaveLength(0);
  expect(await operator.used(key.account)).toBe(1);
});

test("what a hasty client sends before the app has answered reaches the app behind the handshake", async () => {
  const { promise: sent, resolve: answer } = Promise.withResolvers<void>();
  onUpgrade = (request, socket, head) => void sent.then(() => accept(request, socket, head));
  const lines = [(await operator.key()).line, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
  const client = connect(gateway.port, "127.0.0.1");
  client.write(requestHead("GET", "/chat", [...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]));
  await until("the app has the upgrade", () => upgrades.length === 1);
  // A masked text frame, in two pieces.
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]);
  client.write(frame.subarray(0, 3));
  await new Promise<void>((resolve) => void client.write(frame.subarray(3), () => resolve()));
  answer();
  let text = "";
  client.on("data", (part) => (text += part.toString("latin1")));
  await until("the echo", () => text.endsWith("\x81\x02hi"));
  expect(text).toMatch(/^HTTP\/1\.1 101 /);
  client.destroy();
});

test("a client that resets during or after the handshake harms nobody and leaves no connection to the app", async () => {
  for (let round = 0; round < 30; round++) {
    const { line } = await operator.key();
    const lines = [line, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
    const handshake = requestHead("GET", "/chat", [...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]);
    const early = connect(gateway.port, "127.0.0.1");
    early.on("error", () => undefined);
    await once(early, "connect");
    early.write(handshake);
    if (round % 2 === 0) await once(early, "data");
    early.resetAndDestroy();
  }
  const socket = dial("/chat", await operator.key());
  await once(socket, "open");
  socket.terminate();
  await until("the app's connections are gone", () => upgrades.every((upgrade) => upgrade.socket.destroyed), 3000);
  expect(gateway.logs().filter(({ event }) => event === "worker-failed" || event === "worker-exited")).toEqual([]);
});

test("an upgrade behind a request still to be answered, or a refused one with a broken reason, ends no worker", async () => {
  const lines = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
  const key = await operator.key();
  const upgrade = requestHead("GET", "/chat", [key.line, ...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]);
  onUpgrade = (_request, socket) => socket.end("HTTP/1.1 403 For\u0001bidden\r\nContent-Length: 0\r\n\r\n");
  const pipelined = requestHead("GET", "/nobody", [(await operator.key()).line]) + upgrade;
  expect((await rawExchange(gateway.port, pipelined, { idleMs: 1500 })).closed).toBe(true);
  const broken = await rawExchange(gateway.port, upgrade, { idleMs: 1500 });
  expect(broken.closed).toBe(true);
  expect(gateway.logs().filter(({ event }) => event === "worker-failed" || event === "worker-exited")).toEqual([]);
});

test("when one side leaves, the other side's connection ends", async () => {
  const key = await operator.key();
  const first = dial("/chat", key);
  await once(first, "open");
  first.terminate();
  await until("the app's socket ends", () => upgrades[0]?.socket.destroyed === true, 2000);
  const second = dial("/chat", key);
  second.on("error", () => undefined);
  await once(second, "open");
  for (const client of sockets.clients) client.terminate();
  const [code] = await once(second, "close");
  expect(code).toBe(1006);
});

test("a stop closes open sockets, and is not held up by clients, even by one that never closes its side", async () => {
  await using own = await startScene({ config });
  const key = await own.operator.key();
  const socket = dial("/chat", key, own);
  await once(socket, "open");
  const closed = once(socket, "close");
  const deaf = connect({ port: own.gateway.port, host: "127.0.0.1", allowHalfOpen: true });
  deaf.on("error", () => undefined);
  const lines = [key.line, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"];
  deaf.write(requestHead("GET", "/chat", [...lines, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]));
  await once(deaf, "data");
  deaf.resume();
  const started = performance.now();
  expect(await own.gateway.stop()).toBe(0);
  await closed;
  deaf.destroy();
  expect(performance.now() - started).toBeLessThan(10_000);
});
