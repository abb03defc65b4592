/**
 * Counters and a latency histogram in shared memory: each worker writes its own row, the main thread adds the rows up
 * for `/metrics`. One writer a cell, so plain stores do; a worker that is replaced goes on with its row.
 */
import { ERROR_CODES, type ErrorCode } from "#core/errors.ts";

export const WORKERS_MAX = 64;
/** Routes with figures of their own; more share the last place, named `other`. */
export const ROUTE_METRICS_MAX = 1024;
export const STATUS_CLASSES = ["1xx", "2xx", "3xx", "4xx", "5xx"] as const;
/** Upper bounds in seconds, cumulative as Prometheus wants them after adding up. */
export const DURATION_BOUNDS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
export const PLAIN_COUNTERS = [
  "journal_records",
  "journal_bytes",
  "journal_failures",
  "client_aborts",
  "lookups",
  "shadow_refusals",
  "meter_faults",
  "resource_faults",
  "connections_evicted",
  "connections_refused",
  "queue_refusals",
  "connections_rested",
  "lane_handovers",
] as const;
export type PlainCounter = (typeof PLAIN_COUNTERS)[number];
export const LANES = ["fast", "full"] as const;
export type LaneName = (typeof LANES)[number];

const REFUSALS_AT = 0;
const PLAIN_AT = REFUSALS_AT + ERROR_CODES.length;
const LANES_AT = PLAIN_AT + PLAIN_COUNTERS.length;
const IN_FLIGHT_AT = LANES_AT + LANES.length;
const CONNECTIONS_AT = IN_FLIGHT_AT + 1;
const DURATION_SUM_AT = CONNECTIONS_AT + 1;
const DURATION_AT = DURATION_SUM_AT + 1;
const ROUTES_AT = DURATION_AT + DURATION_BOUNDS_S.length + 1;
const ROW_CELLS = ROUTES_AT + ROUTE_METRICS_MAX * STATUS_CLASSES.length;

/** Memory for `WORKERS_MAX` rows; untouched pages cost nothing. */
export function createMetrics(): SharedArrayBuffer {
  return new SharedArrayBuffer(WORKERS_MAX * ROW_CELLS * 8);
}

/** One worker's row. */
export class WorkerMetrics {
  readonly #row: Float64Array;

  constructor(buffer: SharedArrayBuffer, worker: number) {
    this.#row = new Float64Array(buffer, worker * ROW_CELLS * 8, ROW_CELLS);
    // Requests under way and connections ended with the thread that was here before.
    this.#row[IN_FLIGHT_AT] = 0;
    this.#row[CONNECTIONS_AT] = 0;
  }

  #add(cell: number, amount: number): void {
    this.#row[cell] = (this.#row[cell] ?? 0) + amount;
  }

  refused(code: ErrorCode): void {
    this.#add(REFUSALS_AT + ERROR_CODES.indexOf(code), 1);
  }

  count(counter: PlainCounter, amount = 1): void {
    this.#add(PLAIN_AT + PLAIN_COUNTERS.indexOf(counter), amount);
  }

  /** More or fewer client connections are open. */
  connections(change: number): void {
    this.#add(CONNECTIONS_AT, change);
  }

  started(lane: LaneName): void {
    this.#add(IN_FLIGHT_AT, 1);
    this.#add(lane === "fast" ? LANES_AT : LANES_AT + 1, 1);
  }

  /** A request is over: `route` is its place in `Snapshot.routeMetrics`, or the last place for none. */
  finished(route: number, status: number, seconds: number): void {
    this.#add(IN_FLIGHT_AT, -1);
    this.#add(ROUTES_AT + route * STATUS_CLASSES.length + Math.min(4, Math.max(0, Math.floor(status / 100) - 1)), 1);
    this.#add(DURATION_SUM_AT, seconds);
    let bound = 0;
    while (bound < DURATION_BOUNDS_S.length && seconds > (DURATION_BOUNDS_S[bound] ?? 0)) bound++;
    this.#add(DURATION_AT + bound, 1);
  }
}

/** All rows added up. */
export interface MetricsSum {
  readonly refusals: Readonly<Record<string, number>>;
  readonly plain: Readonly<Record<PlainCounter, number>>;
  /** Requests that each lane has taken. */
  readonly lanes: Readonly<Record<LaneName, number>>;
  readonly inFlight: number;
  readonly connections: number;
  readonly durationSum: number;
  /** Not cumulative; one more place than bounds, for what is slower than all. */
  readonly durations: readonly number[];
  /** Requests by place of the route, then by status class. */
  readonly routes: (place: number) => readonly number[];
}

export function sumMetrics(buffer: SharedArrayBuffer): MetricsSum {
  const all = new Float64Array(buffer);
  const cell = (index: number): number => {
    let sum = 0;
    for (let worker = 0; worker < WORKERS_MAX; worker++) sum += all[worker * ROW_CELLS + index] ?? 0;
    return sum;
  };
  return {
    refusals: Object.fromEntries(ERROR_CODES.map((code, index) => [code, cell(REFUSALS_AT + index)])),
    // Object.fromEntries loses the key type; the keys are exactly PLAIN_COUNTERS.
    plain: Object.fromEntries(PLAIN_COUNTERS.map((name, index) => [name, cell(PLAIN_AT + index)])) as Record<
      PlainCounter,
      number
    >,
    lanes: { fast: cell(LANES_AT), full: cell(LANES_AT + 1) },
    inFlight: cell(IN_FLIGHT_AT),
    connections: cell(CONNECTIONS_AT),
    durationSum: cell(DURATION_SUM_AT),
    durations: [...DURATION_BOUNDS_S, 0].map((_, index) => cell(DURATION_AT + index)),
    routes: (place) => STATUS_CLASSES.map((_, index) => cell(ROUTES_AT + place * STATUS_CLASSES.length + index)),
  };
}
