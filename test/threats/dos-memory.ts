/** G12: everything that could fill memory at once, at a gateway that may have 256 MiB. */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { openConnection } from "#test/support/connection.ts";
import { metricOf } from "#test/support/metrics.ts";
import { requestHead } from "#test/support/raw.ts";
import { askJson } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";
import type { Lane } from "#test/support/lanes.ts";
import { peakBytes, startDos } from "./dos-world.ts";
import { MemoryCap } from "./memory-cap.ts";
import type { LoneRow } from "./runner.ts";

const MIB = 1024 * 1024;
const CAP = 256 * MIB;
/** Pages of the program's files, which the peak counts and the control group does not. */
const PROGRAM = 64 * MIB;
const ATTACK_MS = process.env.TOLLGATE_SOAK === "1" ? 30_000 : 6000;
const FLOODERS = 10;
const ROOM = 32;
/** More than there is room for, waiting room included. */
const READERS = 100;

export function dosMemory(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G12",
      class: "dos",
      name: "with 256 MiB, under floods of heads, bodies without an end and readers that do not read, nothing is killed and the rest is shed",
      timeoutMs: 90_000,
      proof: () => pressed(lane),
    },
  ];
}

async function pressed(lane: Lane): Promise<void> {
  await using app = await startServer((request, response) => {
    request.on("error", () => undefined).resume();
    if (request.url !== "/open/endless") return void response.end("ok");
    const chunk = Buffer.alloc(64 * 1024, "x");
    response.on("drain", () => response.write(chunk)).write(chunk);
  });
  using cap = MemoryCap.of(CAP);
  await using scene = await startDos(lane, {
    target: app.url,
    config: {
      upstreams: {
        app: { targets: [app.url], connections: 8 },
        slow: { targets: [app.url], connections: ROOM, queue: { max: ROOM, timeout: "60s" } },
      },
      routes: [
        { name: "endless", match: { path: "/open/endless" }, upstream: "slow", auth: "none" },
        { name: "open", match: { path: "/open/**" }, upstream: "app", auth: "none" },
      ],
    },
    gateway: { wrapper: cap.wrapper, env: { NODE_OPTIONS: "--max-old-space-size=128" } },
  });
  const { gateway } = scene;
  const end = performance.now() + ATTACK_MS;
  const readers = Array.from({ length: READERS }, () => unread(gateway.port));
  const heads = requestHead("GET", "/open/x", [`X-Large: ${"a".repeat(MIB)}`]);
  const bodies = requestHead("POST", "/open/x", ["Transfer-Encoding: chunked"]) + chunks(12);
  const attack = [heads, bodies].flatMap((bytes) =>
    Array.from({ length: FLOODERS }, () => floodUntil(end, gateway.port, Buffer.from(bytes, "latin1"))),
  );
  using friend = await openConnection(gateway.port);
  const statuses = new Set<number>();
  for (; performance.now() < end; await sleep(100)) statuses.add((await friend.ask("GET", "/open/good")).status);
  await Promise.all(attack);
  const peak = peakBytes(gateway.pid);
  process.stdout.write(
    `G12 ${lane}: peak ${(peak / MIB).toFixed(0)} MiB resident, ${cap.isReal ? "in a control group of 256 MiB" : "no control group here: judged by the peak alone"}\n`,
  );
  expect(cap.kills).toBe(0);
  expect(peak).toBeLessThan(CAP + PROGRAM);
  expect([...statuses]).toEqual([200]);
  // Readers beyond the room were refused at once, and are the only ones.
  expect(await metricOf(gateway, "tollgate_queue_refusals_total")).toBe(READERS - 2 * ROOM);
  for (const reader of readers) reader.destroy();
  await until("all is over", async () => (await metricOf(gateway, "tollgate_requests_in_flight")) === 0);
  expect((await askJson(`${gateway.url}/open/good`)).status).toBe(200);
}

const chunks = (mib: number) => `100000\r\n${"a".repeat(MIB)}\r\n`.repeat(mib);

/** Asks for an answer without an end, and reads nothing of it. */
function unread(port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1" });
  socket.on("error", () => undefined).pause();
  socket.write(requestHead("GET", "/open/endless"));
  return socket;
}

/** The same bytes on one connection after another. */
async function floodUntil(endMs: number, port: number, bytes: Buffer): Promise<void> {
  while (performance.now() < endMs) {
    const socket = connect({ port, host: "127.0.0.1" });
    const { promise: closed, resolve } = Promise.withResolvers<void>();
    socket.on("error", () => undefined).on("end", () => socket.destroy());
    socket.on("close", () => resolve());
    socket.resume().write(bytes);
    await closed;
  }
}
