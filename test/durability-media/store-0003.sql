-- A store as the last version without users left it: two accounts, two keys, and the audit log of how they came to be.
CREATE TABLE kysely_migration (name varchar(255) not null primary key, timestamp varchar(255) not null);
CREATE TABLE kysely_migration_lock (id varchar(255) not null primary key, is_locked integer default 0 not null);
CREATE TABLE accounts ( id TEXT PRIMARY KEY, external_id TEXT UNIQUE, name TEXT NOT NULL, state TEXT NOT NULL CHECK (state IN ('active',
  'suspended')), plan TEXT, created_at INTEGER NOT NULL , billing_anchor_ms INTEGER, anchor_since_ms INTEGER, spend_cap TEXT) STRICT;
CREATE TABLE api_keys ( id TEXT PRIMARY KEY, account_id TEXT NOT NULL REFERENCES accounts (id), hash TEXT NOT NULL UNIQUE, masked TEXT NOT NULL, name
  TEXT, env TEXT NOT NULL CHECK (env IN ('live', 'test', 'dev')), roles TEXT NOT NULL, scopes TEXT, created_at INTEGER NOT NULL, expires_at INTEGER,
  revoked_at INTEGER ) STRICT;
CREATE INDEX api_keys_account ON api_keys (account_id, created_at);
CREATE TABLE journal_segments ( file TEXT PRIMARY KEY, bytes INTEGER NOT NULL, finished INTEGER NOT NULL DEFAULT 0, updated_at INTEGER NOT NULL ,
  first_ms INTEGER, last_ms INTEGER, deleted INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE usage ( account TEXT NOT NULL, meter TEXT NOT NULL, minute INTEGER NOT NULL, route TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
  status INTEGER NOT NULL, op TEXT NOT NULL CHECK (op IN ('add', 'max', 'set')), units INTEGER NOT NULL, requests INTEGER NOT NULL, at_ms INTEGER NOT
  NULL DEFAULT 0, PRIMARY KEY (account, meter, minute, route, key, user, status, op) ) STRICT, WITHOUT ROWID;
CREATE INDEX usage_minute ON usage (minute);
CREATE TABLE usage_windows ( account TEXT NOT NULL, shape TEXT NOT NULL, start_ms INTEGER NOT NULL, holder TEXT NOT NULL, end_ms INTEGER NOT NULL,
  used INTEGER NOT NULL, at_ms INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, shape, start_ms, holder) ) STRICT, WITHOUT ROWID;
CREATE INDEX usage_windows_end ON usage_windows (end_ms);
CREATE TABLE usage_shapes (shape TEXT PRIMARY KEY, op TEXT NOT NULL, since_ms INTEGER NOT NULL) STRICT;
CREATE TABLE gauges ( account TEXT NOT NULL, holder TEXT NOT NULL, meter TEXT NOT NULL, value INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY
  (account, meter, holder) ) STRICT, WITHOUT ROWID;
CREATE TABLE credit_grants ( id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (id), amount INTEGER NOT NULL CHECK (amount >= 0), used
  INTEGER NOT NULL DEFAULT 0, priority INTEGER NOT NULL, start_ms INTEGER NOT NULL, expires_ms INTEGER, created_ms INTEGER NOT NULL, source TEXT NOT
  NULL, note TEXT, voided_ms INTEGER, once TEXT, UNIQUE (account, once) ) STRICT;
CREATE INDEX credit_grants_account ON credit_grants (account, created_ms);
CREATE TABLE usage_events ( scope TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL,
  route TEXT NOT NULL, meter TEXT NOT NULL, op TEXT NOT NULL CHECK (op IN ('add', 'max', 'set')), units INTEGER NOT NULL, requests INTEGER NOT NULL
  DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL, event_ms INTEGER NOT NULL, received_ms INTEGER NOT NULL, value INTEGER NOT
  NULL, corrects TEXT, reason TEXT, digest TEXT NOT NULL, burns TEXT NOT NULL DEFAULT '[]', PRIMARY KEY (scope, source, id) ) STRICT;
