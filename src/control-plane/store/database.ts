/**
 * The SQLite store behind Kysely. Main thread; the request path never waits for it.
 * WAL with synchronous=FULL: NORMAL loses committed rows at a power cut.
 * A store that was brought up to date half way does not exist: all steps that are missing are one transaction. Kysely's migrator
 * makes none for SQLite, and without one a kill between two statements leaves a store that no version opens again.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import SQLite from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { keepStatements } from "./kept-statements.ts";
import { migrate } from "./migrations.ts";
import type { Tables } from "./tables.ts";

export type Database = Kysely<Tables>;

const connections = new WeakMap<Database, SQLite.Database>();

/**
 * The connection under `db`, for the ledger's prepared statements: some ten times faster than a built query. There is only this
 * one, so whoever writes through it does so inside a transaction of `db`, which keeps everybody else out until it ends.
 */
export function connectionOf(db: Database): SQLite.Database {
  const connection = connections.get(db);
  if (connection === undefined) throw new Error("Not a store that openDatabase opened");
  return connection;
}

/**
 * Opens the store and brings its schema up to date. The folder is made, readable by its owner only. Throws when the file is no
 * store or one of a newer version; what was in it stays as it was.
 */
export async function openDatabase(file: string): Promise<Database> {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const sqlite = new SQLite(file);
  try {
    sqlite.pragma("journal_mode = WAL");
    sqlite.pragma("synchronous = FULL");
    sqlite.pragma("foreign_keys = ON");
    sqlite.pragma("busy_timeout = 5000");
    const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: keepStatements(sqlite) }) });
    // On the only connection there is, so everything the migrator does is within; closing it without the commit undoes it.
    sqlite.exec("BEGIN IMMEDIATE");
    await migrate(db);
    sqlite.exec("COMMIT");
    connections.set(db, sqlite);
    return db;
  } catch (error) {
    sqlite.close();
    throw new Error(`Cannot open the store ${file}: ${reasonOf(error)}`, { cause: error });
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const step = unknownStep(error);
  if (step === null) return error.message;
  return `It is of a newer version of Tollgate (its schema has step ${step}): run that version, or restore a backup from before the upgrade`;
}

/** The step a newer version has taken that this one does not know, as the migrator says it; null: the fault is another. */
function unknownStep(error: Error): string | null {
  const reason = error.cause instanceof Error ? error.cause.message : "";
  return /previously executed migration (\S+) is missing/.exec(reason)?.[1] ?? null;
}
