/**
 * Streamed completions: events pass one by one as the app makes them, their usage is in the journal before the answer's last byte,
 * and a stream that somebody breaks off is charged for what had passed.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { metricOf } from "#test/support/metrics.ts";
import { needs } from "#test/support/needs.ts";
import { requestHead } from "#test/support/raw.ts";
import { type MadeKey, startScene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";
import { startUpstream, type UpstreamHandler } from "#test/support/upstream.ts";
import { journaledIds } from "../durability/journal.ts";
import { Strace } from "../durability/strace.ts";

const EVENTS = 5;
const FAULTS = "tollgate_meter_faults_total";
const event = (n: number) => `data: ${JSON.stringify({ n, usage: { total_tokens: n * 10 } })}\n\n`;

const upstream = await startUpstream();
const echo = await startServer((_request, response) => response.end());
const sockets = new WebSocketServer({ server: echo.server });
sockets.on("connection", (socket) => socket.on("message", (data) => socket.send(`${String(data)}!`)));

const scene = await startScene({
  config: {
    meters: {
      tokens: { from: "sse.last:usage.total_tokens", fallback: 3 },
      whole: { from: "response.json:n" },
      calls: {},
      in: { from: "bytes.in" },
      out: { from: "bytes.out" },
    },
    plans: { free: { default: true } },
    upstreams: { app: { targets: [upstream.url] }, echo: { targets: [echo.url] } },
    routes: [
      { name: "chat", match: { path: "/chat" }, upstream: "app", meters: { tokens: "measured" } },
      { name: "constant", match: { path: "/constant" }, upstream: "app", meters: { calls: 1 } },
      { name: "both", match: { path: "/both" }, upstream: "app", meters: { tokens: "measured", calls: 1 } },
      { name: "json", match: { path: "/json" }, upstream: "app", meters: { whole: "measured" } },
      { name: "ws", match: { path: "/ws" }, upstream: "echo", meters: { in: "measured", out: "measured" } },
    ],
  },
});
const { gateway, operator } = scene;
afterAll(() => Promise.all([scene, upstream, echo].map((part) => part[Symbol.asyncDispose]())));

let ids = 0;

/** A request on a socket of its own; `onData` has all that came so far, at once when it comes. */
function ask(
  target: string,
  key: MadeKey,
  handler: UpstreamHandler,
  onData: (text: string, id: string) => void = () => undefined,
) {
  const id = `stream-${++ids}`;
  upstream.answer(handler);
  const socket = connect({ port: gateway.port, host: "127.0.0.1", noDelay: true });
  const closed = once(socket, "close");
  let text = "";
  socket.on("error", () => undefined);
  socket.on("data", (part) => {
    text += part.toString("utf8");
    onData(text, id);
  });
  socket.write(requestHead("GET", target, [key.line, `X-Request-Id: ${id}`]));
  return { socket, id, closed, text: () => text };
}

/** Resolves when the whole answer has come. */
async function ended({ text, socket }: ReturnType<typeof ask>): Promise<void> {
  await until("the end", () => /\r\n0\r\n\r\n$|\r\n\r\n.*[}k]$/s.test(text()));
  socket.destroy();
}

test("each event is at the client before the app makes the next one", async () => {
  const key = await operator.key();
  const heads: string[] = [];
  const asked = ask("/chat", key, async (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
    await until("the head is at the client", () => asked.text().includes("\r\n\r\n"));
    heads.push(asked.text());
    for (let n = 1; n <= EVENTS; n++) {
      response.write(event(n));
      await until(`event ${n} is at the client`, () => asked.text().includes(event(n)));
    }
    response.end();
  });
  await until("the end", () => asked.text().endsWith("\r\n0\r\n\r\n"));
  asked.socket.destroy();
  expect(heads[0]).toMatch(/^HTTP\/1\.1 200 /);
  expect(await operator.used(key.account, "tokens")).toBe(EVENTS * 10);
});

test("usage is in the journal when the client gets the last byte, and not before it is known", async () => {
  const key = await operator.key();
  const seen: { readonly end: boolean; readonly journaled: boolean }[] = [];
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const look = (text: string, id: string) => {
    const end = text.endsWith("\r\n0\r\n\r\n");
    // Read within the event that brought the bytes: nobody else has run meanwhile here.
    seen.push({ end, journaled: journaledIds(gateway.dir).includes(id) });
    if (end) resolve();
  };
  const asked = ask(
    "/chat",
    key,
    async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (let n = 1; n <= EVENTS; n++) {
        response.write(event(n));
        await until(`event ${n} is at the client`, () => asked.text().includes(event(n)));
      }
      response.end();
    },
    look,
  );
  await over;
  asked.socket.destroy();
  expect(seen.filter(({ end }) => end)).toEqual([{ end: true, journaled: true }]);
  expect(new Set(seen.filter(({ end }) => !end).map(({ journaled }) => journaled))).toEqual(new Set([false]));
});

