/** Keeps rows as JSON lines with the machine and the versions they belong to. Measures nothing. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { closedLoadTool } from "#bench/load/run.ts";
import { canPin } from "#bench/parts/pin.ts";
import type { Row } from "#bench/suites/suite.ts";
import { chartOf } from "./chart.ts";
import { withTable } from "./readme-table.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const RESULTS = join(ROOT, "bench", "results");
/** What the README's chart is made from. */
const PUBLISHED = join(ROOT, "docs", "bench.jsonl");
export const CHART = join(ROOT, "docs", "bench.svg");
export const README = join(ROOT, "README.md");

/** Writes `latest.jsonl` anew and adds the same lines to `history.jsonl`; returns the path of the first. */
export function writeResults(rows: readonly Row[], options: Row): string {
  const lines = linesOf(rows, options);
  mkdirSync(RESULTS, { recursive: true });
  const latest = join(RESULTS, "latest.jsonl");
  writeFileSync(latest, lines);
  writeFileSync(join(RESULTS, "history.jsonl"), lines, { flag: "a" });
  return latest;
}

/** Puts rows in place of those of the same suites in `docs/bench.jsonl`, and makes chart and README from all that is there then. */
export function publish(rows: readonly Row[], options: Row): string {
  const suites = new Set(rows.map(({ suite }) => suite));
  const others = existsSync(PUBLISHED)
    ? readFileSync(PUBLISHED, "utf8")
        .split("\n")
        .filter((line) => line !== "" && !suites.has((JSON.parse(line) as Row).suite ?? null))
    : [];
  writeFileSync(PUBLISHED, others.map((line) => `${line}\n`).join("") + linesOf(rows, options));
  const all = publishedRows();
  writeFileSync(CHART, chartOf(all));
  writeFileSync(README, withTable(readFileSync(README, "utf8"), all));
  return PUBLISHED;
}

export function publishedRows(): readonly Row[] {
  const lines = readFileSync(PUBLISHED, "utf8").trim().split("\n");
  // Written by `publish`.
  return lines.map((line) => JSON.parse(line) as Row);
}

function linesOf(rows: readonly Row[], options: Row): string {
  const about = { date: new Date().toISOString(), commit: commit(), ...options, ...environment() };
  return rows.map((row) => `${JSON.stringify({ ...row, about })}\n`).join("");
}

function environment() {
  return {
    machine: { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length, kernel: release() },
    node: process.version,
    load: closedLoadTool,
    pinned: canPin,
    packages: Object.fromEntries(["undici", "jose", "better-sqlite3"].map((name) => [name, versionOf(name)])),
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
