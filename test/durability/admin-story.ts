/**
 * Whether a store is what its audit log tells, after a storm of changes: the entries in their order, each with what it made of its
 * target, come to the rows that are there; nothing is half done; and all that was answered is in it. The gateway may run or not.
 */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { expect } from "vitest";
import type { Heard } from "./admin-storm.ts";

type Facts = Readonly<Record<string, unknown>>;

/** Throws, by `expect`, at the first thing that does not fit. */
export function expectStory(dir: string, heard: readonly Heard[]): void {
  const store = new SQLite(join(dir, "data", "tollgate.db"));
  try {
    expect(store.pragma("integrity_check")).toEqual([{ integrity_check: "ok" }]);
    expect(store.pragma("foreign_key_check")).toEqual([]);
    expectHeard(store, heard);
    expectWhole(store);
    for (const [id, told] of toldOf(store)) expect(rowOf(store, id, told), `of ${id}`).toEqual(told);
  } finally {
    store.close();
  }
}

/** Secrets that somebody was given are in it, whatever came after. */
function expectHeard(store: SQLite.Database, heard: readonly Heard[]): void {
  const masked = new Set(
    entriesOf(store).flatMap(({ after }) => (typeof after?.masked === "string" ? [after.masked] : [])),
  );
  const given = heard.flatMap(({ status, body }) =>
    status < 300 && typeof body.key === "string" ? [String(body.masked)] : [],
  );
  expect(given.filter((one) => !masked.has(one))).toEqual([]);
}

function expectWhole(store: SQLite.Database): void {
  const count = (sql: string) => store.prepare(sql).pluck().get();
  expect(count("SELECT count(*) FROM api_keys JOIN api_key_old_secrets USING (hash)"), "old and current").toBe(0);
  const strayMembers =
    "SELECT count(*) FROM members JOIN users ON users.id = members.user WHERE users.state = 'deleted' AND removed_ms IS NULL";
  expect(count(strayMembers), "members who are deleted").toBe(0);
  expect(count("SELECT count(*) FROM users WHERE state = 'deleted' AND email IS NOT NULL"), "kept e-mails").toBe(0);
  const strayKeys =
    "SELECT count(*) FROM api_keys JOIN accounts a ON a.id = account_id WHERE deleted_ms IS NOT NULL AND revoked_at IS NULL";
  expect(count(strayKeys), "keys of deleted accounts").toBe(0);
}

interface Entry {
  readonly action: string;
  readonly target: string;
  readonly account: string | null;
  readonly after: Facts | null;
}

function entriesOf(store: SQLite.Database): readonly Entry[] {
  const rows = store
    .prepare<[], Omit<Entry, "after"> & { after: string | null }>(
      "SELECT action, target, account, after FROM audit_log ORDER BY seq",
    )
    .all();
  // Written by the gateway as objects.
  return rows.map((row) => ({ ...row, after: row.after === null ? null : (JSON.parse(row.after) as Facts) }));
}

/** What the entries come to, by target: of accounts, users and keys. */
function toldOf(store: SQLite.Database): ReadonlyMap<string, Facts> {
  const told = new Map<string, Facts>();
  for (const { action, target, after } of entriesOf(store)) {
    if (!/^(account|user|key)\./.test(action) || /sessions?_/.test(action)) continue;
    told.set(
      target,
      only({ ...(told.get(target) ?? bornAs(target)), ...after, ...(DELETED.has(action) ? { email: null } : {}) }),
    );
  }
  return told;
}

/** What nobody tells of a new one: a change of it that is told nowhere is found. */
function bornAs(id: string): Facts {
  return id.startsWith("key_") ? { enabled: true, revoked: false } : { state: "active" };
}

const DELETED = new Set(["account.deleted", "user.deleted"]);
/** Members that rows are compared by. */
const COMPARED = ["name", "plan", "state", "email", "enabled", "revoked", "masked", "methods"];

function only(facts: Facts): Facts {
  return Object.fromEntries(Object.entries(facts).filter(([name]) => COMPARED.includes(name)));
}

/** The row of this target, as the audit log would tell it, with the members that were told. */
function rowOf(store: SQLite.Database, id: string, told: Facts): Facts | undefined {
  const table = id.startsWith("acct_") ? "accounts" : id.startsWith("user_") ? "users" : "api_keys";
  const row = store.prepare<[string], Facts>(`SELECT * FROM ${table} WHERE id = ?`).get(id);
  if (row === undefined) return undefined;
  const shown = {
    ...row,
    ...(typeof row.deleted_ms === "number" ? { state: "deleted" } : {}),
    enabled: row.enabled === 1,
    revoked: typeof row.revoked_at === "number",
    methods: typeof row.methods === "string" ? JSON.parse(row.methods) : null,
  };
  return Object.fromEntries(Object.entries(shown).filter(([name]) => Object.hasOwn(told, name)));
}
