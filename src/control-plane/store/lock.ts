/**
 * One process a data folder. Main thread. The lock is an SQLite file held in an exclusive transaction: the operating system
 * lets go of it when the process ends, however it ends. Beside it, `tollgate.run` says who holds it and how to reach it.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import SQLite from "better-sqlite3";

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

export class DataFolderLock {
  readonly #dir: string;
  readonly #sqlite: SQLite.Database;

  /** Throws `DataFolderLocked` when another process has it. */
  constructor(dir: string) {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    this.#dir = dir;
    this.#sqlite = new SQLite(join(dir, "tollgate.lock"), { timeout: 0 });
    try {
      this.#sqlite.exec("BEGIN EXCLUSIVE");
    } catch (error) {
      this.#sqlite.close();
      if (error instanceof SQLite.SqliteError && error.code.startsWith("SQLITE_BUSY"))
        throw new DataFolderLocked(dir, readRunFile(dir));
      throw error;
    }
  }

  announce(run: RunFile): void {
    const file = runFile(this.#dir);
    writeFileSync(file, JSON.stringify(run), { mode: 0o600 });
    chmodSync(file, 0o600);
  }

  release(): void {
    rmSync(runFile(this.#dir), { force: true });
    this.#sqlite.close();
  }
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
