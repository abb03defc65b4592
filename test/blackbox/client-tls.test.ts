/** Clients that speak TLS: they get what others get, on both lanes; a renewed certificate holds without a restart. */
import { once } from "node:events";
import { afterAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { Agent, request } from "undici";
import { makeCertificate } from "#test/support/certificate.ts";
import { LANES } from "#test/support/lanes.ts";
import { metricOf } from "#test/support/metrics.ts";
import { startGateway } from "#test/support/process.ts";
import { requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { app, closed, configOf, converse, dial, dialPlain, first } from "./client-tls.ts";

const renewed = makeCertificate();
const BIG = Buffer.alloc(3 * 1024 * 1024, "b");

afterAll(() => app[Symbol.asyncDispose]());

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

  test("clients that reset, leave or send no TLS before hands are shaken give their places back at once", async () => {
    const gateway = shared;
    for (let round = 0; round < 10; round++) {
      const crowd = Array.from({ length: 40 }, () => dialPlain(gateway.port));
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

  test("a client that has said all it will still gets its answer, and half a head its 400", async () => {
    const gateway = shared;
    const socket = await dial(gateway.port, first);
    let text = "";
    socket.on("data", (part) => (text += part.toString("latin1")));
    socket.end("GET /half HTTP/1.1\r\nHost:");
    await closed(socket);
    expect(text).toMatch(/^HTTP\/1\.1 400/);
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
});