test("of an answer with a length, usage is in the journal when its last byte arrives", async () => {
  const key = await operator.key();
  const body = '{"x":"yyyyyyyyyy","n":12}';
  const seen: boolean[] = [];
  const { promise: over, resolve } = Promise.withResolvers<void>();
  const asked = ask(
    "/json",
    key,
    async (_request, response) => {
      response.writeHead(200, { "content-length": body.length }).write(body.slice(0, 10));
      await until("the first part is at the client", () => asked.text().endsWith(body.slice(0, 10)));
      response.write(body.slice(10, -1));
      await until("the next part is at the client", () => asked.text().endsWith(body.slice(0, -1)));
      response.end(body.slice(-1));
    },
    (text, id) => {
      seen.push(journaledIds(gateway.dir).includes(id));
      if (text.endsWith(body)) resolve();
    },
  );
  await over;
  asked.socket.destroy();
  expect(seen.at(-1)).toBe(true);
  expect(seen.slice(0, -1)).not.toContain(true);
  expect(await operator.used(key.account, "whole")).toBe(12);
});

test("what is known from the start is in the journal with the answer's head, though the stream goes on", async () => {
  const key = await operator.key();
  const heads: boolean[] = [];
  const asked = ask(
    "/both",
    key,
    async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).flushHeaders();
      await until("the head is at the client", () => heads.length > 0);
      expect(await operator.used(key.account, "calls")).toBe(1);
      response.end(event(1));
    },
    (_text, id) => heads.push(journaledIds(gateway.dir).includes(id)),
  );
  await until("the end", () => asked.text().endsWith("\r\n0\r\n\r\n"));
  asked.socket.destroy();
  expect(heads[0]).toBe(true);
  expect([await operator.used(key.account, "calls"), await operator.used(key.account, "tokens")]).toEqual([1, 10]);
});

const LAST: readonly {
  readonly what: string;
  readonly target: string;
  readonly bytes: RegExp;
  readonly handler: UpstreamHandler;
}[] = [
  {
    what: "the last chunk",
    target: "/chat",
    // As strace shows them: a write of their own, or the end of a longer one.
    bytes: /(?:"|\\r\\n)0\\r\\n\\r\\n/,
    handler: (_request, response) =>
      void response.writeHead(200, { "content-type": "text/event-stream" }).end(event(1)),
  },
  {
    what: "the last byte of a length",
    target: "/json",
    bytes: /\\"n\\":12}/,
    handler: async (_request, response) => {
      response.writeHead(200, { "content-length": 15 }).write('{"x":1, ');
      await until("the first part is written", () => response.writableLength === 0);
      response.end('"n":12}');
    },
  },
  {
    what: "the head",
    target: "/constant",
    bytes: /HTTP\/1.1 200/,
    handler: (_request, response) => void response.end("ok"),
  },
];

test.skipIf(!needs("strace")).each(LAST)(
  "the journal is written before $what, in the order of system calls",
  async ({ target, bytes, handler }) => {
    const key = await operator.key();
    await ended(ask(target, key, handler));
    await using strace = await Strace.attach(gateway.pid, [], [{ calls: "write,writev", effect: null }]);
    await ended(ask(target, key, handler));
    const at = (is: (line: string) => boolean) => strace.lines.findIndex(is);
    const delivered = () => at((line) => line.includes("<socket:") && bytes.test(line));
    await until("the delivery is listed", () => delivered() !== -1);
    const journaled = at((line) => line.includes(".journal>"));
    expect(journaled).toBeGreaterThanOrEqual(0);
    expect(journaled).toBeLessThan(delivered());
  },
);

const breakers = ["client", "app"] as const;

test.each(breakers)(
  "a stream that the %s breaks off after three events is charged for the third one's usage",
  async (who) => {
    const key = await operator.key();
    const asked = ask("/chat", key, async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event(1) + event(2) + event(3));
      await until("the third event is at the client", () => asked.text().includes(event(3)));
      if (who === "app") response.destroy();
      else asked.socket.destroy();
    });
    await asked.closed;
    await until("the charge", async () => (await operator.used(key.account, "tokens")) === 30);
    expect(asked.text()).not.toMatch(/\r\n0\r\n\r\n$/);
    expect(await operator.used(key.account, "tokens")).toBe(30);
  },
);

test.each(breakers)(
  "a stream that the %s breaks off before any usage is charged the fallback, and is told of",
  async (who) => {
    const key = await operator.key();
    const before = await metricOf(gateway, FAULTS);
    const asked = ask("/chat", key, async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write("data: {}\n\n");
      await until("the event is at the client", () => asked.text().includes("data: {}"));
      if (who === "app") response.destroy();
      else asked.socket.destroy();
    });
    await asked.closed;
    await until("the charge", async () => (await operator.used(key.account, "tokens")) === 3);
    expect((await metricOf(gateway, FAULTS)) - before).toBe(1);
  },
);

test("bytes of a WebSocket are counted both ways until it ends", async () => {
  const key = await operator.key();
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/ws`, {
    headers: { authorization: `Bearer ${key.secret}` },
  });
  await once(socket, "open");
  for (let n = 0; n < 3; n++) {
    const answer = once(socket, "message");
    socket.send("x".repeat(100));
    await answer;
  }
  // Frames of the client have heads of 6 bytes, the app's of 2; a close is as much with a code of 2.
  socket.close(1000);
  await once(socket, "close");
  await until("the charge", async () => (await operator.used(key.account, "in")) > 0);
  expect(await operator.used(key.account, "in")).toBe(3 * 106 + 8);
  expect(await operator.used(key.account, "out")).toBe(3 * 103 + 4);
});
