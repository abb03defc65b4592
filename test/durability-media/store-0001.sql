-- A store as version 0.1 left it: an account with a key and usage of three hours, and a segment that was being read.
CREATE TABLE accounts (
  id TEXT PRIMARY KEY, external_id TEXT UNIQUE, name TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('active', 'suspended')), plan TEXT, created_at INTEGER NOT NULL
) STRICT;
CREATE TABLE api_keys (
  id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id), hash TEXT NOT NULL UNIQUE, masked TEXT NOT NULL,
  name TEXT, env TEXT NOT NULL CHECK (env IN ('live', 'test', 'dev')), roles TEXT NOT NULL, scopes TEXT,
  created_at INTEGER NOT NULL, expires_at INTEGER, revoked_at INTEGER
) STRICT;
CREATE INDEX api_keys_account ON api_keys (account_id, created_at);
CREATE TABLE usage_hours (
  account TEXT NOT NULL, hour INTEGER NOT NULL, meter TEXT NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL,
  units INTEGER NOT NULL, requests INTEGER NOT NULL, PRIMARY KEY (account, hour, meter, route, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_hours_hour ON usage_hours (hour);
CREATE TABLE journal_segments (
  file TEXT PRIMARY KEY, bytes INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE kysely_migration (name varchar(255) NOT NULL PRIMARY KEY, timestamp varchar(255) NOT NULL);
CREATE TABLE kysely_migration_lock (id varchar(255) NOT NULL PRIMARY KEY, is_locked integer DEFAULT 0 NOT NULL);
INSERT INTO kysely_migration VALUES ('0001-first', '2026-11-01T00:00:00.000Z');
INSERT INTO kysely_migration_lock VALUES ('migration_lock', 0);
INSERT INTO accounts VALUES ('acct_1', 'first', 'First customer', 'active', NULL, 1793491200000);
INSERT INTO api_keys VALUES ('key_1', 'acct_1', 'hash', 'tg_sk_live_…abcd', NULL, 'live', '["User"]', NULL, 1793491200000, NULL, NULL);
INSERT INTO usage_hours VALUES
  ('acct_1', 1793491200000, 'calls', 'all', 'key_1', 100, 100),
  ('acct_1', 1793494800000, 'calls', 'all', 'key_1', 20, 20),
  ('acct_1', 1793498400000, 'calls', 'all', '', 3, 3);
INSERT INTO journal_segments VALUES ('00000000000000aa-2-000001.journal', 8, 0, 1793498400000);
INSERT INTO facts VALUES ('admin_token_sha256', 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA');
