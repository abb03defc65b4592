/** Clients that speak TLS: they get what others get, on both lanes; a renewed certificate holds without a restart. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { Agent, request } from "undici";
import { type Certificate, makeCertificate } from "#test/support/certificate.ts";
import { workerKiller } from "#test/support/killable.ts";
import { LANES } from "#test/support/lanes.ts";
import { metricOf } from "#test/support/metrics.ts";
import { startGateway } from "#test/support/process.ts";
import { withConstants } from "#test/support/patched.ts";
import { requestHead } from "#test/support/raw.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const first = makeCertificate();
const renewed = makeCertificate();
const BIG = Buffer.alloc(3 * 1024 * 1024, "b");

/** Answers the request for /slow; null: it has not come. */
let release: (() => void) | null = null;
const app = await startServer((asked, response) => {
  if (asked.url === "/slow") return void (release = () => response.end("late"));
  response.setHeader("x-seen", `${asked.headers["x-forwarded-proto"]} ${asked.headers.host}`);
  asked.pipe(response);
});
const sockets = new WebSocketServer({ server: app.server });
sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`echo ${data}`)));

afterAll(() => app[Symbol.asyncDispose]());

function configOf(lane: string, tls: object, server: object = {}) {
  return {
    server: { workers: 2, lane, tls, ...server },
    upstreams: { app: { targets: [app.url] } },
    routes: [{ name: "all", match: { path: "/**" }, upstream: "app", auth: "none" }],
  };
}

/** A connection with its handshake done. */
async function dial(port: number, { cert }: Certificate, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: "127.0.0.1", servername: "localhost", ca: cert, ...options });
  await once(socket, "secureConnect");
  return socket;
}

/** Sends, and reads until `end` is there. */
async function converse(socket: TLSSocket, bytes: string, end: RegExp): Promise<string> {
  let text = "";
  socket.on("data", (part) => (text += part.toString("latin1")));
  socket.write(bytes);
  await until(`${end}`, () => end.test(text));
  return text;
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => void socket.on("close", () => resolve()));
}

