/** The schema's history. Main thread. Each step runs once, in one transaction; steps are added, never changed. */
import { type Kysely, sql } from "kysely";
import { type Migration, type MigrationProvider, Migrator } from "kysely/migration";
import { wallMs } from "#core/clock.ts";
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

/** Usage by the minute, windows, gauges, credits, reported usage, events. */
const minutes: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`ALTER TABLE accounts ADD COLUMN billing_anchor_ms INTEGER`.execute(db);
    await sql`ALTER TABLE accounts ADD COLUMN anchor_since_ms INTEGER`.execute(db);
    await sql`ALTER TABLE accounts ADD COLUMN spend_cap TEXT`.execute(db);
    await createUsage(db);
    await createCredits(db);
    await createReported(db);
    await sql`CREATE TABLE events (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, account TEXT NOT NULL,
      at_ms INTEGER NOT NULL, data TEXT NOT NULL, once TEXT UNIQUE
    ) STRICT`.execute(db);
    await sql`CREATE INDEX events_account ON events (account, seq)`.execute(db);
    await sql`ALTER TABLE journal_segments ADD COLUMN first_ms INTEGER`.execute(db);
    await sql`ALTER TABLE journal_segments ADD COLUMN last_ms INTEGER`.execute(db);
    await sql`ALTER TABLE journal_segments ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0`.execute(db);
    await carryHours(db);
  },
};

