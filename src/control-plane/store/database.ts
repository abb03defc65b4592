/**
 * The SQLite store behind Kysely. Main thread; the request path never waits for it.
 * WAL with synchronous=FULL: NORMAL loses committed rows at a power cut.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import SQLite from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { migrate } from "./migrations.ts";
import type { Tables } from "./tables.ts";

export type Database = Kysely<Tables>;

/** Opens the store and brings its schema up to date. The folder is made, readable by its owner only. Throws when the file is no store. */
export async function openDatabase(file: string): Promise<Database> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const sqlite = new SQLite(file);
  try {
    sqlite.pragma("journal_mode = WAL");
    sqlite.pragma("synchronous = FULL");
    sqlite.pragma("foreign_keys = ON");
    sqlite.pragma("busy_timeout = 5000");
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
    await migrate(db);
    return db;
  } catch (error) {
    sqlite.close();
    throw new Error(`Cannot open the store ${file}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
