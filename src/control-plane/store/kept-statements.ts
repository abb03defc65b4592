/**
 * A connection that keeps what it has prepared: preparing costs some ten times what most statements take to run, and Kysely asks for it
 * every time. Main thread. SQLite prepares one anew by itself when the schema has changed.
 */
import type SQLite from "better-sqlite3";
import type { SqliteDatabase, SqliteStatement } from "kysely";
import { LRUCache } from "lru-cache";

/** Texts differ with the number of their values, so there is no end of them; some 5 KB each. */
const KEPT_MAX = 500;

/** For Kysely; open it after the schema is what it will be. */
export function keepStatements(connection: SQLite.Database): SqliteDatabase {
  const kept = new LRUCache<string, SqliteStatement>({ max: KEPT_MAX });
  return {
    close: () => void connection.close(),
    prepare: (text) => {
      let statement = kept.get(text);
      if (statement === undefined) {
        statement = new KeptStatement(connection, text);
        kept.set(text, statement);
      }
      return statement;
    },
  };
}

class KeptStatement implements SqliteStatement {
  readonly #connection: SQLite.Database;
  readonly #text: string;
  readonly #statement: SQLite.Statement<unknown[]>;

  constructor(connection: SQLite.Database, text: string) {
    this.#connection = connection;
    this.#text = text;
    this.#statement = connection.prepare(text);
  }

  get reader(): boolean {
    return this.#statement.reader;
  }

  all(parameters: readonly unknown[]): unknown[] {
    return this.#statement.all(parameters);
  }

  run(parameters: readonly unknown[]): SQLite.RunResult {
    return this.#statement.run(parameters);
  }

  /** By one of its own: a statement that is half read cannot be run. */
  iterate(parameters: readonly unknown[]): IterableIterator<unknown> {
    return this.#connection.prepare<unknown[]>(this.#text).iterate(parameters);
  }
}
