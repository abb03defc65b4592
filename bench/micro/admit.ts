/**
 * What admit + settle costs: three rates, two quotas, one charge, on one thread, with everything real but the socket.
 * `node bench/micro/admit.ts [rounds]` prints microseconds for each request, with the journal's write and without. Pin it: `taskset -c 1`.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSettings } from "#config/load.ts";
import { Admitter } from "#data-plane/policy/admit.ts";
import { LimitBook } from "#data-plane/policy/caller-limits.ts";
import { CreditBurner } from "#shared/credit-burner.ts";
import { principalOfKey } from "#data-plane/identity/principal.ts";
import { JournalWriter } from "#data-plane/metering/journal-writer.ts";
import { Settler } from "#data-plane/metering/settler.ts";
import { buildRuntime } from "#data-plane/runtime.ts";
import { TraceIds } from "#data-plane/trace-ids.ts";
import { controlPool, Pools } from "#data-plane/upstream/pool.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { createInFlight, InFlight } from "#shared/in-flight-table.ts";
import { createMetrics, WorkerMetrics } from "#shared/metrics-table.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";

const FILE = `
version: 1
rates:
  second: { limit: 1000000000, per: 1s, by: account }
  minute: { limit: 1000000000, per: 1m, by: key }
  route: { limit: 1000000000, per: 1h, by: [account, route] }
meters: { api_calls: {} }
plans:
  pro:
    default: true
    quotas: { api_calls: [{ limit: 9000000000000, per: day }, { limit: 9000000000000, per: month }] }
upstreams: { app: { targets: ["http://127.0.0.1:9"] } }
routes:
  - { name: all, match: { path: "/**" }, upstream: app, rates: [second, minute, route], meters: { api_calls: 1 } }
`;

/** Microseconds of this thread's CPU time for each request: what others do on the machine does not count. */
export function measureAdmit(rounds: number, journalled: boolean): number {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-bench-"));
  try {
    const bench = open(dir, journalled);
    bench(Math.min(rounds, 20_000));
    const before = process.threadCpuUsage();
    bench(rounds);
    const { user, system } = process.threadCpuUsage(before);
    return (user + system) / rounds;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function open(dir: string, journalled: boolean): (rounds: number) => void {
  writeFileSync(join(dir, "gateway.yaml"), FILE);
  const settings = loadSettings(join(dir, "gateway.yaml"));
  const snapshot = { version: 1, epoch: 1, settings, routeMetrics: {} };
  const runtime = buildRuntime(snapshot, new Pools(), controlPool(join(dir, "none")), new TraceIds());
  const counters = new CounterTable(createTable(65_536, 2), 2);
  const tables = {
    counters,
    rates: new RateTable(createTable(65_536, 1), 2),
    slots: new SlotTable(createTable(65_536, 1), 2),
  };
  const inFlight = new InFlight(createInFlight(1), 0);
  const burner = new CreditBurner(counters, tables.slots, inFlight);
  const metrics = new WorkerMetrics(createMetrics(), 0);
  const place = { dir, run: "0123456789abcdef", writer: 2 };
  const journal = new JournalWriter(place, "process", metrics, (error) => {
    throw error;
  });
  const silent = { healthy: true, position: () => journal.position(), stage: () => 1, flush: () => 1 };
  // The same methods; what is left out is the encoding and the write.
  const settler = new Settler(journalled ? journal : (silent as unknown as JournalWriter), counters, inFlight, burner);
  const admitter = new Admitter({ tables, book: new LimitBook(tables), burner, inFlight, onShadow: () => undefined });
  const found = runtime.routes.find("localhost", "GET", ["x"]);
  if (found.kind !== "route") throw new Error("The route takes every path");
  const account = {
    id: "acct_bench",
    externalId: null,
    name: "bench",
    state: "active",
    plan: null,
    anchorMs: 0,
    epoch: 0,
    spendCap: { units: {}, money: null },
    grants: [],
  } as const;
  const key = { id: "key_bench", accountId: account.id, roles: [], scopes: null, expiresAtMs: null, revoked: false };
  const principal = principalOfKey(key, account, settings);
  const applicant = {
    runtime,
    route: found.route,
    principal,
    clientAddress: "127.0.0.1",
    requestId: "req_0123456789abcdefghij",
    rawHeaders: [],
  };
  return (rounds) => {
    for (let round = 0; round < rounds; round++) {
      const admission = admitter.admit(applicant);
      if ("code" in admission || admission.reservation === null) throw new Error(JSON.stringify(admission));
      if (!settler.settle(admission.reservation, 200, [])) throw new Error("Not settled");
    }
  };
}

if (process.argv[1] !== undefined && readFileSync(process.argv[1]).equals(readFileSync(import.meta.filename))) {
  const rounds = Number(process.argv[2] ?? 1_000_000);
  for (const journalled of [false, true]) {
    const micros = measureAdmit(rounds, journalled).toFixed(2);
    process.stdout.write(`admit + settle, ${journalled ? "journal written" : "without the journal"}: ${micros} µs\n`);
  }
}
