/** G01 to G03: clients that send or read as slowly as they can, by slowhttptest and by hand. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { metricOf } from "#test/support/metrics.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import type { Scene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";
import { closedLoad, type Outcomes } from "./dos-load.ts";
import type { Lane } from "#test/support/lanes.ts";
import { residentBytes, startDos } from "./dos-world.ts";
import type { LoneRow } from "./runner.ts";

const IS_SOAK = process.env.TOLLGATE_SOAK === "1";
/** What the gateway has for clients, and slowhttptest for its own: the limit of open files without what either needs besides. */
const PLACES = filesMax() - 1000;
/** slowhttptest is slow with many connections, so several share them. */
const TESTS = IS_SOAK ? 5 : 1;
const SLOW_HEADS = TESTS * Math.floor(Math.min(IS_SOAK ? 10_000 : 1000, PLACES) / TESTS);
/** Long enough for slowhttptest to open all of them: a few hundred a second on a busy machine. */
const HEADER_MS = IS_SOAK ? 40_000 : 4000;
/** Until the clients have closed too: slowhttptest takes its time for thousands. */
const CLOSED_WITHIN_MS = IS_SOAK ? 3000 : 1000;
const GOOD_P99_MS = 25;

export function dosSlow(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G01",
      class: "dos",
      name: `${SLOW_HEADS} clients send their heads a line every other second: all are closed within ${CLOSED_WITHIN_MS / 1000} s of the time they have, others are served`,
      needs: "slowhttptest",
      timeoutMs: 180_000,
      proof: () => slowHeads(lane),
    },
    {
      id: "G02",
      class: "dos",
      name: "bodies that trickle are cut off with 408 once their grace is over; nothing of them is charged, and the app is let go",
      needs: "slowhttptest",
      timeoutMs: 60_000,
      proof: () => slowBodies(lane),
    },
    {
      id: "G03",
      class: "dos",
      name: "clients that do not read hold back the app, not the gateway's memory, and are closed when their time is over",
      needs: "slowhttptest",
      timeoutMs: 60_000,
      proof: () => slowReaders(lane),
    },
  ];
}

function filesMax(): number {
  return Number(/^Max open files\s+\d+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? 1024);
}

/** A run of slowhttptest against a path of the gateway. */
class SlowTest implements AsyncDisposable {
  readonly #child: ChildProcess;

  constructor({ gateway }: Scene, path: string, args: readonly (string | number)[]) {
    const all = [...args, "-u", `${gateway.url}${path}`, "-p", 30, "-r", 5000].map(String);
    this.#child = spawn("slowhttptest", all, { stdio: "ignore" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return;
    const gone = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await gone;
  }
}

const connections = ({ gateway }: Scene) => metricOf(gateway, "tollgate_connections");

async function slowHeads(lane: Lane): Promise<void> {
  await using scene = await startDos(lane, { limits: { headerTimeout: `${HEADER_MS}ms` } });
  const target = { port: scene.gateway.port, path: "/open/x" };
  const alone = await closedLoad(target, 1, 1000);
  await using tests = new AsyncDisposableStack();
  const each = ["-H", "-c", SLOW_HEADS / TESTS, "-i", 2, "-l", 120];
  for (let i = 0; i < TESTS; i++) tests.use(new SlowTest(scene, "/open/x", each));
  await until("all are connected", async () => (await connections(scene)) >= SLOW_HEADS, HEADER_MS, 20);
  const connected = performance.now();
  const good = closedLoad(target, 1, HEADER_MS / 2);
  // Each slowhttptest has a connection of its own to see whether the server still answers, and the good client has one.
  await until("all are closed", async () => (await connections(scene)) <= 1 + TESTS, 2 * HEADER_MS, 20);
  const closedMs = performance.now() - connected;
  report(lane, closedMs, alone, await good);
  // The machine's own delays are no fault of the gateway's.
  const noiseMs = 3 * alone.latencyMs(200, 0.99);
  expect(closedMs).toBeLessThan(HEADER_MS + CLOSED_WITHIN_MS + noiseMs);
  expect((await good).statuses).toEqual([200]);
  expect((await good).latencyMs(200, 0.99)).toBeLessThan(Math.max(GOOD_P99_MS, noiseMs));
}

