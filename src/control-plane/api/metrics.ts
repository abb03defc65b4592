/** `/metrics` for Prometheus, from the workers' shared table and the process. Main thread. Documented in `docs/metrics.md`. */
import { Counter, collectDefaultMetrics, Gauge, type Metric, Registry } from "prom-client";
import { DURATION_BOUNDS_S, LANES, type MetricsSum, STATUS_CLASSES, sumMetrics } from "#shared/metrics-table.ts";

export interface MetricsSource {
  readonly table: SharedArrayBuffer;
  /** Names of the routes by their place in the table. */
  readonly routeNames: () => ReadonlyMap<number, string>;
  readonly workers: () => number;
  /** 1 when the last reload was good. */
  readonly configGood: () => boolean;
}

export function buildMetrics(source: MetricsSource): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  let sum: MetricsSum = sumMetrics(source.table);
  // Collected first, so that all figures of one scrape belong together.
  gauge(registry, "tollgate_requests_in_flight", "Requests under way.", [], (metric) => {
    sum = sumMetrics(source.table);
    metric.set(sum.inFlight);
  });
  gauge(registry, "tollgate_connections", "Client connections open; a tunnel counts twice.", [], (metric) =>
    metric.set(sum.connections),
  );
  counter(registry, "tollgate_requests_total", "Requests by route and status class.", ["route", "status"], (metric) => {
    for (const [place, route] of source.routeNames()) {
      sum
        .routes(place)
        .forEach((count, index) => count > 0 && metric.inc({ route, status: STATUS_CLASSES[index] ?? "" }, count));
    }
  });
  counter(registry, "tollgate_refusals_total", "Requests refused, by error code.", ["code"], (metric) => {
    for (const [code, count] of Object.entries(sum.refusals)) if (count > 0) metric.inc({ code }, count);
  });
  counter(registry, "tollgate_lane_requests_total", "Requests by the lane that took them.", ["lane"], (metric) => {
    for (const lane of LANES) metric.inc({ lane }, sum.lanes[lane]);
  });
  durations(registry, () => sum);
  const plain = {
    tollgate_lane_handovers_total: ["lane_handovers", "Connections that the fast lane gave to the full lane."],
    tollgate_journal_records_total: ["journal_records", "Charges written to the usage journal."],
    tollgate_journal_bytes_total: ["journal_bytes", "Bytes written to the usage journal."],
    tollgate_journal_failures_total: ["journal_failures", "Failed writes of the usage journal."],
    tollgate_client_aborts_total: ["client_aborts", "Clients that left before their answer."],
    tollgate_meter_faults_total: [
      "meter_faults",
      "Values of meters that were missing or no good; their fallback counted.",
    ],
    tollgate_resource_faults_total: [
      "resource_faults",
      "Things that apps made and whose owners could not be written down.",
    ],
    tollgate_connections_evicted_total: [
      "connections_evicted",
      "Client connections without a request that were closed to make room for others.",
    ],
    tollgate_connections_refused_total: [
      "connections_refused",
      "Client connections that were closed at once: all others had requests under way.",
    ],
    tollgate_connections_rested_total: [
      "connections_rested",
      "Client connections that were not read for a while: a request was refused when there was no time to refuse more.",
    ],
    tollgate_queue_refusals_total: [
      "queue_refusals",
      "Requests refused because too many waited for a connection to their upstream, or waited too long.",
    ],
    tollgate_shadow_refusals_total: ["shadow_refusals", "What rules with shadow: true would have refused."],
  } as const;
  for (const [name, [cell, help]] of Object.entries(plain))
    counter(registry, name, help, [], (metric) => metric.inc(sum.plain[cell]));
  gauge(registry, "tollgate_workers", "Worker threads alive.", [], (metric) => metric.set(source.workers()));
  gauge(
    registry,
    "tollgate_config_last_reload_good",
    "1 when the last reload was accepted, 0 when it was refused.",
    [],
    (metric) => metric.set(source.configGood() ? 1 : 0),
  );
  return registry;
}

function counter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  fill: (metric: Counter) => void,
): void {
  const metric: Counter = new Counter({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => refill(metric, fill),
  });
}

function gauge(
  registry: Registry,
  name: string,
  help: string,
  labelNames: string[],
  fill: (metric: Gauge) => void,
): void {
  const metric: Gauge = new Gauge({
    name,
    help,
    labelNames,
    registers: [registry],
    collect: () => refill(metric, fill),
  });
}

function refill<M extends Metric>(metric: M, fill: (metric: M) => void): void {
  metric.reset();
  fill(metric);
}

/** prom-client cannot take a histogram's counts from outside, so its three series are written as it would. */
function durations(registry: Registry, sum: () => MetricsSum): void {
  const name = "tollgate_request_duration_seconds";
  counter(registry, `${name}_sum`, "Seconds from request head to the end of the answer, all requests.", [], (metric) =>
    metric.inc(sum().durationSum),
  );
  counter(registry, `${name}_count`, "Requests measured.", [], (metric) =>
    metric.inc(sum().durations.reduce((all, one) => all + one, 0)),
  );
  counter(registry, `${name}_bucket`, "Requests that took at most `le` seconds.", ["le"], (metric) => {
    let below = 0;
    sum().durations.forEach((count, index) => {
      below += count;
      metric.inc({ le: String(DURATION_BOUNDS_S[index] ?? "+Inf") }, below);
    });
  });
}
