/**
 * The file that says who holds a data folder and how to reach it. Main thread, and commands, which look here before they open anything:
 * nothing heavy is loaded for it. Not here: the lock itself (`lock.ts`).
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Who holds the data folder. */
export interface RunFile {
  readonly pid: number;
  /** Unix socket on which the command line reaches the process; null: a command, not a gateway. */
  readonly opsSocket: string | null;
  /** URL of its readiness; null: a command. */
  readonly readyUrl: string | null;
}

export class DataFolderLocked extends Error {
  readonly holder: RunFile | null;

  constructor(dir: string, holder: RunFile | null) {
    super(
      `Data folder ${dir} is in use by ${holder === null ? "another process" : `process ${holder.pid}`}: stop it, or give this one another store.url`,
    );
    this.name = "DataFolderLocked";
    this.holder = holder;
  }
}

export function writeRunFile(dir: string, run: RunFile): void {
  const file = runFile(dir);
  writeFileSync(file, JSON.stringify(run), { mode: 0o600 });
  chmodSync(file, 0o600);
}

export function removeRunFile(dir: string): void {
  rmSync(runFile(dir), { force: true });
}

/** null: nobody has announced itself, or what is there cannot be read. */
export function readRunFile(dir: string): RunFile | null {
  try {
    const value: unknown = JSON.parse(readFileSync(runFile(dir), "utf8"));
    if (typeof value !== "object" || value === null || !("pid" in value) || typeof value.pid !== "number") return null;
    const opsSocket = "opsSocket" in value && typeof value.opsSocket === "string" ? value.opsSocket : null;
    const readyUrl = "readyUrl" in value && typeof value.readyUrl === "string" ? value.readyUrl : null;
    return { pid: value.pid, opsSocket, readyUrl };
  } catch {
    return null;
  }
}

function runFile(dir: string): string {
  return join(dir, "tollgate.run");
}
