/**
 * One worker's limits and charges, put together as `data-plane/worker.ts` does it, and who calls. Light enough for threads: knows nothing of
 * files of configuration. Judges nothing.
 */
import type { Settings } from "#config/settings.ts";
import type { Refusal } from "#core/errors.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { CreditBurner } from "#shared/credit-burner.ts";
import { createInFlight, InFlight } from "#shared/in-flight-table.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { Settler } from "#data-plane/metering/settler.ts";
import { Admitter } from "#data-plane/policy/admit.ts";
import { LimitBook } from "#data-plane/policy/caller-limits.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import { buildRuntime, type Runtime } from "#data-plane/runtime.ts";
import { TraceIds } from "#data-plane/trace-ids.ts";
import { controlPool, Pools } from "#data-plane/upstream/pool.ts";
import { FlakyJournal } from "#test/data-plane/metering/flaky-journal.ts";

/** Names this run in the names of segments. */
export const RUN = "0123456789abcdef";

export function runtimeWith(settings: Settings): Runtime {
  const snapshot = { version: 1, epoch: 1, settings, routeMetrics: {} };
  return buildRuntime(snapshot, new Pools(), controlPool("/nowhere/control.sock"), new TraceIds());
}

export function accountOf(id: string, part: Partial<AccountRecord> = {}): AccountRecord {
  const spendCap = { units: {}, money: null };
  return {
    id,
    externalId: null,
    name: id,
    state: "active",
    plan: null,
    anchorMs: 0,
    epoch: 0,
    spendCap,
    grants: [],
    ...part,
  };
}

/** Whoever calls; of the account's plan, else the default one. A user calls with a token. */
export function callerOf(runtime: Runtime, account: AccountRecord, part: Partial<Principal> = {}): Principal {
  const { plans, defaultPlan } = runtime.settings;
  const plan = plans[account.plan ?? defaultPlan];
  if (plan === undefined) throw new Error("The account's plan is not in the file");
  const kind = part.user === undefined || part.user === null ? "key" : "jwt";
  return {
    kind, account, publicAccount: account.id, user: null, roles: [], permissions: [], scopes: null,
    token: null, keyId: kind === "key" ? "key_1" : null, retiresAtMs: null, keyEndsAtMs: Infinity, plan, claims: {}, ownLimits: [], sighting: { atMs: 0 }, session: null, narrowing: null, warning: null,
    ...part,
  }; // biome-ignore format: fields
}

export function routeOf(runtime: Runtime, path: string): CompiledRoute {
  const found = runtime.routes.find("localhost", "GET", [path]);
  if (found.kind !== "route") throw new Error(`No route takes /${path}`);
  return found.route;
}

/** The tables of all workers. */
export interface SharedBuffers {
  readonly counters: SharedArrayBuffer;
  readonly rates: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly inFlight: SharedArrayBuffer;
}

export function createBuffers(workers: number, entries = 1024): SharedBuffers {
  return {
    counters: createTable(entries, 2),
    rates: createTable(entries, 1),
    slots: createTable(entries, 1),
    inFlight: createInFlight(workers),
  };
}

/** One worker as `data-plane/worker.ts` puts it together. */
export class LimitWorker {
  readonly owner: number;
  readonly journal: FlakyJournal;
  readonly admitter: Admitter;
  readonly settler: Settler;
  readonly shadows: Refusal[] = [];

  constructor(buffers: SharedBuffers, index: number, owner: number, dir: string) {
    this.owner = owner;
    const counters = new CounterTable(buffers.counters, owner);
    const tables = { counters, rates: new RateTable(buffers.rates, owner), slots: new SlotTable(buffers.slots, owner) };
    const inFlight = new InFlight(buffers.inFlight, index);
    const burner = new CreditBurner(counters, tables.slots, inFlight);
    this.journal = new FlakyJournal({ dir, run: RUN, writer: owner });
    this.settler = new Settler(this.journal, counters, inFlight, burner);
    const onShadow = (refusal: Refusal) => this.shadows.push(refusal);
    this.admitter = new Admitter({ tables, book: new LimitBook(tables), burner, inFlight, onShadow });
  }
}
