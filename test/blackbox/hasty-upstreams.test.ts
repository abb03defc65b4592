/** Upstreams that say something before they are asked, before their answer, or about their connection: each client gets its own answer, whole. */
import { execFileSync } from "node:child_process";
import type { Socket } from "node:net";
import { afterAll, beforeEach, expect, test } from "vitest";
import { Client } from "#test/support/client.ts";
import { needs } from "#test/support/needs.ts";
import { requestHead } from "#test/support/raw.ts";
import type { RawResponse } from "#test/support/raw-response.ts";
import { ADMIN_TOKEN, startScene } from "#test/support/scene.ts";
import { startTcp } from "#test/support/server.ts";
import { unreadBy, whileStopped } from "#test/support/stopped.ts";
import { until } from "#test/support/until.ts";

const GOOD = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood";
const STRAY = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";

/** Answers each read with `answer`, which is no more than a request here. */
let answer = GOOD;
/** The connection last asked on. */
let last: Socket | null = null;
const upstream = await startTcp((socket) => {
  socket.on("data", () => {
    last = socket;
    socket.write(answer);
  });
});
const scene = await startScene({
  config: {
    server: { workers: 1, adminToken: ADMIN_TOKEN },
    upstreams: { app: { targets: [upstream.url] } },
    routes: [
      { name: "counted", match: { path: "/counted" }, upstream: "app", meters: { api_calls: 1 } },
      { name: "open", match: { path: "/open" }, upstream: "app", auth: "none" },
    ],
  },
});
const { gateway, operator } = scene;

beforeEach(() => {
  answer = GOOD;
});
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await upstream[Symbol.asyncDispose]();
});

const GET = requestHead("GET", "/open");

async function say(text: string): Promise<void> {
  await new Promise<void>((resolve) => void last?.write(text, () => resolve()));
}

/** Asks twice on one connection; in between, while the gateway stands still, the upstream speaks up on its own. Gives the second answer. */
async function answerBehindStray(request: string, strayFirst: boolean): Promise<RawResponse | undefined> {
  using client = await Client.open(gateway.port);
  await client.send(GET);
  await until("the first is answered", () => client.statuses.length === 1);
  await whileStopped(gateway, async () => {
    if (strayFirst) await say(STRAY);
    await client.send(request);
    if (!strayFirst) await say(STRAY);
    const arrived = () => last !== null && unreadBy(last) > 0 && unreadBy(client.socket) > 0;
    await until("both have arrived", arrived);
  });
  await until("the second is answered", () => client.statuses.length === 2);
  return client.responses[1];
}

test.each([
  ["GET", GET],
  ["POST", requestHead("POST", "/open", ["Content-Length: 0"])],
])("what an upstream said before a %s went out never answers it", async (_method, request) => {
  for (let round = 0; round < 8; round++) {
    const answered = await answerBehindStray(request, round % 2 === 0);
    expect(["200 good", "502"]).toContain(answered?.status === 502 ? "502" : `${answered?.status} ${answered?.text()}`);
  }
});

test("an upstream cannot take the length away from an answer by naming it in Connection", async () => {
  answer = "HTTP/1.1 200 OK\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello";
  using client = await Client.open(gateway.port);
  for (const count of [1, 2]) {
    await client.send(GET);
    await until("it is answered", () => client.statuses.length === count);
  }
  expect(client.responses.map(({ status, text }) => [status, text()])).toEqual([
    [200, "hello"],
    [200, "hello"],
  ]);
});

test.skipIf(!needs("prlimit"))("a charge that is lost behind an interim answer is refused with 503", async () => {
  const { line } = await operator.key();
  answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
  using client = await Client.open(gateway.port);
  await client.send(requestHead("GET", "/counted", [line]));
  await until("the interim answer is here", () => client.responses.length === 1);
  // Files may not grow any more: as on a full disk.
  execFileSync("prlimit", ["--pid", String(gateway.pid), "--fsize=1:"]);
  await say(GOOD);
  await until("there is an answer, or none will be", () => client.responses.length === 2 || client.closed);
  expect(client.statuses).toEqual([103, 503]);
});
