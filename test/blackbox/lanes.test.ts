/** Operators see which lane took what: both settings of `server.lane`, and an upgrade that the fast lane hands over. */
import { once } from "node:events";
import { afterAll, expect, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { metricOf } from "#test/support/metrics.ts";
import type { Gateway } from "#test/support/process.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { type Scene, startScene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";

const app = await startServer((_request, response) => response.end("plain"));
const sockets = new WebSocketServer({ server: app.server });
const scenes = new Map<string, Scene>();
for (const lane of ["auto", "full"]) {
  const server = { workers: 2, adminToken: "an-admin-token-for-tests-0123456789", lane };
  scenes.set(lane, await startScene({ config: { server }, target: app.url }));
}

afterAll(async () => {
  for (const scene of scenes.values()) await scene[Symbol.asyncDispose]();
  for (const client of sockets.clients) client.terminate();
  await app[Symbol.asyncDispose]();
});

async function counted(gateway: Gateway): Promise<Readonly<Record<string, number>>> {
  const of = (lane: string) => metricOf(gateway, `tollgate_lane_requests_total{lane="${lane}"}`);
  const handovers = await metricOf(gateway, "tollgate_lane_handovers_total");
  return { fast: await of("fast"), full: await of("full"), handovers };
}

test.each([
  ["auto", { fast: 4, full: 1, handovers: 1 }],
  ["full", { fast: 0, full: 5, handovers: 0 }],
])("with lane: %s, four requests, one of them no HTTP, and an upgrade count as %o", async (lane, expected) => {
  const scene = scenes.get(lane);
  if (scene === undefined) throw new Error(`No gateway for ${lane}`);
  const { gateway, operator } = scene;
  const key = await operator.key();
  expect(await counted(gateway)).toEqual({ fast: 0, full: 0, handovers: 0 });
  const head = requestHead("GET", "/a", [key.line]);
  const kept = await rawExchange(gateway.port, [head + head], { responses: 2 });
  expect(kept.responses.map(({ status }) => status)).toEqual([200, 200]);
  const [refused] = (await rawExchange(gateway.port, requestHead("GET", "/a"), { responses: 1 })).responses;
  expect(refused?.status).toBe(401);
  const [broken] = (await rawExchange(gateway.port, "no HTTP\r\n\r\n", { responses: 1 })).responses;
  expect(broken?.status).toBe(400);
  const client = new WebSocket(`${gateway.url.replace("http", "ws")}/chat`, {
    headers: { authorization: `Bearer ${key.secret}` },
  });
  await once(client, "open");
  expect(await counted(gateway)).toEqual(expected);
  client.terminate();
});
