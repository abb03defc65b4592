/** G11: twice the load that can be carried, where the app is what cannot carry it. Its room is known: so many at once, so long each. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { metricOf } from "#test/support/metrics.ts";
import { closedLoad, openLoad, type Outcomes } from "./dos-load.ts";
import { type Lane, startDos } from "./dos-world.ts";
import type { LoneRow } from "./runner.ts";

const IS_LONG = process.env.TOLLGATE_LONG === "1";
const CONNECTIONS = 4;
const SERVICE_MS = 20;
const PEAK_MS = 1500;
const OVERLOAD_MS = IS_LONG ? 15_000 : 3000;

export function dosOverload(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G11",
      class: "dos",
      name: "at twice what the app can carry it carries as much as ever, those admitted wait for one other at most, the rest hears 503 at once",
      timeoutMs: 60_000,
      proof: () => slowApp(lane),
    },
  ];
}

async function slowApp(lane: Lane): Promise<void> {
  await using scene = await startDos(lane, {
    upstream: { connections: CONNECTIONS },
    handler: async (_request, response) => {
      await sleep(SERVICE_MS);
      response.end("ok");
    },
  });
  const target = { port: scene.gateway.port, path: "/open/x" };
  const unloaded = await closedLoad(target, 1, PEAK_MS);
  // As many as it serves at once, and as many again that wait: it is never without work, and nobody is refused.
  const peak = await closedLoad(target, 2 * CONNECTIONS, PEAK_MS);
  expect([unloaded.statuses, peak.statuses]).toEqual([[200], [200]]);
  const peakRate = (peak.count(200) * 1000) / PEAK_MS;
  const over = await openLoad(target, 2 * peakRate, OVERLOAD_MS);
  const goodput = (over.count(200) * 1000) / OVERLOAD_MS / peakRate;
  report(lane, goodput, unloaded, over);
  expect(over.statuses).toEqual([200, 503]);
  expect(over.retryAfters(503)).toEqual(["1"]);
  expect(goodput).toBeGreaterThan(0.9);
  expect(over.latencyMs(503, 0.5)).toBeLessThan(5);
  expect(over.latencyMs(200, 0.5)).toBeLessThan(3 * unloaded.latencyMs(200, 0.5));
  if (IS_LONG) expect(over.latencyMs(200, 0.99)).toBeLessThan(3 * unloaded.latencyMs(200, 0.99));
  expect(await metricOf(scene.gateway, "tollgate_queue_refusals_total")).toBe(over.count(503));
}

function report(lane: Lane, goodput: number, unloaded: Outcomes, over: Outcomes): void {
  const ms = (outcomes: Outcomes, status: number) =>
    [0.5, 0.99].map((share) => outcomes.latencyMs(status, share).toFixed(1)).join("/");
  process.stdout.write(
    `G11 ${lane}: goodput ${(100 * goodput).toFixed(0)} % of the peak; p50/p99 ms: unloaded ${ms(unloaded, 200)}, admitted ${ms(over, 200)}, refused ${ms(over, 503)}\n`,
  );
}