async function createUsage(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE TABLE usage (
    account TEXT NOT NULL, meter TEXT NOT NULL, minute INTEGER NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
    status INTEGER NOT NULL, op TEXT NOT NULL CHECK (op IN ('add', 'max', 'set')),
    units INTEGER NOT NULL, requests INTEGER NOT NULL, at_ms INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (account, meter, minute, route, key, user, status, op)
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX usage_minute ON usage (minute)`.execute(db);
  await sql`CREATE TABLE usage_windows (
    account TEXT NOT NULL, shape TEXT NOT NULL, start_ms INTEGER NOT NULL, holder TEXT NOT NULL, end_ms INTEGER NOT NULL,
    used INTEGER NOT NULL, at_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, shape, start_ms, holder)
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX usage_windows_end ON usage_windows (end_ms)`.execute(db);
  await sql`CREATE TABLE usage_shapes (shape TEXT PRIMARY KEY, op TEXT NOT NULL, since_ms INTEGER NOT NULL) STRICT`.execute(
    db,
  );
  await sql`CREATE TABLE gauges (
    account TEXT NOT NULL, holder TEXT NOT NULL, meter TEXT NOT NULL, value INTEGER NOT NULL, at_ms INTEGER NOT NULL,
    PRIMARY KEY (account, meter, holder)
  ) STRICT, WITHOUT ROWID`.execute(db);
}

async function createCredits(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE TABLE credit_grants (
    id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), amount INTEGER NOT NULL CHECK (amount >= 0),
    used INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL, start_ms INTEGER NOT NULL, expires_ms INTEGER,
    created_ms INTEGER NOT NULL, source TEXT NOT NULL, note TEXT, voided_ms INTEGER, once TEXT, UNIQUE (account, once)
  ) STRICT`.execute(db);
  await sql`CREATE INDEX credit_grants_account ON credit_grants (account, created_ms)`.execute(db);
}

async function createReported(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE TABLE usage_events (
    scope TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
    route TEXT NOT NULL, meter TEXT NOT NULL, op TEXT NOT NULL CHECK (op IN ('add', 'max', 'set')), units INTEGER NOT NULL,
    requests INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL, event_ms INTEGER NOT NULL,
    received_ms INTEGER NOT NULL, value INTEGER NOT NULL, corrects TEXT, reason TEXT, digest TEXT NOT NULL,
    burns TEXT NOT NULL DEFAULT '[]', PRIMARY KEY (scope, source, id)
  ) STRICT`.execute(db);
  await sql`CREATE INDEX usage_events_received ON usage_events (received_ms)`.execute(db);
  await sql`CREATE INDEX usage_events_at ON usage_events (at_ms)`.execute(db);
  await sql`CREATE INDEX usage_events_corrects ON usage_events (scope, source, corrects) WHERE corrects IS NOT NULL`.execute(
    db,
  );
  await sql`CREATE TABLE usage_reservations (
    id TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL, route TEXT NOT NULL, meter TEXT NOT NULL,
    op TEXT NOT NULL CHECK (op IN ('add', 'max', 'set')), units INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('open', 'confirmed', 'released', 'expired')), confirmed_units INTEGER,
    requests INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL, burns TEXT NOT NULL DEFAULT '[]',
    created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, settled_ms INTEGER
  ) STRICT`.execute(db);
  await sql`CREATE INDEX usage_reservations_account ON usage_reservations (account, state)`.execute(db);
  await sql`CREATE INDEX usage_reservations_expires ON usage_reservations (state, expires_ms)`.execute(db);
  await sql`CREATE INDEX usage_reservations_at ON usage_reservations (at_ms)`.execute(db);
}

/** Usage by the hour becomes usage of the hour's first minute; up to when that may be so is kept as a fact. */
async function carryHours(db: Kysely<unknown>): Promise<void> {
  await sql`INSERT INTO facts (name, value)
    SELECT ${MINUTES_SINCE_FACT}, ${String(wallMs())} WHERE EXISTS (SELECT 1 FROM usage_hours)`.execute(db);
  await sql`INSERT INTO usage (account, meter, minute, route, key, user, status, op, units, requests)
    SELECT account, meter, hour, route, key, '', 0, 'add', units, requests FROM usage_hours`.execute(db);
  await sql`DROP TABLE usage_hours`.execute(db);
}

const audit: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`CREATE TABLE audit_log (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, actor_kind TEXT NOT NULL, actor TEXT,
      actor_account TEXT, action TEXT NOT NULL, target TEXT NOT NULL, account TEXT, before TEXT, after TEXT, ip TEXT, request_id TEXT,
      hash TEXT NOT NULL
    ) STRICT`.execute(db);
    await sql`CREATE INDEX audit_log_account ON audit_log (account, seq)`.execute(db);
    await sql`CREATE INDEX audit_log_target ON audit_log (target, seq)`.execute(db);
    await sql`CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log
      BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END`.execute(db);
    await sql`CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log
      BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END`.execute(db);
  },
};

/** Users and who belongs to which account, sessions, the life of keys, owners of resources, sealed credentials. */
const identities: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await extendAccounts(db);
    await createUsers(db);
    await extendKeys(db);
    await createResources(db);
    await sql`CREATE TABLE upstream_credentials (
      account TEXT NOT NULL REFERENCES accounts (id), upstream TEXT NOT NULL, header TEXT NOT NULL, sealed TEXT NOT NULL,
      created_ms INTEGER NOT NULL, PRIMARY KEY (account, upstream, header)
    ) STRICT, WITHOUT ROWID`.execute(db);
  },
};

async function extendAccounts(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE accounts ADD COLUMN email TEXT`.execute(db);
  await sql`ALTER TABLE accounts ADD COLUMN deleted_ms INTEGER`.execute(db);
  await sql`ALTER TABLE accounts ADD COLUMN seen_ms INTEGER`.execute(db);
  await sql`ALTER TABLE accounts ADD COLUMN plan_until_ms INTEGER`.execute(db);
  await sql`ALTER TABLE accounts ADD COLUMN plan_after TEXT`.execute(db);
  await sql`ALTER TABLE accounts ADD COLUMN trial_until_ms INTEGER`.execute(db);
  await sql`ALTER TABLE accounts ADD COLUMN search TEXT GENERATED ALWAYS AS (
    lower(id || char(10) || name || char(10) || coalesce(external_id, '') || char(10) || coalesce(email, ''))) VIRTUAL`.execute(
    db,
  );
  await sql`CREATE INDEX accounts_created ON accounts (created_at, id)`.execute(db);
  await sql`CREATE INDEX accounts_name ON accounts (name COLLATE NOCASE, id)`.execute(db);
  await sql`CREATE INDEX accounts_seen ON accounts (coalesce(seen_ms, 0), id)`.execute(db);
  await sql`CREATE INDEX accounts_filter ON accounts (
    created_at, id, name, coalesce(seen_ms, 0), search, state, deleted_ms, plan, external_id)`.execute(db);
  await sql`CREATE INDEX accounts_plan_until ON accounts (plan_until_ms) WHERE plan_until_ms IS NOT NULL`.execute(db);
  await sql`CREATE INDEX api_keys_created ON api_keys (created_at, id)`.execute(db);
}