function report(lane: Lane, closedMs: number, alone: Outcomes, good: Outcomes): void {
  const [before, meanwhile] = [alone, good].map((outcomes) => outcomes.latencyMs(200, 0.99).toFixed(1));
  process.stdout.write(
    `G01 ${lane}: ${SLOW_HEADS} slow heads closed ${(closedMs / 1000).toFixed(1)} s after the last came; p99 of a good client ${meanwhile} ms, alone ${before} ms\n`,
  );
}

const SLOW_BODIES = IS_SOAK ? 200 : 50;
/** `body-pace.ts`: grace, and between two looks. */
const GRACE_MS = 10_000;
const LOOK_MS = 2000;

async function slowBodies(lane: Lane): Promise<void> {
  await using scene = await startDos(lane);
  const { gateway, operator, upstream } = scene;
  const key = await operator.key();
  const trickle = [requestHead("POST", "/x", [key.line, "Content-Length: 4096"]), ..."slow body!"];
  const answer = rawExchange(gateway.port, trickle, { chunkGapMs: 1500, idleMs: 5000 });
  await using _slow = new SlowTest(scene, "/open/x", ["-B", "-c", SLOW_BODIES, "-i", 5, "-s", 8192, "-l", 30]);
  await until("all are under way", async () => (await connections(scene)) > SLOW_BODIES, 10_000, 20);
  const started = performance.now();
  await until("all are closed", async () => (await connections(scene)) <= 1, GRACE_MS + LOOK_MS, 50);
  expect(performance.now() - started).toBeGreaterThan(GRACE_MS - LOOK_MS);
  const { closed, responses } = await answer;
  expect([closed, ...responses.map(({ status }) => status)]).toEqual([true, 408]);
  const lines = gateway.logs().filter(({ reason }) => reason === "limit:body-rate");
  expect(lines.length).toBeGreaterThanOrEqual(SLOW_BODIES + 1);
  await until("the app's connections are gone", () => upstream.connections === 0);
  // slowhttptest looks now and then whether the server still answers.
  const whole = upstream.requests.filter(({ method }) => method === "POST");
  expect([whole.length, await operator.used(key.account)]).toEqual([0, 0]);
}

const SLOW_READERS = IS_SOAK ? 100 : 30;
const READ_MS = 4000;
const MIB = 1024 * 1024;
/** What kernel and gateway may take for a client that reads nothing: the kernel's buffers on two connections, mostly. */
const TAKEN_MAX = 20 * MIB;
const HELD_MAX = 256 * 1024;
/** What the process itself grows by: heaps of its threads in their first minute of load. Held answers would be gigabytes. */
const GROWTH_MAX = 96 * MIB;

async function slowReaders(lane: Lane): Promise<void> {
  let written = 0;
  const chunk = Buffer.alloc(256 * 1024, "x");
  await using scene = await startDos(lane, {
    limits: { requestTimeout: `${READ_MS}ms` },
    // An answer without an end.
    handler: (_request, response) => {
      const more = () => {
        written += chunk.length;
        response.write(chunk);
      };
      response.on("drain", more);
      more();
    },
  });
  const { gateway, upstream } = scene;
  const before = residentBytes(gateway.pid);
  const args = ["-X", "-c", SLOW_READERS, "-w", 1, "-y", 1, "-n", 30, "-z", 1, "-l", 40];
  await using _slow = new SlowTest(scene, "/open/x", args);
  await until("all are under way", () => upstream.count >= SLOW_READERS, 20_000, 20);
  const isStill = async () => {
    const seen = written;
    await sleep(STILL_MS);
    return seen === written;
  };
  await until("the app is held back", isStill, 20_000);
  expect(written).toBeLessThan(SLOW_READERS * TAKEN_MAX);
  expect(residentBytes(gateway.pid) - before).toBeLessThan(GROWTH_MAX + SLOW_READERS * HELD_MAX);
  await until("all are closed, and the app is let go", () => upstream.connections === 0, 3 * READ_MS, 50);
  await until("none is left", async () => (await connections(scene)) === 0, 3 * READ_MS, 50);
}

const STILL_MS = 500;
