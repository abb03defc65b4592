/**
 * The load, in a process of its own: `node bench/load.ts '{"url","headers","connections","seconds"}'` runs autocannon once and
 * prints its counts as one JSON line. Closed loop: see main.ts. Does not start or measure servers.
 */
import { createHistogram } from "node:perf_hooks";
import autocannon, { type Result } from "autocannon";
import type { LoadCounts, LoadRequest } from "./measure.ts";

// The parent wrote it as a LoadRequest.
const request = JSON.parse(process.argv[2] ?? "") as LoadRequest;
const latencyMicros = createHistogram();
const result = await new Promise<Result>((resolve, reject) => {
  const { url, headers, connections, seconds: duration } = request;
  const done = (error: unknown, outcome: Result) => (error instanceof Error ? reject(error) : resolve(outcome));
  const run = autocannon({ url, headers: { ...headers }, connections, duration }, done);
  // autocannon's own percentiles are whole milliseconds, too coarse here.
  run.on("response", (_client, _status, _bytes, ms) => latencyMicros.record(Math.max(1, Math.round(ms * 1000))));
});
const percentileMs = (percentile: number) => latencyMicros.percentile(percentile) / 1000;
const counts: LoadCounts = {
  ok: result["2xx"],
  notOk: result.non2xx,
  errors: result.errors,
  seconds: result.duration,
  latencyMs: { p50: percentileMs(50), p97_5: percentileMs(97.5), p99: percentileMs(99) },
};
console.log(JSON.stringify(counts));
