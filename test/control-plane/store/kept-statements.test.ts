/** What is kept of a connection behaves as what is prepared anew: after changes of the schema, and while another is half read. */
import SQLite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { keepStatements } from "#control-plane/store/kept-statements.ts";

let connection: SQLite.Database;
beforeEach(() => {
  connection = new SQLite(":memory:");
  connection.exec("CREATE TABLE t (a INTEGER) STRICT; INSERT INTO t VALUES (1), (2)");
});
afterEach(() => connection.close());

const ALL = "SELECT * FROM t WHERE a >= ? ORDER BY a";

test("the same text is prepared once", () => {
  const db = keepStatements(connection);
  expect(db.prepare(ALL)).toBe(db.prepare(ALL));
});

test("a statement goes on after the schema changed, with the columns of now", () => {
  const db = keepStatements(connection);
  expect(db.prepare(ALL).all([2])).toEqual([{ a: 2 }]);
  connection.exec("ALTER TABLE t ADD COLUMN b TEXT NOT NULL DEFAULT 'x'");
  expect(db.prepare(ALL).all([2])).toEqual([{ a: 2, b: "x" }]);
});

test("a statement that is half read does not hinder the next one of the same text", () => {
  const db = keepStatements(connection);
  const half = db.prepare(ALL).iterate([1]);
  expect(half.next().value).toEqual({ a: 1 });
  expect(db.prepare(ALL).all([1])).toEqual([{ a: 1 }, { a: 2 }]);
  expect([...half]).toEqual([{ a: 2 }]);
});

test("more texts than are kept work too", () => {
  const db = keepStatements(connection);
  for (let number = 0; number < 1200; number++)
    expect(db.prepare(`SELECT ${number % 600} AS n`).all([])).toEqual([{ n: number % 600 }]);
});
