/** Bodies as they flow: nothing is held back, nothing piles up, and interim answers come through. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type IncomingMessage, request as httpRequest, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, startScene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";

const MIB = 1024 * 1024;
/** Twice what the gateway may grow by: one that keeps the body cannot pass. */
const BODY_BYTES = 128 * MIB;
const GROWTH_MAX_BYTES = 64 * MIB;
/** Sent both ways before any measurement, so that heap and buffer pools have their working size. */
const WARM_BYTES = 48 * MIB;
/** How long the slow side stands still before it takes any, and how often it rests afterwards. */
const STILL_MS = 500;
const REST_EVERY_BYTES = 4 * MIB;

const app = await startServer((request, response) => void handle(request, response));
const scene = await startScene({
  target: app.url,
  // One worker: each has a heap that grows once, at its first use.
  config: { server: { workers: 1, adminToken: ADMIN_TOKEN, limits: { bodyBytes: "256MiB" } } },
});
const { gateway, operator } = scene;
const key = await operator.key();
let handle = (request: IncomingMessage, response: ServerResponse): unknown => request.pipe(response);

beforeAll(async () => {
  const request = post({ "content-length": WARM_BYTES });
  const answer = answerOf(request);
  const written = writeAll(request, WARM_BYTES);
  for await (const _part of await answer);
  await written;
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await app[Symbol.asyncDispose]();
});

/** A mebibyte whose bytes tell where they belong. */
const PIECE = Buffer.alloc(MIB, createHash("sha512").update("piece").digest());

async function writeAll(to: NodeJS.WritableStream, bytesTotal = BODY_BYTES): Promise<void> {
  for (let bytes = 0; bytes < bytesTotal; bytes += MIB) if (!to.write(PIECE)) await once(to, "drain");
  to.end();
}

function digestOfAll(): string {
  const digest = createHash("sha256");
  for (let bytes = 0; bytes < BODY_BYTES; bytes += MIB) digest.update(PIECE);
  return digest.digest("hex");
}

/** Reads slowly: stands still first, then rests again and again. Gives the digest and the most memory the gateway had meanwhile. */
async function readSlowly(
  from: AsyncIterable<Buffer>,
): Promise<{ readonly digest: string; readonly mostBytes: number }> {
  const digest = createHash("sha256");
  let bytes = 0;
  let mostBytes = 0;
  await pause(STILL_MS);
  for await (const part of from) {
    digest.update(part);
    if (Math.floor(bytes / REST_EVERY_BYTES) !== Math.floor((bytes + part.length) / REST_EVERY_BYTES)) {
      mostBytes = Math.max(mostBytes, memoryOf(gateway.pid));
      await pause(10);
    }
    bytes += part.length;
  }
  return { digest: digest.digest("hex"), mostBytes };
}

function memoryOf(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib) * 1024;
}

function post(headers: Readonly<Record<string, string | number>>) {
  return httpRequest(`${gateway.url}/a`, {
    method: "POST",
    headers: { authorization: `Bearer ${key.secret}`, ...headers },
  });
}

async function answerOf(request: ReturnType<typeof httpRequest>): Promise<IncomingMessage> {
  const [response] = (await once(request, "response")) as [IncomingMessage];
  return response;
}

test.each([
  ["a length", { "content-length": BODY_BYTES }],
  ["chunks", { "transfer-encoding": "chunked" }],
])("128 MiB up with %s to a slow app arrive whole, and the gateway's memory stays flat", async (_how, headers) => {
  const before = memoryOf(gateway.pid);
  const { promise, resolve } = Promise.withResolvers<Awaited<ReturnType<typeof readSlowly>>>();
  handle = async (request, response) => {
    resolve(await readSlowly(request));
    response.end();
  };
  const request = post(headers);
  const [answer] = await Promise.all([answerOf(request), writeAll(request)]);
  expect(answer.statusCode).toBe(200);
  const { digest, mostBytes } = await promise;
  expect(digest).toBe(digestOfAll());
  expect(mostBytes - before).toBeLessThan(GROWTH_MAX_BYTES);
});