describe.each(LANES)("lane %s", async (lane) => {
  /** Of the tests that leave it as it was. */
  const shared = await startGateway(configOf(lane, first, { limits: { headerTimeout: "30s" } }));

  afterAll(() => shared[Symbol.asyncDispose]());

  test("requests, large bodies both ways, requests sent ahead, errors and WebSockets pass as without TLS", async () => {
    const gateway = shared;
    const dispatcher = new Agent({ connect: { ca: first.cert, servername: "localhost" } });
    const origin = `https://localhost:${gateway.port}`;
    const echoed = await request(`${origin}/echo`, { dispatcher, method: "POST", body: BIG });
    expect([echoed.statusCode, echoed.headers["x-seen"]]).toEqual([200, `https localhost:${gateway.port}`]);
    expect(BIG.equals(Buffer.from(await echoed.body.arrayBuffer()))).toBe(true);

    const socket = await dial(gateway.port, first, { ALPNProtocols: ["h2", "http/1.1"] });
    expect([socket.alpnProtocol, socket.getProtocol()]).toEqual(["http/1.1", "TLSv1.3"]);
    const ahead = requestHead("GET", "/one") + requestHead("GET", "/two") + "GET / HTTP/1.1\nHost: a\n\n";
    const text = await converse(socket, ahead, /HTTP\/1\.1 400/);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200", "HTTP/1.1 400"]);
    await closed(socket.end());

    const chat = new WebSocket(`wss://localhost:${gateway.port}/chat`, { ca: first.cert });
    await once(chat, "open");
    chat.send("hello");
    expect(String((await once(chat, "message"))[0])).toBe("echo hello");
    chat.close();
    await dispatcher.close();
  });

  test("a stop lets a request under way end", async () => {
    await using gateway = await startGateway(configOf(lane, first));
    const socket = await dial(gateway.port, first);
    let text = "";
    socket.on("data", (part) => (text += part.toString("latin1")));
    release = null;
    socket.write(requestHead("GET", "/slow"));
    const answer = await until("the app has it", () => release);
    const stopped = gateway.stop();
    await until("it drains", () => gateway.logs().some(({ event }) => event === "stopping"));
    answer();
    await closed(socket);
    expect([text.endsWith("late"), await stopped]).toEqual([true, 0]);
  });

  test("a client that shakes no hands holds no place for long, and one without TLS none at all", async () => {
    const server = { workers: 1, limits: { connections: 4, headerTimeout: "7s" } };
    await using gateway = await startGateway(configOf(lane, first, server));
    const silent = Array.from({ length: 12 }, () => connect(gateway.port, "127.0.0.1").on("error", () => undefined));
    await until("the oldest had to go", () => silent.filter(({ destroyed }) => destroyed).length >= 8);
    const good = await dial(gateway.port, first);
    expect(await converse(good, requestHead("GET", "/good"), /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200/);
    await Promise.all(silent.map(closed));

    const plain = connect(gateway.port, "127.0.0.1").on("error", () => undefined);
    plain.write(requestHead("GET", "/plain"));
    await closed(plain);
    good.destroy();
    const again = await Promise.all([1, 2, 3, 4].map(() => dial(gateway.port, first)));
    for (const socket of again) expect(await converse(socket, requestHead("GET", "/"), /\r\n\r\n/)).toMatch(/ 200 /);
    for (const socket of again) socket.destroy();
    await until("all places are free", async () => (await metricOf(gateway, "tollgate_connections")) === 0);
  });

  test("the time to shake hands follows a reload", async () => {
    const server = (headerTimeout: string) => configOf(lane, first, { limits: { headerTimeout } });
    await using gateway = await startGateway(server("60s"));
    const silent = () => connect(gateway.port, "127.0.0.1").on("error", () => undefined);
    const before = silent();
    await once(before, "connect");
    expect((await gateway.reload(server("500ms"))).event).toBe("reloaded");
    const started = performance.now();
    const after = silent();
    await closed(after);
    expect(performance.now() - started).toBeGreaterThan(450);
    expect(performance.now() - started).toBeLessThan(5000);
    // Once hands are shaken, it is over.
    const good = await dial(gateway.port, first);
    release = null;
    const answered = converse(good, requestHead("GET", "/slow"), /late/);
    const answer = await until("the request is there", () => release);
    await new Promise((resolve) => void setTimeout(resolve, 800));
    answer();
    expect(await answered).toMatch(/^HTTP\/1\.1 200/);
    expect(before.destroyed).toBe(false);
    expect((await gateway.reload(server("60s"))).event).toBe("reloaded");
    const patient = silent();
    await once(patient, "connect");
    await new Promise((resolve) => void setTimeout(resolve, 1500));
    expect(patient.destroyed).toBe(false);
    for (const socket of [before, good, patient]) socket.destroy();
  });

  test("clients that reset, leave or send no TLS before hands are shaken give their places back at once", async () => {
    const gateway = shared;
    for (let round = 0; round < 10; round++) {
      const crowd = Array.from({ length: 40 }, () => connect(gateway.port, "127.0.0.1").on("error", () => undefined));
      await Promise.all(crowd.map((socket) => once(socket, "connect")));
      for (const [index, socket] of crowd.entries()) {
        if (index % 4 === 0) socket.resetAndDestroy();
        else if (index % 4 === 1) socket.destroy();
        else if (index % 4 === 2) socket.end();
        else socket.write("GET / HTTP/1.1\r\n\r\n");
      }
    }
    await until("all places are free", async () => (await metricOf(gateway, "tollgate_connections")) === 0);
    const good = await dial(gateway.port, first);
    expect(await converse(good, requestHead("GET", "/good"), /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200/);
    good.destroy();
  });

  test("clients that reset once they have sent something are let go, also those whose reset node does not tell", async () => {
    const quick = withConstants([
      { file: "data-plane/tls-front.ts", line: "LOOK_MS = 5000", instead: "LOOK_MS = 100" },
    ]);
    await using gateway = await startGateway(configOf(lane, first, { workers: 1 }), quick);
    const upgrade = [
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];
    const sent = [
      "bad\r\n\r\n",
      requestHead("GET", "/one"),
      requestHead("GET", "/one") + requestHead("GET", "/chat", upgrade),
    ];
    for (let round = 0; round < 60; round++) {
      const raw = connect(gateway.port, "127.0.0.1").on("error", () => undefined);
      await once(raw, "connect");
      const socket = await dial(gateway.port, first, { socket: raw });
      socket.on("error", () => undefined).write(sent[round % 3] ?? "");
      if (round % 2 === 0) await new Promise((resolve) => void setTimeout(resolve, 1));
      raw.resetAndDestroy();
    }
    const areFree = async () => (await metricOf(gateway, "tollgate_connections")) === 0;
    expect(await until("all places are free", areFree)).toBe(true);
  });

  test("a stop waits for no handshake; health asks over TLS", async () => {
    await using gateway = await startGateway(configOf(lane, first, { limits: { headerTimeout: "30s" } }));
    const health = await gateway.cli("health");
    expect([health.code, health.stdout]).toEqual([0, expect.stringMatching(/^https:\S+ is ready\n$/)]);
    const silent = connect(gateway.port, "127.0.0.1").on("error", () => undefined);
    await until("it is there", async () => (await metricOf(gateway, "tollgate_connections")) > 0);
    const started = performance.now();
    expect(await gateway.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(10_000);
    await closed(silent);
  });

  test("a client that has said all it will still gets its answer, and half a head its 400", async () => {
    const gateway = shared;
    const socket = await dial(gateway.port, first);
    let text = "";
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.end("GET /half HTTP/1.1\r\nHost:");
    await closed(socket);
    expect(text).toMatch(/^HTTP\/1\.1 400/);
  });

  test("a worker that is replaced after a reload without tls speaks TLS as before", async () => {
    using killer = workerKiller();
    await using gateway = await startGateway(configOf(lane, first), killer.options);
    expect((await gateway.reload({ ...configOf(lane, {}), server: { workers: 2, lane } })).event).toBe("reloaded");
    await killer.killWorkers(gateway);
    const dialled = await Promise.all(Array.from({ length: 8 }, () => dial(gateway.port, first)));
    for (const socket of dialled) socket.destroy();
    const plain = connect(gateway.port, "127.0.0.1").on("error", () => undefined);
    plain.write(requestHead("GET", "/plain"));
    await closed(plain);
    expect(plain.bytesRead).toBe(0);
  });

  test("a renewed certificate holds for the next connection, the old one for those that are open", async () => {
    await using gateway = await startGateway(configOf(lane, first));
    const open = await dial(gateway.port, first);
    expect((await gateway.reload(configOf(lane, renewed))).event).toBe("reloaded");
    expect(await converse(open, requestHead("GET", "/open"), /\r\n\r\n/)).toMatch(/^HTTP\/1\.1 200/);
    await expect(dial(gateway.port, first)).rejects.toThrow(/certificate|self.signed/i);
    const fresh = await Promise.all(Array.from({ length: 6 }, () => dial(gateway.port, renewed)));
    for (const socket of [open, ...fresh]) socket.destroy();
    const broken = await gateway.reload(configOf(lane, { ...renewed, key: first.key }));
    expect([broken.event, broken.faults]).toEqual([
      "reload-failed",
      [expect.stringContaining("Expected the private key of the certificate in server.tls.cert")],
    ]);
    const without = await gateway.reload({ ...configOf(lane, {}), server: { workers: 2, lane } });
    expect(without.event).toBe("reloaded");
    const line = await until("it is said", () => gateway.logs().findLast(({ event }) => event === "restart-needed"));
    expect(line.settings).toContain("server.tls");
  });

  test("sessions go on with whichever worker takes the connection; before a reload and after", async () => {
    const gateway = shared;
    const socket = await dial(gateway.port, first, { maxVersion: "TLSv1.2" });
    const session = socket.getSession();
    socket.destroy();
    const resumed = async () => {
      const again = await dial(gateway.port, first, { maxVersion: "TLSv1.2", session });
      const isReused = again.isSessionReused();
      again.destroy();
      return isReused;
    };
    const before = await Promise.all(Array.from({ length: 12 }, resumed));
    await gateway.reload();
    const after = await Promise.all(Array.from({ length: 12 }, resumed));
    expect(new Set([...before, ...after])).toEqual(new Set([true]));
  });

  test("minVersion keeps older versions out", async () => {
    await using gateway = await startGateway(configOf(lane, { ...first, minVersion: "TLSv1.3" }));
    await expect(dial(gateway.port, first, { maxVersion: "TLSv1.2" })).rejects.toThrow(/protocol version/);
    (await dial(gateway.port, first)).destroy();
  });
});
