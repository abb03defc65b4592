/**
 * Measures one scenario: a warm-up, then the load for some seconds, with the server's CPU time read before and after.
 * An answer that is not 2xx makes the figures worthless, so it is an error. Linux only (/proc).
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { startScript } from "./child.ts";
import { SIDE_CORE } from "./pin.ts";

export interface LoadOptions {
  readonly seconds: number;
  readonly connections: number;
}

export interface LoadRequest extends LoadOptions {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LoadCounts {
  readonly ok: number;
  readonly notOk: number;
  /** Connection errors and timeouts. */
  readonly errors: number;
  readonly seconds: number;
  readonly latencyMs: { readonly p50: number; readonly p97_5: number; readonly p99: number };
}

export interface Measurement {
  readonly scenario: string;
  readonly requests: number;
  readonly seconds: number;
  readonly requestsPerSecond: number;
  readonly latencyMs: LoadCounts["latencyMs"];
  /** User and system time of the whole server process, divided by the answers it gave. */
  readonly cpuMicrosPerRequest: number;
  /** Share of one core the server used; near 1 means that it was the bottleneck. */
  readonly serverCores: number;
}

const WARM_UP_SECONDS = 3;

export async function measure(
  scenario: string,
  target: { readonly url: string; readonly pid: number; readonly headers: Readonly<Record<string, string>> },
  options: LoadOptions,
): Promise<Measurement> {
  const request = { url: target.url, headers: target.headers, ...options };
  await runLoad({ ...request, seconds: WARM_UP_SECONDS });
  const before = cpuMicros(target.pid);
  const counts = await runLoad(request);
  const cpu = cpuMicros(target.pid) - before;
  return {
    scenario,
    requests: counts.ok,
    seconds: counts.seconds,
    requestsPerSecond: Math.round(counts.ok / counts.seconds),
    latencyMs: counts.latencyMs,
    cpuMicrosPerRequest: round(cpu / counts.ok),
    serverCores: round(cpu / 1e6 / counts.seconds),
  };
}

async function runLoad(request: LoadRequest): Promise<LoadCounts> {
  const child = startScript(SIDE_CORE, "load.ts", JSON.stringify(request));
  if (child.stdout === null) throw new Error("The load's output is not a pipe");
  const output = await text(child.stdout);
  if (output === "") throw new Error("The load process failed");
  // load.ts prints a LoadCounts and nothing else.
  const counts = JSON.parse(output) as LoadCounts;
  if (counts.ok === 0 || counts.notOk > 0 || counts.errors > 0) {
    throw new Error(`${counts.ok} answers were 2xx, ${counts.notOk} were not, ${counts.errors} connections failed`);
  }
  return counts;
}

const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** utime + stime of all threads: fields 14 and 15 of proc_pid_stat(5), counted after the name, which may hold blanks. */
function cpuMicros(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
