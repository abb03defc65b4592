/**
 * A process that opens a store and is killed right before the statement of the number it is told, counting those that write;
 * `0`: never, then it says how many there were. See `migration.ts`.
 */
import { writeSync } from "node:fs";
import SQLite from "better-sqlite3";
import { openDatabase } from "#control-plane/store/database.ts";

const [, , file = "", last = "0"] = process.argv;
const WRITES = /^\s*(create|insert|alter|drop|update|delete|commit)/i;
let count = 0;

function step(statement: string): void {
  if (!WRITES.test(statement)) return;
  count++;
  if (count === Number(last)) process.kill(process.pid, "SIGKILL");
}

const { prepare, exec } = SQLite.prototype;
SQLite.prototype.prepare = function (this: SQLite.Database, source: string) {
  step(source);
  return prepare.call(this, source);
} as typeof prepare;
SQLite.prototype.exec = function (this: SQLite.Database, source: string) {
  step(source);
  return exec.call(this, source);
};

const db = await openDatabase(file);
await db.destroy();
writeSync(1, String(count));
