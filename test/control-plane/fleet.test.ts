/** The fleet with real threads: a worker that dies is replaced, its owner mark is new, and an order to the dead one does not hang. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterEach, expect, it } from "vitest";
import { parseSettings } from "#config/load.ts";
import { Fleet } from "#control-plane/fleet/fleet.ts";
import { snapshotOf } from "#control-plane/fleet/snapshot.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { createInFlight } from "#shared/in-flight-table.ts";
import { createMetrics } from "#shared/metrics-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";

const YAML = `version: 1
server: { listen: "127.0.0.1:0", workers: 2 }
upstreams: { app: { targets: [http://127.0.0.1:9] } }
routes: []
`;

let fleet: Fleet | null = null;
afterEach(async () => {
  await fleet?.stop(1000);
});

/** A fleet of such workers and the events it logs. */
function startFleet(fixture: string): {
  readonly fleet: Fleet;
  readonly logged: (event: string) => Promise<void>;
  readonly counters: CounterTable;
  readonly slots: SlotTable;
} {
  const counters = createTable(64, 2);
  const slots = createTable(64, 1);
  const waiting: { readonly event: string; readonly resolve: () => void }[] = [];
  const seen: string[] = [];
  const write = (line: string) => {
    const { event } = JSON.parse(line);
    seen.push(event);
    for (const one of waiting) if (one.event === event) one.resolve();
  };
  const settings = parseSettings(YAML, join(tmpdir(), "gateway.yaml"));
  const made = new Fleet(
    {
      entry: new URL(`./fixtures/${fixture}.ts`, import.meta.url),
      start: {
        pepper: new Uint8Array(32),
        rates: createTable(64, 1),
        slots,
        counters,
        metrics: createMetrics(),
        inFlight: createInFlight(2),
        journalDir: mkdtempSync(join(tmpdir(), "tollgate-fleet-")),
        runId: "run",
        controlSocket: "",
        ticketKeys: new Uint8Array(48),
        logLevel: "silent",
      },
      seen: () => undefined,
      log: pino({ level: "info" }, { write }),
      answer: () => Promise.resolve({ kind: "account", account: null }),
      keySets: () => ({}),
    },
    snapshotOf(settings, null),
  );
  const logged = (event: string) =>
    seen.includes(event) ? Promise.resolve() : new Promise<void>((resolve) => waiting.push({ event, resolve }));
  return { fleet: made, logged, counters: new CounterTable(counters, 1), slots: new SlotTable(slots, 1) };
}

it("replaces workers that die, and an announcement they die of still resolves", async () => {
  const started = startFleet("mortal-worker");
  fleet = started.fleet;
  expect(await fleet.start()).toBe(4321);
  expect([fleet.size, fleet.isLive(2), fleet.isLive(3)]).toEqual([2, true, true]);
  await fleet.announce({ kind: "key", id: "key_1" });
  await started.logged("worker-replaced");
  expect([fleet.isLive(2), fleet.isLive(3)]).toEqual([false, false]);
  expect(fleet.isLive(4)).toBe(true);
  await fleet.announce({ kind: "account", id: "acct_1", externalId: null });
});

it.each([
  { id: "written", used: 101 },
  { id: "lost", used: 1 },
])("gives back what a dead worker had reserved, and keeps what it had written ($id)", async ({ id, used }) => {
  const started = startFleet("reserving-worker");
  fleet = started.fleet;
  await fleet.start();
  await fleet.announce({ kind: "key", id });
  await started.logged("worker-replaced");
  const window = { kind: "day", startMs: 0, endMs: 86_400_000 } as const;
  expect(started.counters.used(started.counters.key("calls", window))).toBe(used);
  expect(started.slots.held(started.slots.key("concurrency"))).toBe(1);
});

it("refuses to start on a port where another process listens", async () => {
  const { createServer } = await import("node:net");
  const taken = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => taken.once("listening", resolve));
  const address = taken.address();
  const { assertFree } = await import("#control-plane/fleet/free-port.ts");
  const port = typeof address === "object" && address !== null ? address.port : 0;
  await expect(assertFree({ host: "127.0.0.1", port })).rejects.toThrow(
    `Cannot listen on 127.0.0.1:${port}: another process listens there`,
  );
  taken.close();
  await expect(assertFree({ host: "127.0.0.1", port: 0 })).resolves.toBeUndefined();
});
