/** The schema's history. Main thread. Each step runs once, in one transaction; steps are added, never changed. */
import { type Kysely, sql } from "kysely";
import { type Migration, type MigrationProvider, Migrator } from "kysely/migration";
import type { Tables } from "./tables.ts";

const first: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`CREATE TABLE accounts (
      id TEXT PRIMARY KEY, external_id TEXT UNIQUE, name TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('active', 'suspended')), plan TEXT, created_at INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE TABLE api_keys (
      id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id), hash TEXT NOT NULL UNIQUE, masked TEXT NOT NULL,
      name TEXT, env TEXT NOT NULL CHECK (env IN ('live', 'test', 'dev')), roles TEXT NOT NULL, scopes TEXT,
      created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER
    ) STRICT`.execute(db);
    await sql`CREATE INDEX api_keys_account ON api_keys (account_id, created_at)`.execute(db);
    await sql`CREATE TABLE usage_hours (
      account TEXT NOT NULL, hour INTEGER NOT NULL, meter TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL,
      units INTEGER NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (account, hour, meter, route, key)
    ) STRICT, WITHOUT ROWID`.execute(db);
    await sql`CREATE INDEX usage_hours_hour ON usage_hours (hour)`.execute(db);
    await sql`CREATE TABLE journal_segments (
      file TEXT PRIMARY KEY, bytes INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT`.execute(db);
  },
};

const provider: MigrationProvider = {
  getMigrations: () => Promise.resolve({ "0001-first": first }),
};

/** Brings the schema up to date, or throws and leaves it as it was. */
export async function migrate(db: Kysely<Tables>): Promise<void> {
  const { error } = await new Migrator({ db, provider }).migrateToLatest();
  if (error !== undefined) throw new Error("Cannot bring the store up to date", { cause: error });
}
