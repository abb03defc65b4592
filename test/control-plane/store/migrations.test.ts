/** A store of version 0.1 is brought up to date: its hours of usage count on, its accounts keep their ids, its journal is not counted twice. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { Kysely, SqliteDialect } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { hourOf } from "#core/windows.ts";
import { openDatabase } from "#control-plane/store/database.ts";
import { migrate, MINUTES_SINCE_FACT } from "#control-plane/store/migrations.ts";
import type { Tables } from "#control-plane/store/tables.ts";
import { charges, JournalSite, SETTINGS } from "../metering/journal-site.ts";

const HOUR_MS = 3_600_000;
const NOW_HOUR = hourOf(Date.now());

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tollgate-migrate-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A store as version 0.1 left it, with what the statements put into it. */
async function oldStore(statements: readonly string[]): Promise<string> {
  const file = join(root, "tollgate.db");
  const sqlite = new SQLite(file);
  const db = new Kysely<Tables>({ dialect: new SqliteDialect({ database: sqlite }) });
  await migrate(db, "0001-first");
  for (const statement of statements) sqlite.exec(statement);
  await db.destroy();
  return file;
}

test("hours of usage become usage of their first minute, and from when on there are minutes is known", async () => {
  const from = Date.now();
  const file = await oldStore([
    `INSERT INTO accounts VALUES ('acct_1', 'x', 'A', 'active', 'pro', 90061)`,
    `INSERT INTO usage_hours VALUES ('acct_1', ${NOW_HOUR}, 'calls', 'models', 'k', 7, 6)`,
    `INSERT INTO usage_hours VALUES ('acct_1', ${NOW_HOUR - HOUR_MS}, 'calls', 'models', '', 5, 5)`,
  ]);
  const db = await openDatabase(file);
  const rows = await db.selectFrom("usage").selectAll().orderBy("minute").execute();
  const base = { account: "acct_1", meter: "calls", route: "models", user: "", status: 0, op: "add", at_ms: 0 };
  expect(rows).toEqual([
    { ...base, minute: NOW_HOUR - HOUR_MS, key: "", units: 5, requests: 5 },
    { ...base, minute: NOW_HOUR, key: "k", units: 7, requests: 6 },
  ]);
  const { value } = await db
    .selectFrom("facts")
    .selectAll()
    .where("name", "=", MINUTES_SINCE_FACT)
    .executeTakeFirstOrThrow();
  expect(Number(value)).toBeGreaterThanOrEqual(from);
  expect(await db.selectFrom("accounts").selectAll().execute()).toMatchObject([
    { id: "acct_1", billing_anchor_ms: null, spend_cap: null },
  ]);
  await db.destroy();
});

test("a store without usage has minutes from its beginning, and tables of before are gone", async () => {
  const db = await openDatabase(await oldStore([]));
  expect(await db.selectFrom("facts").selectAll().execute()).toEqual([]);
  const names = await db.introspection.getTables();
  expect(names.map(({ name }) => name)).not.toContain("usage_hours");
  await db.destroy();
});

test("what version 0.1 counted stands in today's windows, and its half-read journal goes on where it was", async () => {
  await oldStore([
    `INSERT INTO usage_hours VALUES ('a', ${NOW_HOUR}, 'calls', 'models', 'k', 7, 7)`,
    `INSERT INTO journal_segments VALUES ('old-2-000001.journal', 0, 0, 0)`,
  ]);
  await using site = await JournalSite.open(root);
  site.write("old-2-000001.journal", charges(3, { atMs: Date.now() }));
  const ledger = site.ledger();
  await ledger.fold();
  expect(await site.sums()).toEqual({ "a calls": [10, 10] });
  const [shape] = ledger.counting.shapesOf("calls");
  if (shape === undefined) throw new Error(`No shape of calls in ${Object.keys(SETTINGS.meters).join()}`);
  const account = ledger.windows.account("a");
  const window = ledger.counting.windows.of(shape, Date.now(), account.anchorMs);
  expect(ledger.windows.used(account, shape, "", window, Date.now()).units).toBe(10);
});
