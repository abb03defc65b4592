/** Measures one target under one load: its processor time, read before and after, and what the load saw. Linux only (/proc). */
import { runLoad } from "./load/run.ts";
import type { Latency, LoadRequest } from "./load/types.ts";
import { cpuMicros } from "./parts/cpu.ts";

export interface Measurement {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly latencyMs: Latency;
  /** User and system time of the whole server process, divided by the answers it gave. */
  readonly cpuMicrosPerRequest: number;
  /** Share of one core the server used; near 1 means that it was the bottleneck. */
  readonly serverCores: number;
  /** Of answers, heads included. */
  readonly bytesPerSecond: number;
}

export async function measure(pid: number, request: LoadRequest): Promise<Measurement> {
  const before = cpuMicros(pid);
  const { ok, seconds, bytes, latencyMs } = await runLoad(request);
  const cpu = cpuMicros(pid) - before;
  return {
    requests: ok,
    requestsPerSecond: ok / seconds,
    latencyMs,
    cpuMicrosPerRequest: cpu / ok,
    serverCores: cpu / 1e6 / seconds,
    bytesPerSecond: bytes / seconds,
  };
}
