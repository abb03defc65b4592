/** Metrics: what workers write in rows of their own adds up, from real threads, and survives a worker that is replaced. */
import { expect, test } from "vitest";
import {
  createMetrics,
  DURATION_BOUNDS_S,
  ROUTE_METRICS_MAX,
  sumMetrics,
  WORKERS_MAX,
  WorkerMetrics,
} from "#shared/metrics-table.ts";
import { onThreads } from "./threads.ts";

test("what four threads wrote at once adds up exactly", async () => {
  const table = createMetrics();
  const workers = [0, 1, 2, WORKERS_MAX - 1];
  await onThreads(workers.map((worker) => ({ kind: "metrics", table, worker, requests: 1_000 }) as const));
  const sum = sumMetrics(table);
  expect(sum.refusals.quota_exceeded).toBe(4_000);
  expect(sum.refusals.rate_limited).toBe(0);
  expect(sum.plain).toMatchObject({ journal_bytes: 40_000, journal_records: 0 });
  expect(sum.routes(3)).toEqual([0, 0, 0, 4_000, 0]);
  expect(sum.inFlight).toBe(4);
  expect(sum.durationSum).toBeCloseTo(12, 6);
  expect(sum.durations[DURATION_BOUNDS_S.indexOf(0.005)]).toBe(4_000);
});

test("a replaced worker goes on with its row, and what was under way with the old one is over", () => {
  const table = createMetrics();
  const before = new WorkerMetrics(table, 5);
  before.started("fast");
  before.started("full");
  before.finished(0, 200, 0.1);
  const after = new WorkerMetrics(table, 5);
  after.started("fast");
  after.finished(0, 204, 0.1);
  const sum = sumMetrics(table);
  expect([sum.inFlight, sum.routes(0)]).toEqual([0, [0, 2, 0, 0, 0]]);
  expect(sum.lanes).toEqual({ fast: 2, full: 1 });
});

test.each([
  [0, 0],
  [0.001, 0],
  [0.0011, 1],
  [10, 12],
  [10.1, 13],
  [1e9, 13],
])("a request of %d s falls in place %i of the histogram", (seconds, place) => {
  const table = createMetrics();
  new WorkerMetrics(table, 0).finished(0, 200, seconds);
  expect(sumMetrics(table).durations.indexOf(1)).toBe(place);
  expect(sumMetrics(table).durations).toHaveLength(DURATION_BOUNDS_S.length + 1);
});

test("statuses outside 100 to 599 count in the nearest class, and the last route has a row of its own", () => {
  const table = createMetrics();
  const metrics = new WorkerMetrics(table, WORKERS_MAX - 1);
  for (const status of [0, 99, 101, 302, 599, 999]) metrics.finished(ROUTE_METRICS_MAX - 1, status, 0);
  expect(sumMetrics(table).routes(ROUTE_METRICS_MAX - 1)).toEqual([3, 0, 1, 0, 2]);
  expect(sumMetrics(table).routes(0)).toEqual([0, 0, 0, 0, 0]);
});
