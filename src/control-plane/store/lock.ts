/**
 * One process a data folder. Main thread. The lock is an SQLite file held in an exclusive transaction: the operating system
 * lets go of it when the process ends, however it ends. Beside it, `tollgate.run` says who holds it and how to reach it.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { DataFolderLocked, readRunFile, removeRunFile, type RunFile, writeRunFile } from "./run-file.ts";

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
    writeRunFile(this.#dir, run);
  }

  release(): void {
    removeRunFile(this.#dir);
    this.#sqlite.close();
  }
}
