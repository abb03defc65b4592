/** Keeps rows as JSON lines with the machine and the versions they belong to. Measures nothing. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus, release } from "node:os";
import { join } from "node:path";
import { closedLoadTool } from "#bench/load/run.ts";
import { canPin } from "#bench/parts/pin.ts";
import type { Row } from "#bench/suites/suite.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const RESULTS = join(ROOT, "bench", "results");
/** What the README's chart is made from. */
const PUBLISHED = join(ROOT, "docs", "bench.jsonl");

/** Writes `latest.jsonl` anew and adds the same lines to `history.jsonl`; returns the path of the first. `published`: to docs/, too. */
export function writeResults(rows: readonly Row[], options: Row, published: boolean): string {
  const about = { date: new Date().toISOString(), commit: commit(), ...options, ...environment() };
  const lines = rows.map((row) => `${JSON.stringify({ ...row, about })}\n`).join("");
  mkdirSync(RESULTS, { recursive: true });
  const latest = join(RESULTS, "latest.jsonl");
  writeFileSync(latest, lines);
  writeFileSync(join(RESULTS, "history.jsonl"), lines, { flag: "a" });
  if (published) writeFileSync(PUBLISHED, lines);
  return published ? PUBLISHED : latest;
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
