/** L08, L09: one data folder has one owner, and a stop loses neither an answer nor a charge. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { openConnection } from "#test/support/connection.ts";
import { startGateway } from "#test/support/process.ts";
import { until } from "#test/support/until.ts";
import { type Load, startLoad } from "../durability/load.ts";
import { unitsOf } from "./admin-api.ts";
import { bearer } from "./expectations.ts";
import type { LoneRow } from "./runner.ts";
import { worldConfig } from "./world-config.ts";
import { startWorld, type World } from "./world.ts";

const CONNECTIONS = 24;
/** Requests before the signal comes. */
const WARM_REQUESTS = 300;
const DRAIN_MS = 10_000;
const AFTER_FIRST_LOOK_MS = 600;

export const DURABILITY: readonly LoneRow[] = [
  {
    id: "L08",
    class: "durability",
    name: "a second gateway on the same data folder is refused, and the first goes on",
    proof: async () => {
      await using world = await startWorld();
      const config = worldConfig({ upstream: world.upstream.url, jwks: world.jwks });
      const { dir, pid } = world.gateway;
      const second = startGateway(config, { dir });
      await expect(second).rejects.toThrow(`in use by process ${pid}`);
      const load = await loadOn(world);
      await until("some answers", () => load.complete.size > 20);
      await load.stop();
      expect([load.refused.size, load.complete.size]).toEqual([0, load.sent.size]);
      // Commands of the running gateway's own folder go to it.
      expect((await world.gateway.cli("accounts", "list", "--json")).json()).toMatchObject({ data: [{}, {}] });
      expect(await world.gateway.stop()).toBe(0);
      await using next = await startGateway(config, { dir });
      expect(next.pid).not.toBe(pid);
    },
  },
  {
    id: "L09",
    class: "durability",
    name: "SIGTERM under load answers all that is under way, ends within its grace, and every charge is in the ledger",
    proof: async () => {
      await using world = await startWorld({ workers: 2, server: { drainTimeout: `${DRAIN_MS}ms` } });
      await stopUnderLoad(world);
    },
  },
  {
    id: "L09",
    class: "durability",
    name: "a client that keeps its connection after an answer that began before SIGTERM does not hold up the stop",
    proof: async () => {
      await using world = await startWorld({ server: { drainTimeout: `${DRAIN_MS}ms` } });
      await stopWithIdler(world);
    },
  },
];

async function stopUnderLoad(world: World): Promise<void> {
  const { gateway, upstream } = world;
  // Some are quick, some are in the middle of a body when the signal comes.
  upstream.answer((request, response) => {
    const slow = request.url.endsWith("slow");
    response.writeHead(200, { "content-length": "4" });
    response.write("ha");
    setTimeout(() => response.end("lf"), slow ? 500 : 1);
  });
  const load = await loadOn(world);
  await until("load", () => load.complete.size >= WARM_REQUESTS);
  const underWay = load.sent.size - load.complete.size;
  const signalled = performance.now();
  const [code] = await Promise.all([gateway.stop(), load.ended()]);
  expect(code).toBe(0);
  expect(performance.now() - signalled).toBeLessThan(DRAIN_MS);
  expect(underWay).toBeGreaterThan(0);
  expect(load.refused.size).toBe(0);
  expect(load.sent.difference(load.complete), "requests without their whole answer").toEqual(new Set());
  expect(gateway.logs().at(-1)).toMatchObject({ event: "stopped", in_time: true });
  const ledger = unitsOf((await gateway.cli("usage", "--json")).json());
  expect([ledger, upstream.count]).toEqual([load.complete.size, load.complete.size]);
}

async function stopWithIdler({ gateway, upstream, acme }: World): Promise<void> {
  const { promise: released, resolve: release } = Promise.withResolvers<void>();
  upstream.answer(async (_request, response) => {
    response.writeHead(200, { "content-length": "4" }).write("ha");
    await released;
    response.end("lf");
  });
  using connection = await openConnection(gateway.port);
  const answer = connection.ask("GET", "/private/x", [bearer(acme.key)]);
  await until("the request is under way", () => upstream.count === 1);
  const stopped = gateway.stop();
  await until("the stop has begun", () => gateway.logs().some(({ event }) => event === "stopping"));
  // Past the look that the gateway takes at connections that are idle when the signal comes.
  await sleep(AFTER_FIRST_LOOK_MS);
  release();
  expect((await answer).text()).toBe("half");
  const answered = performance.now();
  expect(await stopped).toBe(0);
  expect(performance.now() - answered).toBeLessThan(DRAIN_MS / 2);
  expect(gateway.logs().at(-1)).toMatchObject({ event: "stopped", in_time: true });
}

function loadOn({ gateway, acme }: World): Promise<Load> {
  let count = 0;
  const path = () => (++count % 10 === 0 ? "/private/slow" : "/private/quick");
  return startLoad({ port: gateway.port, key: acme.key, connections: CONNECTIONS, name: "load", path });
}
