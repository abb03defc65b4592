/** How connections and requests end on each lane, in ways in which one of them once went wrong. The judge of hostile requests (`test/hostile/`) found them. */
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { LANES } from "#test/support/lanes.ts";
import { metricOf } from "#test/support/metrics.ts";
import { startGateway } from "#test/support/process.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { startTcp } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";
import { startUpstream } from "#test/support/upstream.ts";

const POST = `${requestHead("POST", "/a", ["Content-Length: 4"])}abcd`;
const GOOD = requestHead("GET", "/good");

describe.each(LANES)("lane %s", async (lane) => {
  const upstream = await startUpstream();
  /** Hangs up on whoever has sent all of its body. */
  const rude = await startTcp((socket) => {
    let text = "";
    socket.on("data", (bytes) => (text += bytes.toString("latin1")).endsWith("abcd") && socket.destroy());
  });
  const gateway = await startGateway({
    server: { lane, workers: 1, drainTimeout: "5s", limits: { idleTimeout: "2s" } },
    upstreams: { app: { targets: [upstream.url] }, rude: { targets: [rude.url] } },
    routes: [
      { name: "rude", match: { path: "/rude" }, upstream: "rude", auth: "none" },
      { name: "app", match: { path: "/**" }, upstream: "app", auth: "none" },
    ],
  });

  beforeEach(() => {
    upstream.clear();
    upstream.answer();
  });
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
    await rude[Symbol.asyncDispose]();
  });

  test("an upstream that hangs up on a whole body is answered for with 502, and the worker lives on", async () => {
    const { responses } = await rawExchange(gateway.port, POST.replace("/a", "/rude"), { responses: 1, idleMs: 5000 });
    expect(responses.map(({ status }) => status)).toEqual([502]);
    expect(gateway.logs().filter(({ event }) => event === "worker-failed")).toEqual([]);
  });

  test.each([
    ["an odd field", requestHead("POST", "/a", ["Content_Length: 4"])],
    ["no host", "GET /a HTTP/1.1\r\n\r\n"],
    ["two framings", requestHead("POST", "/a", ["Content-Length: 0", "Transfer-Encoding: chunked"])],
  ])(
    "nothing is read behind a request that is refused for %s: one answer, and nobody hears of more",
    async (_what, bad) => {
      const { responses, closed } = await rawExchange(gateway.port, bad + GOOD, { idleMs: 5000 });
      expect(responses.map(({ status }) => status)).toEqual([400]);
      expect(closed).toBe(true);
      expect(upstream.count).toBe(0);
    },
  );

  test.each(["HTTP/0.9", "HTTP/2.0", "HTTP/1.2"])("%s is refused", async (version) => {
    const { responses, closed } = await rawExchange(gateway.port, GOOD.replace("HTTP/1.1", version), { idleMs: 5000 });
    expect(responses.map(({ status }) => status)).toEqual([400]);
    expect(closed).toBe(true);
    expect(upstream.count).toBe(0);
  });

  test("garbage behind a request with a body is refused after its answer, and the connection closes", async () => {
    const { responses, closed } = await rawExchange(gateway.port, `${POST}\0\r\n\r\n`, { idleMs: 5000 });
    expect(responses.map(({ status }) => status)).toEqual([200, 400]);
    expect(closed).toBe(true);
  });

  test.each([
    ["alone", "", [400]],
    ["behind another request", GOOD, [200, 400]],
  ])("a body that turns out to be none is answered with 400, %s", async (_where, before, statuses) => {
    const broken = `${requestHead("POST", "/a", ["Transfer-Encoding: chunked"])}3\r\nabc\r\nzz\r\n`;
    const { responses, closed } = await rawExchange(gateway.port, before + broken, { idleMs: 5000 });
    expect(responses.map(({ status }) => status)).toEqual(statuses);
    expect(closed).toBe(true);
    expect(upstream.requests.map(({ url }) => url)).toEqual(before === "" ? [] : ["/good"]);
  });

  test("the answer to the request before a broken one is waited for, however long it takes", async () => {
    // Longer than anybody waits for what is left of a body.
    upstream.answer((_request, response) => void setTimeout(() => response.end("late"), 5500));
    const broken = `${requestHead("POST", "/a", ["Transfer-Encoding: chunked"])}zz\r\n`;
    const { responses } = await rawExchange(gateway.port, GOOD + broken, { idleMs: 10_000 });
    expect(responses.map(({ status }) => status)).toEqual([200, 400]);
  });

  test("a client that got nothing is not counted among those that were served", async () => {
    const served = 'tollgate_requests_total{route="app",status="2xx"}';
    const before = await metricOf(gateway, served);
    const broken = `${requestHead("POST", "/a", ["Transfer-Encoding: chunked"])}zz\r\n`;
    await rawExchange(gateway.port, broken, { idleMs: 5000 });
    await rawExchange(gateway.port, GOOD, { responses: 1, idleMs: 5000 });
    await until("the good one is counted", async () => (await metricOf(gateway, served)) > before);
    expect(await metricOf(gateway, served)).toBe(before + 1);
  });

  test("an upgrade that is answered by no upgrade ends, whatever its client sent ahead", async () => {
    const upgrade = requestHead("GET", "/a", ["Connection: Upgrade", "Upgrade: websocket"]);
    const { responses, closed } = await rawExchange(gateway.port, `${upgrade}a first frame`, { idleMs: 5000 });
    expect(responses.map(({ status }) => status)).toEqual([200]);
    expect(closed).toBe(true);
    const inFlight = () => metricOf(gateway, "tollgate_requests_in_flight");
    await until("nothing is under way", async () => (await inFlight()) === 0);
  });

  test("a connection that carried a body is as idle as any other when the gateway stops", async () => {
    const socket = connect(gateway.port, "127.0.0.1");
    socket.write(POST);
    await once(socket, "data");
    expect(await gateway.stop()).toBe(0);
    expect(gateway.logs().at(-1)).toMatchObject({ event: "stopped", in_time: true });
    socket.destroy();
  });
});
