/** G05: connections without a byte, as many as the attacker likes, at a gateway that may have few files open. */
import { expect } from "vitest";
import { openConnection } from "#test/support/connection.ts";
import { metricOf } from "#test/support/metrics.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import type { Lane } from "#test/support/lanes.ts";
import { openFiles, SilentCrowd, startDos } from "./dos-world.ts";
import type { LoneRow } from "./runner.ts";

const FILES = 256;
/** (256 files - 64 of the process - 16 of the worker) / 2. */
const PLACES = 88;
const ATTACKERS = 1000;
const BATCH = 50;

export function dosConnections(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G05",
      class: "dos",
      name: "connections without a byte up to the limit of files: the oldest make room, health and requests are answered, none under way is cut",
      needs: "prlimit",
      timeoutMs: 60_000,
      proof: () => silentConnections(lane),
    },
    {
      id: "G05",
      class: "dos",
      name: "with a request under way on every connection there is, one more is closed at once, and the others get their answers",
      proof: () => busyConnections(lane),
    },
  ];
}

async function silentConnections(lane: Lane): Promise<void> {
  const held = Promise.withResolvers<void>();
  await using scene = await startDos(lane, {
    gateway: { wrapper: ["prlimit", `--nofile=${FILES}:${FILES}`] },
    handler: async (request, response) => {
      if (request.url === "/open/held") await held.promise;
      response.end("ok");
    },
  });
  const { gateway } = scene;
  using early = await openConnection(gateway.port);
  const underWay = early.ask("GET", "/open/held");
  await until("it is under way", () => scene.upstream.count === 1);
  using crowd = new SilentCrowd();
  for (let sent = 0; sent < ATTACKERS; sent += BATCH) {
    await crowd.add(gateway.port, BATCH);
    const health = await rawExchange(gateway.port, requestHead("GET", "/_tollgate/health"), { responses: 1 });
    expect.soft(health.responses[0]?.status, `health after ${sent}`).toBe(200);
    expect.soft((await fetch(`${gateway.adminUrl}/health`)).status).toBe(200);
    expect.soft(openFiles(gateway.pid)).toBeLessThan(FILES - 20);
  }
  const evicted = () => metricOf(gateway, "tollgate_connections_evicted_total");
  await until("all but those that fit are closed", () => crowd.open < PLACES);
  expect(await evicted()).toBeGreaterThanOrEqual(ATTACKERS - PLACES);
  expect(await metricOf(gateway, "tollgate_connections_refused_total")).toBe(0);
  // Full to the last place: what makes room is the limit, and no timeout.
  expect(crowd.open).toBeGreaterThan(PLACES - 5);
  const lines = gateway.logs().filter(({ event }) => event === "connections-full");
  expect(lines).toEqual([expect.objectContaining({ connections: PLACES })]);
  held.resolve();
  expect((await underWay).status).toBe(200);
}

const SLOTS = 4;

async function busyConnections(lane: Lane): Promise<void> {
  const held = Promise.withResolvers<void>();
  await using scene = await startDos(lane, {
    limits: { connections: SLOTS },
    handler: async (request, response) => {
      if (request.url === "/open/held") await held.promise;
      response.end("ok");
    },
  });
  const { gateway } = scene;
  const connections = await Promise.all(Array.from({ length: SLOTS }, () => openConnection(gateway.port)));
  const asked = connections.map((one) => one.ask("GET", "/open/held"));
  await until("all are under way", () => scene.upstream.count === SLOTS);
  const turnedAway = await rawExchange(gateway.port, requestHead("GET", "/open/x"), { idleMs: 2000 });
  expect([turnedAway.closed, turnedAway.bytes.length]).toEqual([true, 0]);
  expect(await metricOf(gateway, "tollgate_connections_refused_total")).toBe(1);
  held.resolve();
  expect((await Promise.all(asked)).map(({ status }) => status)).toEqual(connections.map(() => 200));
  // All rest now: the one that has rested longest goes, here the first.
  for (const one of connections) await one.ask("GET", "/open/x");
  const next = await rawExchange(gateway.port, requestHead("GET", "/open/x"), { responses: 1 });
  expect(next.responses[0]?.status).toBe(200);
  await until("the first is closed", () => connections[0]?.closed === true);
  expect(connections.map(({ closed }) => closed)).toEqual([true, false, false, false]);
  for (const one of connections) one[Symbol.dispose]();
}
