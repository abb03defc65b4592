/** Starts and ends the benchmark's own child processes, each by its own pid. Does not know what they do. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { pinned } from "./pin.ts";

/** Runs a file of this folder under the same Node, pinned; its stdout is a pipe, its stderr ours. */
export function startScript(core: number, file: string, ...args: readonly string[]): ChildProcess {
  const [command = "", ...rest] = [...pinned(core), process.execPath, join(import.meta.dirname, file), ...args];
  return spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
}

/** Resolves when the process is gone; it may be already. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}