CREATE INDEX usage_events_received ON usage_events (received_ms);
CREATE INDEX usage_events_at ON usage_events (at_ms);
CREATE INDEX usage_events_corrects ON usage_events (scope, source, corrects) WHERE corrects IS NOT NULL;
CREATE TABLE usage_reservations ( id TEXT PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, user TEXT NOT NULL, route TEXT NOT NULL, meter TEXT
  NOT NULL, op TEXT NOT NULL CHECK (op IN ('add', 'max', 'set')), units INTEGER NOT NULL, state TEXT NOT NULL CHECK (state IN ('open', 'confirmed',
  'released', 'expired')), confirmed_units INTEGER, requests INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, at_ms INTEGER NOT NULL,
  burns TEXT NOT NULL DEFAULT '[]', created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, settled_ms INTEGER ) STRICT;
CREATE INDEX usage_reservations_account ON usage_reservations (account, state);
CREATE INDEX usage_reservations_expires ON usage_reservations (state, expires_ms);
CREATE INDEX usage_reservations_at ON usage_reservations (at_ms);
CREATE TABLE events ( seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, type TEXT NOT NULL, account TEXT NOT NULL, at_ms INTEGER NOT
  NULL, data TEXT NOT NULL, once TEXT UNIQUE ) STRICT;
CREATE INDEX events_account ON events (account, seq);
CREATE TABLE audit_log ( seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at_ms INTEGER NOT NULL, actor_kind TEXT NOT NULL, actor TEXT,
  actor_account TEXT, action TEXT NOT NULL, target TEXT NOT NULL, account TEXT, before TEXT, after TEXT, ip TEXT, request_id TEXT, hash TEXT NOT NULL
  ) STRICT;
CREATE INDEX audit_log_account ON audit_log (account, seq);
CREATE INDEX audit_log_target ON audit_log (target, seq);
INSERT INTO kysely_migration VALUES ('0001-first', '2026-11-29T12:12:31.477Z');
INSERT INTO kysely_migration VALUES ('0002-minutes', '2026-11-29T12:12:31.480Z');
INSERT INTO kysely_migration VALUES ('0003-audit', '2026-11-29T12:12:31.481Z');
INSERT INTO kysely_migration_lock VALUES ('migration_lock', 0);
INSERT INTO accounts VALUES ('acct_9iuh8SrP3nvph1J3L5Bmdx', 'first', 'First customer', 'active', 'pro', 1795954351668, NULL, NULL, NULL);
INSERT INTO accounts VALUES ('acct_FxWe9IdPxZvS4pb91z5Xkd', 'second', 'Second customer', 'suspended', NULL, 1795954355066, NULL, NULL, NULL);
INSERT INTO api_keys VALUES ('key_IEaGA7mMsvtoVGMOPY0jCs', 'acct_9iuh8SrP3nvph1J3L5Bmdx', 'XPV-uuH-D0gwyhulQp3nFab_TkY2qtH6fBrPdku1bVU',
  'tg_sk_live_TfK2…b4lu', NULL, 'live', '["User"]', NULL, 1795954356583, NULL, NULL);
INSERT INTO api_keys VALUES ('key_pttq3gnqBZxHYioHQ5gxMY', 'acct_9iuh8SrP3nvph1J3L5Bmdx', 'gSYSkeUTrmtUs65XwPQC6SK-8r8V_-lqqJyOTcMyQDE',
  'tg_sk_live_uho6…AYqH', NULL, 'live', '["User"]', NULL, 1795954357926, NULL, 1795954380824);
