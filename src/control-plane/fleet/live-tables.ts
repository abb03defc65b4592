/** What the workers share of the traffic of this run, for whoever tells of it or steps in. Main thread. */
import { wallMs } from "#core/clock.ts";
import { createInFlight } from "#shared/in-flight-table.ts";
import type { Snapshot } from "#shared/messages.ts";
import { createMetrics } from "#shared/metrics-table.ts";
import { createTable } from "#shared/shared-table.ts";

/** Places in the table of rates: 24 MiB of address space, of which only touched pages cost memory. */
const RATE_ENTRIES = 1_048_576;

export interface LiveTables {
  /** When the figures began, milliseconds since 1970. */
  readonly sinceMs: number;
  /** `metrics-table.ts`. */
  readonly metrics: SharedArrayBuffer;
  /** Names of the routes by their place in `metrics`. */
  readonly routeNames: () => ReadonlyMap<number, string>;
  /** `rate-table.ts`. */
  readonly rates: SharedArrayBuffer;
  /** What is reserved: `in-flight-table.ts`. */
  readonly inFlight: SharedArrayBuffer;
}

/** `snapshot` is the one in force; null before there is one. */
export function newLiveTables(workers: number, snapshot: () => Snapshot | null): LiveTables {
  return {
    sinceMs: wallMs(),
    metrics: createMetrics(),
    routeNames: () => new Map(Object.entries(snapshot()?.routeMetrics ?? {}).map(([name, place]) => [place, name])),
    rates: createTable(RATE_ENTRIES, 1),
    inFlight: createInFlight(workers),
  };
}
