/**
 * Closed load by autocannon, in a process of its own: `node autocannon.ts JSON` takes a LoadRequest and prints a LoadCounts. For machines
 * without wrk.
 */
import { createHistogram } from "node:perf_hooks";
import autocannon, { type Request, type Result } from "autocannon";
import type { LoadCounts, LoadRequest } from "./types.ts";

// The parent wrote it as a LoadRequest.
const request = JSON.parse(process.argv[2] ?? "") as LoadRequest;
const latencyMicros = createHistogram();
const result = await new Promise<Result>((resolve, reject) => {
  const { url, headers, connections, seconds: duration, bodyBytes = 0 } = request;
  const method = (request.method ?? "GET") as NonNullable<Request["method"]>;
  const body = bodyBytes === 0 ? {} : { body: Buffer.alloc(bodyBytes, 97) };
  const done = (error: unknown, outcome: Result) => (error instanceof Error ? reject(error) : resolve(outcome));
  const run = autocannon({ url, headers: { ...headers }, method, ...body, connections, duration }, done);
  // autocannon's own percentiles are whole milliseconds, too coarse here.
  run.on("response", (_client, _status, _bytes, ms) => latencyMicros.record(Math.max(1, Math.round(ms * 1000))));
});
const percentileMs = (percentile: number) => latencyMicros.percentile(percentile) / 1000;
const counts: LoadCounts = {
  ok: result["2xx"],
  notOk: result.non2xx,
  errors: result.errors,
  seconds: result.duration,
  bytes: result.throughput.total,
  latencyMs: { p50: percentileMs(50), p99: percentileMs(99), p999: percentileMs(99.9) },
};
console.log(JSON.stringify(counts));