INSERT INTO usage_shapes VALUES ('calls|account|month|UTC|1', 'add', 1795954351484);
INSERT INTO audit_log VALUES (1, 'aud_M114JY7hd8UU4je426274h', 1795954351669, 'command', NULL, NULL, 'account.created', 'acct_9iuh8SrP3nvph1J3L5Bmdx',
  'acct_9iuh8SrP3nvph1J3L5Bmdx', NULL, '{"name":"First customer","externalId":"first","plan":null}', NULL, 'req_Lc6u2bvZRe7wBrpVmVC64E',
  'oMRqd2qHX4CSfGBVRuCvuuzM7p3XwG8gHJFuJW9twTQ');
INSERT INTO audit_log VALUES (2, 'aud_bpPsfBLNK31aapg6KmLEUb', 1795954355072, 'command', NULL, NULL, 'account.created', 'acct_FxWe9IdPxZvS4pb91z5Xkd',
  'acct_FxWe9IdPxZvS4pb91z5Xkd', NULL, '{"name":"Second customer","externalId":"second","plan":null}', NULL, 'req_8982mEtIFjWj85nwvqTS3q',
  '4joe2mr1_mmy1nh9WILiWzuwCuvFjT0uqNntS8RbquI');
INSERT INTO audit_log VALUES (3, 'aud_VEO8x7dRM7MJaAR8uBrmJK', 1795954356590, 'command', NULL, NULL, 'key.created', 'key_IEaGA7mMsvtoVGMOPY0jCs',
  'acct_9iuh8SrP3nvph1J3L5Bmdx', NULL, '{"masked":"tg_sk_live_TfK2…b4lu","name":null,"env":"live","roles":["User"],"scopes":null,"expiresAt":null}',
  NULL, 'req_zNmpJSsHg5uJjB4IuRuwIi', 'iSnmCbMSDtd7ttrGVMQJzqPSDNGttzYAC-04cSjXk9s');
INSERT INTO audit_log VALUES (4, 'aud_I08p6lc8TociTlcTdiSyPw', 1795954357928, 'command', NULL, NULL, 'key.created', 'key_pttq3gnqBZxHYioHQ5gxMY',
  'acct_9iuh8SrP3nvph1J3L5Bmdx', NULL, '{"masked":"tg_sk_live_uho6…AYqH","name":null,"env":"live","roles":["User"],"scopes":null,"expiresAt":null}',
  NULL, 'req_tg0zz8g2vGfhhIy9Zk1u5O', 'ckMdwXgVaxWNi9BK7Y1TbU02RLDa94daFezh5vsEzVc');
INSERT INTO audit_log VALUES (5, 'aud_1W7VsHeXqfusLnaYciuY9u', 1795954359700, 'command', NULL, NULL, 'account.plan_changed',
  'acct_9iuh8SrP3nvph1J3L5Bmdx', 'acct_9iuh8SrP3nvph1J3L5Bmdx', '{"plan":null}', '{"plan":"pro"}', NULL, 'req_xpXFdmeoxbxRb8Fd1F95W9',
  'HEtqpJclBBpSdqGEE_hLrXt6fqybda4NPj26inE_r8M');
INSERT INTO audit_log VALUES (6, 'aud_O67eUadxdbgLzHnjCsMJLR', 1795954362162, 'command', NULL, NULL, 'account.suspended',
  'acct_FxWe9IdPxZvS4pb91z5Xkd', 'acct_FxWe9IdPxZvS4pb91z5Xkd', '{"state":"active"}', '{"state":"suspended"}', NULL, 'req_HJDANw5BGobZ5HCxGfVBDi',
  'oo8e_RRoMU8ijX340uwIYmqabY5Sjt9m2TxGthVDpRs');
INSERT INTO audit_log VALUES (7, 'aud_ig5P1mtnKhLXqVpBLAYpSD', 1795954380825, 'command', NULL, NULL, 'key.revoked', 'key_pttq3gnqBZxHYioHQ5gxMY',
  'acct_9iuh8SrP3nvph1J3L5Bmdx', '{"revoked":false}', '{"revoked":true}', NULL, 'req_tl9nIPbOIksZPvs0MmxnFL',
  'n65qomAWiVgekqEtjFpV-m3T9PsvJQlfjp_Nf_P9P2M');
CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