async function createUsers(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE TABLE users (
    id TEXT PRIMARY KEY, external_id TEXT NOT NULL UNIQUE, email TEXT, name TEXT,
    state TEXT NOT NULL CHECK (state IN ('active', 'suspended', 'deleted')), not_before_ms INTEGER,
    created_ms INTEGER NOT NULL, seen_ms INTEGER
  ) STRICT`.execute(db);
  await sql`CREATE UNIQUE INDEX users_email ON users (email) WHERE email IS NOT NULL`.execute(db);
  await sql`CREATE INDEX users_created ON users (created_ms, id)`.execute(db);
  await sql`CREATE INDEX users_seen ON users (seen_ms, id)`.execute(db);
  await sql`CREATE TABLE members (
    account TEXT NOT NULL REFERENCES accounts (id), user TEXT NOT NULL REFERENCES users (id), roles TEXT NOT NULL, limits TEXT,
    created_ms INTEGER NOT NULL, joined_ms INTEGER, removed_ms INTEGER, PRIMARY KEY (account, user)
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX members_user ON members (user)`.execute(db);
  await sql`CREATE TABLE invitations (
    id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), email TEXT, roles TEXT NOT NULL, hash TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL, created_by TEXT, expires_ms INTEGER NOT NULL, accepted_ms INTEGER, accepted_by TEXT, revoked_ms INTEGER
  ) STRICT`.execute(db);
  await sql`CREATE INDEX invitations_account ON invitations (account, created_ms)`.execute(db);
  await sql`CREATE TABLE sessions (
    user TEXT NOT NULL REFERENCES users (id), id TEXT NOT NULL, issuer TEXT NOT NULL, account TEXT NOT NULL, actor TEXT, ip TEXT,
    renewable INTEGER NOT NULL, issued_ms INTEGER, expires_ms INTEGER NOT NULL, first_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL, denied_ms INTEGER,
    PRIMARY KEY (user, id)
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX sessions_account ON sessions (account, expires_ms)`.execute(db);
  await sql`CREATE INDEX sessions_expires ON sessions (expires_ms)`.execute(db);
}

async function extendKeys(db: Kysely<unknown>): Promise<void> {
  await sql`ALTER TABLE api_keys ADD COLUMN enabled INTEGER NOT NULL DEFAULT 1`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN routes TEXT`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN methods TEXT`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN addresses TEXT`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN limits TEXT`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN created_by TEXT`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN used_ms INTEGER`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN used_ip TEXT`.execute(db);
  await sql`ALTER TABLE api_keys ADD COLUMN sealed TEXT`.execute(db);
  // By the key they are sealed with: a start looks whether all of them are there.
  await sql`CREATE INDEX api_keys_sealed ON api_keys (substr(sealed, 1, 15)) WHERE sealed IS NOT NULL`.execute(db);
  await sql`CREATE TABLE api_key_old_secrets (
    hash TEXT PRIMARY KEY, key TEXT NOT NULL REFERENCES api_keys (id), masked TEXT NOT NULL, retires_ms INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX api_key_old_secrets_key ON api_key_old_secrets (key)`.execute(db);
  await sql`CREATE TABLE api_key_imports (
    key TEXT PRIMARY KEY REFERENCES api_keys (id), kind TEXT NOT NULL CHECK (kind IN ('sha256', 'bcrypt', 'scrypt')),
    digest TEXT NOT NULL, start TEXT NOT NULL
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX api_key_imports_digest ON api_key_imports (digest)`.execute(db);
  await sql`CREATE INDEX api_key_imports_start ON api_key_imports (start)`.execute(db);
  await sql`CREATE TABLE api_key_adopted (digest_hash TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`.execute(db);
}

async function createResources(db: Kysely<unknown>): Promise<void> {
  await sql`CREATE TABLE resources (
    kind TEXT NOT NULL, id TEXT NOT NULL, likeness TEXT NOT NULL, account TEXT NOT NULL REFERENCES accounts (id), user TEXT,
    created_ms INTEGER NOT NULL, PRIMARY KEY (kind, id)
  ) STRICT, WITHOUT ROWID`.execute(db);
  await sql`CREATE INDEX resources_likeness ON resources (kind, likeness)`.execute(db);
  await sql`CREATE INDEX resources_account ON resources (account, kind, id)`.execute(db);
  await sql`CREATE TABLE resource_grants (
    kind TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL REFERENCES accounts (id),
    access TEXT NOT NULL CHECK (access IN ('read', 'write')), created_ms INTEGER NOT NULL, PRIMARY KEY (kind, id, account)
  ) STRICT, WITHOUT ROWID`.execute(db);
}

/** By who made them: many users are deleted at once, and each takes theirs along. */
const creators: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`CREATE INDEX api_keys_created_by ON api_keys (created_by) WHERE created_by IS NOT NULL`.execute(db);
    await sql`CREATE INDEX invitations_created_by ON invitations (created_by) WHERE created_by IS NOT NULL`.execute(db);
  },
};

/** The ledger by user. Without what keys used: of that there is much, and nobody asks for it by user. */
const usageOfUsers: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`CREATE INDEX usage_user ON usage (user, minute) WHERE user <> ''`.execute(db);
  },
};

/** Name of the fact that says from which moment on (ms since 1970) the ledger's rows are by the minute; there is none when all are. */
export const MINUTES_SINCE_FACT = "usage-by-minute-since";

const provider: MigrationProvider = {
  getMigrations: () =>
    Promise.resolve({
      "0001-first": first,
      "0002-minutes": minutes,
      "0003-audit": audit,
      "0004-identities": identities,
      "0005-creators": creators,
      "0006-usage-of-users": usageOfUsers,
    }),
};

/** Brings the schema up to date, or throws and leaves it as it was. `upTo` stops behind a step: a store of an older version, for tests. */
export async function migrate(db: Kysely<Tables>, upTo: string | null = null): Promise<void> {
  const migrator = new Migrator({ db, provider });
  const { error } = await (upTo === null ? migrator.migrateToLatest() : migrator.migrateTo(upTo));
  if (error !== undefined) throw new Error("Cannot bring the store up to date", { cause: error });
}
