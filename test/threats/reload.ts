/** K08: a configuration that cannot be used changes nothing, and nobody notices that it was tried. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import type { Gateway, GatewayConfig } from "#test/support/process.ts";
import { until } from "#test/support/until.ts";
import { startLoad } from "../durability/load.ts";
import type { LoneRow } from "./runner.ts";
import { rsaJwk } from "./weak-keys.ts";
import { worldConfig } from "./world-config.ts";
import { startWorld, type World } from "./world.ts";

const CONNECTIONS = 8;

export const RELOAD: readonly LoneRow[] = [
  {
    id: "K08",
    class: "config",
    name: "invalid, huge, truncated, missing and unreadable configurations are reported and refused under load, without one failed request",
    proof: async () => {
      await using world = await startWorld({ workers: 2 });
      await underLoad(world, async () => {
        for (const [what, config] of Object.entries(badConfigs(world)))
          expect.soft(await tried(world.gateway, config), what).not.toEqual([]);
        rmSync(world.gateway.file);
        expect.soft(await tried(world.gateway), "no file").toEqual([expect.stringContaining("there is no such file")]);
        expect(world.gateway.logs().filter(({ event }) => event === "reloaded")).toEqual([]);
      });
    },
  },
  {
    id: "K08",
    class: "config",
    name: "a store that cannot be reached is a setting for the next start; the one in use goes on",
    proof: async () => {
      await using world = await startWorld({ workers: 2 });
      await underLoad(world, async () => {
        const file = join(world.gateway.file, "no-folder", "tollgate.db");
        const line = await world.gateway.reload({ ...goodConfig(world), store: { url: `sqlite:${file}` } });
        expect(line).toMatchObject({ event: "reloaded" });
        const warned = await until("a restart is asked for", () =>
          world.gateway.logs().find(({ event }) => event === "restart-needed"),
        );
        expect(warned.settings).toEqual(["store.url"]);
      });
    },
  },
];

/** Runs `work` while requests come in on several connections, and shows that each of them was answered as ever. */
async function underLoad(world: World, work: () => Promise<void>): Promise<void> {
  const { gateway, acme, upstream } = world;
  const before = await world.tally();
  const load = await startLoad({
    port: gateway.port,
    key: acme.key,
    connections: CONNECTIONS,
    name: "k08",
    path: () => "/private/x",
  });
  await work();
  // The refused ones did not spoil the next good one.
  expect(await lastReload(gateway, goodConfig(world))).toBe("reloaded");
  await load.stop();
  expect(load.refused.size).toBe(0);
  expect(load.complete.size).toBe(load.sent.size);
  expect(load.complete.size).toBeGreaterThan(CONNECTIONS);
  const after = await world.tally();
  expect(after.usage - before.usage).toBe(load.complete.size);
  expect(upstream.count - before.forwarded).toBe(load.complete.size);
}

/** The faults a reload of this configuration is refused with; none when it was accepted. */
async function tried(gateway: Gateway, config?: GatewayConfig): Promise<readonly unknown[]> {
  const line = await gateway.reload(config);
  if (line.event !== "reload-failed") return [];
  expect.soft(await metric(gateway, "tollgate_config_last_reload_good")).toBe("0");
  return Array.isArray(line.faults) ? line.faults : [];
}

/** The file is watched too, so what was written before may still be reported once. */
async function lastReload(gateway: Gateway, config: GatewayConfig): Promise<unknown> {
  await gateway.reload(config);
  const good = async () => (await metric(gateway, "tollgate_config_last_reload_good")) === "1";
  await until("the good configuration is in force", good);
  return gateway.logs().findLast(({ event }) => event === "reloaded" || event === "reload-failed")?.event;
}

async function metric(gateway: Gateway, name: string): Promise<string | undefined> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  return new RegExp(`^${name} (\\S+)$`, "m").exec(text)?.[1];
}

function goodConfig(world: World): Record<string, unknown> {
  return worldConfig({ upstream: world.upstream.url, jwks: world.jwks }, { workers: 2 });
}

function badConfigs(world: World): Readonly<Record<string, GatewayConfig>> {
  const good = goodConfig(world);
  const text = JSON.stringify({ version: 1, ...good });
  writeFileSync(join(world.gateway.dir, "weak.json"), JSON.stringify({ keys: [rsaJwk(1024)] }));
  const weak = { name: "weak", issuer: "https://weak.example", jwks: "file:weak.json", audiences: ["api"] };
  const bomb = Array.from(
    { length: 12 },
    (_, index) => `a${index}: &a${index} [${"*a".concat(String(index - 1), ",").repeat(9)}x]`,
  );
  return {
    empty: "",
    "no YAML": "version: 1\n\troutes: [",
    truncated: text.slice(0, text.length / 2),
    "cut by one character": text.slice(0, -1),
    "another document": `${text}\n---\n${text}`,
    "a list": "[]",
    "a version of the future": { ...good, version: 2 },
    "an unknown key": { ...good, upstream: {} },
    "a route without its upstream": { ...good, upstreams: {} },
    "a variable that is not set": { ...good, store: { url: "sqlite:${NO_SUCH_VARIABLE}" } },
    "an unsafe target": {
      ...good,
      upstreams: { app: { targets: ["http://169.254.169.254"] }, trusting: { targets: ["http://127.0.0.1:1"] } },
    },
    "a weak key": { ...good, identity: { issuers: [weak] } },
    "a key file that is not there": { ...good, identity: { issuers: [{ ...weak, jwks: "file:none.json" }] } },
    "5 MiB": `${text}\n#${"x".repeat(5 * 1024 * 1024)}`,
    "a bomb of aliases": bomb.join("\n").replace("*a-1,".repeat(9), ""),
    "NUL bytes": "\0".repeat(1000),
    "the same key twice": `${text.slice(0, -1)},"version":1}`,
  };
}
