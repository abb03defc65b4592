/** Shows measurements as a table and keeps them as JSON lines with the machine and versions they belong to. Measures nothing. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import type { LoadOptions, Measurement } from "./measure.ts";
import { canPin } from "./pin.ts";

const ROOT = join(import.meta.dirname, "..");
const RESULTS = join(ROOT, "bench", "results");
const HEADINGS = ["scenario", "req/s", "p50 ms", "p97.5 ms", "p99 ms", "CPU µs/req", "server cores"];

export function printTable(measurements: readonly Measurement[]): void {
  const rows = [HEADINGS, ...measurements.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) console.log(row.map((cell, column) => align(cell, column, widths[column] ?? 0)).join("  "));
  if (!canPin) console.log("Not pinned to cores: compare with care.");
}

function cells({ scenario, requestsPerSecond, latencyMs, cpuMicrosPerRequest, serverCores }: Measurement): string[] {
  const figures = [requestsPerSecond, latencyMs.p50, latencyMs.p97_5, latencyMs.p99, cpuMicrosPerRequest, serverCores];
  return [scenario, ...figures.map(String)];
}

function align(cell: string, column: number, width: number): string {
  return column === 0 ? cell.padEnd(width) : cell.padStart(width);
}

/** Writes `latest.jsonl` anew and adds the same lines to `history.jsonl`; returns the path of the first. */
export function writeResults(measurements: readonly Measurement[], load: LoadOptions): string {
  const about = { date: new Date().toISOString(), commit: commit(), ...environment(), pinned: canPin, ...load };
  const lines = measurements.map((measurement) => `${JSON.stringify({ ...measurement, ...about })}\n`).join("");
  mkdirSync(RESULTS, { recursive: true });
  const latest = join(RESULTS, "latest.jsonl");
  writeFileSync(latest, lines);
  writeFileSync(join(RESULTS, "history.jsonl"), lines, { flag: "a" });
  return latest;
}

function environment() {
  return {
    machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, kernel: release() },
    node: process.version,
    packages: Object.fromEntries(
      ["autocannon", "undici", "jose", "better-sqlite3"].map((name) => [name, versionOf(name)]),
    ),
  };
}

function versionOf(name: string): string {
  const file = readFileSync(join(ROOT, "node_modules", name, "package.json"), "utf8");
  return /"version":\s*"([^"]+)"/.exec(file)?.[1] ?? "unknown";
}

/** With `-dirty` when src/ differs from it; null without git. */
function commit(): string | null {
  try {
    return execFileSync("git", ["describe", "--always", "--dirty"], {
      cwd: ROOT,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return null;
  }
}