test("128 MiB down to a slow client arrive whole, and the gateway's memory stays flat", async () => {
  const before = memoryOf(gateway.pid);
  handle = (_request, response) => writeAll(response);
  const answer = await answerOf(post({}).end());
  const { digest, mostBytes } = await readSlowly(answer);
  expect(digest).toBe(digestOfAll());
  expect(mostBytes - before).toBeLessThan(GROWTH_MAX_BYTES);
});

test("each event of a stream arrives before the next one is written", async () => {
  const { promise: started, resolve } = Promise.withResolvers<ServerResponse>();
  handle = (_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.flushHeaders();
    resolve(response);
  };
  const answer = await answerOf(post({}).end());
  expect(answer.headers["content-type"]).toBe("text/event-stream");
  const events = await started;
  const parts = answer.iterator()[Symbol.asyncIterator]();
  for (const number of [1, 2, 3, 4, 5]) {
    events.write(`data: ${number}\n\n`);
    expect(String((await parts.next()).value)).toBe(`data: ${number}\n\n`);
  }
  events.end();
  expect((await parts.next()).done).toBe(true);
});

test("a request body reaches the app piece by piece, before the client has sent the rest", async () => {
  const { promise: started, resolve } = Promise.withResolvers<AsyncIterator<Buffer>>();
  handle = (request, response) => {
    resolve(request[Symbol.asyncIterator]());
    request.on("end", () => response.end());
  };
  const request = post({ "transfer-encoding": "chunked" });
  request.write("one");
  const parts = await started;
  expect(String((await parts.next()).value)).toBe("one");
  const next = parts.next();
  request.write("two");
  expect(String((await next).value)).toBe("two");
  const answer = answerOf(request);
  const end = parts.next();
  request.end();
  expect((await end).done).toBe(true);
  expect((await answer).statusCode).toBe(200);
});

test.each([
  ["a plain link", "</a.css>; rel=preload; as=style"],
  ["a link with spaces in quotes", '</a.css>; rel="preload prefetch"; title="a; b", </b.js>; rel=preload'],
])("early hints with %s come before the answer", async (_what, link) => {
  handle = (_request, response) => {
    response.socket?.write(`HTTP/1.1 103 Early Hints\r\nLink: ${link}\r\n\r\n`);
    response.end("done");
  };
  const { responses } = await rawExchange(gateway.port, requestHead("GET", "/a", [key.line]), { responses: 1 });
  expect(responses.map(({ status, header }) => [status, header("link")])).toEqual([
    [103, link],
    [200, null],
  ]);
  expect(responses[1]?.text()).toBe("done");
});

test("a client that expects 100-continue gets exactly one, then sends its body", async () => {
  handle = (request, response) => void request.pipe(response);
  const head = requestHead("POST", "/a", [key.line, "Expect: 100-continue", "Content-Length: 4"]);
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(head);
  const [interim] = (await once(socket, "data")) as [Buffer];
  expect(interim.toString()).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  socket.write("body");
  const [answer] = (await once(socket, "data")) as [Buffer];
  expect(answer.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  socket.destroy();
});

test("a client that expects 100-continue and is refused gets the refusal and no 100", async () => {
  const head = requestHead("POST", "/a", ["Expect: 100-continue", "Content-Length: 4"]);
  const { responses } = await rawExchange(gateway.port, head, { responses: 1 });
  expect(responses.map(({ status }) => status)).toEqual([401]);
});

test("an answer that the app gives before it has the whole body reaches the client at once", async () => {
  handle = (_request, response) => void response.writeHead(422, { "content-length": 5 }).end("early");
  const head = requestHead("POST", "/a", [key.line, "Content-Length: 1000000"]);
  const { responses } = await rawExchange(gateway.port, [head, "only a part"], { responses: 1 });
  expect(responses.map(({ status, text }) => [status, text()])).toEqual([[422, "early"]]);
});
