/** Which core a process of the benchmark runs on. Without taskset, or with one core, nothing is pinned and results say so. */
import { spawnSync } from "node:child_process";
import { availableParallelism } from "node:os";

/** The server under test has this core for itself. */
export const SERVER_CORE = 0;
/** Load and, behind a gateway, the upstream. */
export const SIDE_CORE = 1;

export const canPin = availableParallelism() > 1 && spawnSync("taskset", ["--version"]).status === 0;

/** A command to put before another; it replaces itself with that one, so the pid stays. */
export function pinned(core: number): readonly string[] {
  return canPin ? ["taskset", "-c", String(core)] : [];
}
