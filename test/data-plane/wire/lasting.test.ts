/**
 * What lasts and what does not, on both lanes: real sockets before them and a real app behind, the clock moved on by hand. Whatever way
 * an answer ends, nothing is kept of it.
 */
import { once } from "node:events";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { FastLane } from "#data-plane/wire/fast/fast-lane.ts";
import { FullLane } from "#data-plane/wire/full/full-lane.ts";
import { Turn } from "#data-plane/wire/turn.ts";
import { requestHead } from "#test/support/raw.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";
import { BenchSite } from "../../../bench/micro/site.ts";

/** Answers that the app has not begun yet, in the order of their requests. */
let asked: { readonly request: IncomingMessage; readonly response: ServerResponse }[] = [];
const app = await startServer((request, response) => void asked.push({ request, response }));
afterAll(() => app[Symbol.asyncDispose]());

const now = performance.now.bind(performance);
afterEach(() => {
  vi.restoreAllMocks();
  asked = [];
});

/** From now on it is so much later. */
function later(ms: number): void {
  vi.spyOn(performance, "now").mockImplementation(() => now() + ms);
}

interface World extends AsyncDisposable {
  readonly site: BenchSite;
  readonly port: number;
}

async function start(lane: "fast" | "full"): Promise<World> {
  const site = new BenchSite(
    JSON.stringify({
      version: 1,
      upstreams: { app: { targets: [app.url] } },
      routes: [
        { name: "open", match: { path: "/open" }, upstream: "app", auth: "none" },
        { name: "all", match: { path: "/**" }, upstream: "app" },
      ],
    }),
  );
  const turn = new Turn(() => site.settler.flush());
  const { limits } = site.runtime.settings.server;
  const parts = { ...site, turn, meterFault: () => undefined };
  const full = new FullLane(parts, limits);
  const fast = lane === "fast" ? new FastLane(parts, full, limits, () => undefined) : null;
  const server: Server | FastLane["server"] = fast?.server ?? full.server;
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    site,
    // Just listening on a port.
    port: (server.address() as AddressInfo).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      fast?.stop();
      site[Symbol.dispose]();
    },
  };
}

/** A request of the site's key, and what the app will answer it by. */
async function ask({ port, site }: World, method = "GET", path = "/x") {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  const client = { text: "", closed: false };
  socket.on("error", () => undefined);
  socket.on("data", (part) => (client.text += part.toString("latin1")));
  socket.on("close", () => (client.closed = true));
  const count = asked.length;
  socket.write(requestHead(method, path, path === "/open" ? [] : [`Authorization: Bearer ${site.key}`]));
  await until("the request at the app", () => asked.length > count);
  const { response } = asked.at(-1) ?? {};
  if (response === undefined) throw new Error("The app was not asked");
  return { client, socket, response };
}

const EVENTS = { "content-type": "text/event-stream" };

async function stream(world: World, headers: Record<string, string> = EVENTS) {
  const asking = await ask(world);
  asking.response.writeHead(200, headers);
  await send(asking, "data: 0\n\n");
  return asking;
}

async function send({ response, client }: Awaited<ReturnType<typeof ask>>, piece: string): Promise<void> {
  const before = client.text.length;
  response.write(piece);
  await until("the piece at the client", () => client.text.length > before && client.text.includes(piece));
}

/** As a push of the control plane has it. */
function revoke({ site }: World): void {
  Object.assign(site.record, { revoked: true });
  site.directory.invalidate({ kind: "key", id: site.record.id });
  site.lasting.invalidate({ kind: "key", id: site.record.id });
}

async function isCut({ client, response }: Awaited<ReturnType<typeof ask>>): Promise<void> {
  await until("the cut, and the app's end", () => client.closed && response.destroyed, 2000);
  expect(client.text).not.toMatch(/\r\n0\r\n\r\n$/);
}

describe.each(["fast", "full"] as const)("lane %s", (lane) => {
  test("whichever way event streams end, none is kept", async () => {
    await using world = await start(lane);
    const { lasting } = world.site;
    const ways: Readonly<Record<string, (one: Awaited<ReturnType<typeof ask>>) => void>> = {
      "the client leaves": ({ socket }) => void socket.destroy(),
      "the app ends": ({ response }) => void response.end(),
      "the app breaks off": ({ response }) => void response.destroy(),
      "a revocation": () => revoke(world),
    };
    for (const [way, end] of Object.entries(ways)) {
      const opened = [];
      for (let n = 0; n < 5; n++) opened.push(await stream(world));
      expect([way, lasting.size]).toEqual([way, 5]);
      for (const one of opened) end(one);
      await until(`the end of all: ${way}`, () => lasting.size === 0);
      for (const { socket } of opened) socket.destroy();
    }
  });

  test("an ordinary answer goes on after a revocation, until it has lasted for ten seconds", async () => {
    await using world = await start(lane);
    const headers: Record<string, string>[] = [
      {},
      { "content-length": "1000" },
      { "content-type": "application/x-ndjson" },
    ];
    const opened = [];
    for (const one of headers) opened.push(await stream(world, one));
    expect(world.site.lasting.size).toBe(0);
    revoke(world);
    for (const one of opened) await send(one, "after the revocation\n");
    later(9000);
    for (const one of opened) await send(one, "nine seconds later\n");
    for (const one of opened) await send(one, "still going on\n");
    later(12_000);
    for (const one of opened) one.response.write("twelve seconds later\n");
    for (const one of opened) await isCut(one);
    expect(world.site.lasting.size).toBe(0);
  });

  test("an answer that has lasted for ten seconds ends with its key, not before, and like any when it is whole", async () => {
    await using world = await start(lane);
    const [one, whole] = [await stream(world, {}), await stream(world, {})];
    later(12_000);
    await send(one, "still good\n");
    await send(whole, "still good\n");
    expect(world.site.lasting.size).toBe(2);
    world.site.lasting.invalidate({ kind: "key", id: world.site.record.id });
    await send(one, "looked at\n");
    whole.response.end();
    await until("the whole answer", () => whole.client.text.endsWith("\r\n0\r\n\r\n"));
    expect(world.site.lasting.size).toBe(1);
    revoke(world);
    await isCut(one);
  });

  test("a stream that begins when its key is revoked already, after it was let in, ends at once", async () => {
    await using world = await start(lane);
    const one = await ask(world);
    revoke(world);
    one.response.writeHead(200, EVENTS);
    one.response.write("data: 0\n\n");
    await isCut(one);
    expect(world.site.lasting.size).toBe(0);
  });

  test("heads without a body, and answers to nobody, are none", async () => {
    await using world = await start(lane);
    const head = await ask(world, "HEAD");
    head.response.writeHead(200, EVENTS);
    head.response.end();
    const nobody = await ask(world, "GET", "/open");
    nobody.response.writeHead(200, EVENTS);
    await send(nobody, "data: 0\n\n");
    expect(world.site.lasting.size).toBe(0);
    nobody.response.end();
  });
});
