/** The store: its schema is brought up once and stays, it is safe against power cuts, and a file that is none is left alone. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openDatabase } from "#control-plane/store/database.ts";
import { migrate } from "#control-plane/store/migrations.ts";

let root = "";
let file = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tollgate-store-"));
  file = join(root, "data", "tollgate.db");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function schema(): unknown {
  const db = new SQLite(file, { readonly: true });
  try {
    return db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name").all();
  } finally {
    db.close();
  }
}

test("opening again and migrating again changes neither schema nor rows", async () => {
  const first = await openDatabase(file);
  await first.insertInto("facts").values({ name: "n", value: "v" }).execute();
  await first.destroy();
  const before = schema();
  const again = await openDatabase(file);
  await migrate(again);
  await migrate(again);
  expect(await again.selectFrom("facts").selectAll().execute()).toEqual([{ name: "n", value: "v" }]);
  await again.destroy();
  expect(schema()).toEqual(before);
});

test("commits survive a power cut: WAL with synchronous FULL, and references are held", async () => {
  const db = await openDatabase(file);
  const pragma = async (name: string) =>
    Object.values((await sql.raw<object>(`PRAGMA ${name}`).execute(db)).rows[0] ?? {})[0];
  expect([await pragma("journal_mode"), await pragma("synchronous"), await pragma("foreign_keys")]).toEqual([
    "wal",
    2,
    1,
  ]);
  await db.destroy();
});

test("the folder is made for its owner only", async () => {
  const db = await openDatabase(file);
  expect(statSync(join(root, "data")).mode & 0o777).toBe(0o700);
  await db.destroy();
});

test("a file that is no store is refused by name and left as it is", async () => {
  const other = join(root, "notes.txt");
  writeFileSync(other, "not a database, ".repeat(100));
  await expect(openDatabase(other)).rejects.toThrow(`Cannot open the store ${other}`);
  expect(readFileSync(other, "utf8")).toBe("not a database, ".repeat(100));
});

test.each([
  [
    "a key of no account",
    "INSERT INTO api_keys (id, account_id, hash, masked, env, roles, created_at) VALUES ('k', 'nobody', 'h', 'm', 'live', '[]', 0)",
  ],
  ["an account in no known state", "INSERT INTO accounts (id, name, state, created_at) VALUES ('a', 'n', 'paused', 0)"],
  ["units that are no integer", "INSERT INTO usage VALUES ('a', 'm', 0, 'r', 'k', '', 200, 'add', 1.5, 1, 0)"],
  ["an op that is none", "INSERT INTO usage VALUES ('a', 'm', 0, 'r', 'k', '', 200, 'plus', 1, 1, 0)"],
])("the schema refuses %s", async (_what, statement) => {
  const db = await openDatabase(file);
  await expect(sql.raw(statement).execute(db)).rejects.toThrow(/constraint failed|cannot store REAL/);
  await db.destroy();
});
