/** The audit log on real SQLite: in the transaction of its change, never changed, and every tampering with the file found. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { sql } from "kysely";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Actor, actingAs } from "#control-plane/audit/acting.ts";
import { AuditLog } from "#control-plane/audit/audit-log.ts";
import { connectionOf, type Database, openDatabase } from "#control-plane/store/database.ts";

const PEPPER = Buffer.alloc(32, 3);
const ACTOR: Actor = { kind: "key", id: "key_1", account: "acct_1", ip: "203.0.113.9", requestId: "req_1" };

let root = "";
let db: Database;
let log: AuditLog;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "tollgate-audit-"));
  db = await openDatabase(join(root, "tollgate.db"));
  log = new AuditLog(db, PEPPER);
});
afterEach(async () => {
  await db.destroy();
  rmSync(root, { recursive: true, force: true });
});

const deed = (target: string, after: object = { a: 1 }) => ({
  action: "thing.made",
  target,
  account: "acct_1",
  before: null,
  after: { ...after },
});

async function write(count: number): Promise<void> {
  for (let number = 1; number <= count; number++) await log.record(deed(`t${number}`));
}

test("an entry says who, what and when; the newest comes first", async () => {
  await actingAs(ACTOR, () => log.record(deed("one")));
  await log.record({ ...deed("two"), before: { a: 0 }, account: null });
  const [two, one] = await log.list({}, 10);
  expect(one).toMatchObject({ seq: 1, actor_kind: "key", actor: "key_1", actor_account: "acct_1", ip: "203.0.113.9" });
  expect(one).toMatchObject({
    request_id: "req_1",
    action: "thing.made",
    target: "one",
    before: null,
    after: '{"a":1}',
  });
  expect(two).toMatchObject({ seq: 2, actor_kind: "gateway", actor: null, before: '{"a":0}', ip: null });
  expect(Math.abs((two?.at_ms ?? 0) - Date.now())).toBeLessThan(60_000);
});

test("who acts is known behind every await, of each of many at the same time", async () => {
  await Promise.all(
    Array.from({ length: 50 }, (_, index) =>
      actingAs({ ...ACTOR, id: `key_${index}` }, async () => {
        await new Promise((resolve) => void setImmediate(resolve));
        await log.record(deed(`key_${index}`));
      }),
    ),
  );
  const rows = await log.list({}, 100);
  expect(rows.filter(({ actor, target }) => actor !== target)).toEqual([]);
  expect(await log.verify()).toMatchObject({ entries: 50, faults: [] });
});

test("a change that fails leaves no entry, and no gap", async () => {
  await write(2);
  const failing = db.transaction().execute(async (trx) => {
    await log.write(trx, deed("never"));
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  await write(1);
  expect(await log.verify()).toMatchObject({ entries: 3, faults: [] });
  expect((await log.list({ target: "never" }, 10)).length).toBe(0);
});

test("the store refuses to change or remove an entry", async () => {
  await write(2);
  await expect(
    db
      .updateTable("audit_log")
      .set({ action: "x" } as never)
      .execute(),
  ).rejects.toThrow("only added to");
  await expect(db.deleteFrom("audit_log").execute()).rejects.toThrow("only added to");
});

test("filters: account, action, actor by id and kind, target, time, and pages", async () => {
  await actingAs(ACTOR, () => log.record(deed("a")));
  await log.record({ ...deed("b"), account: "acct_2", action: "thing.gone" });
  const found = async (filter: Parameters<AuditLog["list"]>[0]) =>
    (await log.list(filter, 9)).map(({ target }) => target);
  expect(await found({ account: "acct_2" })).toEqual(["b"]);
  expect(await found({ action: "thing.made" })).toEqual(["a"]);
  expect([await found({ actor: "key_1" }), await found({ actor: "key" }), await found({ actor: "gateway" })]).toEqual([
    ["a"],
    ["a"],
    ["b"],
  ]);
  expect(await found({ target: "b" })).toEqual(["b"]);
  expect([await found({ fromMs: Date.now() + 60_000 }), await found({ toMs: 1 })]).toEqual([[], []]);
  expect([await found({ beforeSeq: 2 }), await found({ beforeSeq: 1 })]).toEqual([["a"], []]);
});

/** What somebody with the file can do, triggers or not. */
const TAMPERINGS: Readonly<Record<string, (seq: number) => string>> = {
  "an action is another": (seq) => `UPDATE audit_log SET action = 'x' WHERE seq = ${seq}`,
  "an actor is another": (seq) => `UPDATE audit_log SET actor = 'x' WHERE seq = ${seq}`,
  "a kind is another": (seq) => `UPDATE audit_log SET actor_kind = 'operator' WHERE seq = ${seq}`,
  "an account of the actor is another": (seq) => `UPDATE audit_log SET actor_account = 'x' WHERE seq = ${seq}`,
  "a time is another": (seq) => `UPDATE audit_log SET at_ms = at_ms - 1 WHERE seq = ${seq}`,
  "a target is another": (seq) => `UPDATE audit_log SET target = 'x' WHERE seq = ${seq}`,
  "an account is another": (seq) => `UPDATE audit_log SET account = 'x' WHERE seq = ${seq}`,
  "what was before is another": (seq) => `UPDATE audit_log SET before = '{}' WHERE seq = ${seq}`,
  "what came of it is another": (seq) => `UPDATE audit_log SET after = '{}' WHERE seq = ${seq}`,
  "an address is another": (seq) => `UPDATE audit_log SET ip = '::1' WHERE seq = ${seq}`,
  "a request is another": (seq) => `UPDATE audit_log SET request_id = 'x' WHERE seq = ${seq}`,
  "an id is another": (seq) => `UPDATE audit_log SET id = 'aud_x' WHERE seq = ${seq}`,
  "an entry is gone": (seq) => `DELETE FROM audit_log WHERE seq = ${seq}`,
  "a hash is another": (seq) => `UPDATE audit_log SET hash = hash || 'x' WHERE seq = ${seq}`,
};

test.each(Object.entries(TAMPERINGS))("found wherever it is done: %s", async (_title, statement) => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 }), async (count, at) => {
      const file = join(root, `${Math.random()}.db`);
      const other = await openDatabase(file);
      const written = new AuditLog(other, PEPPER);
      for (let number = 0; number < count; number++)
        await actingAs(ACTOR, () => written.record({ ...deed(`t${number}`), before: { b: 1 } }));
      expect((await written.verify()).faults).toEqual([]);
      const seq = Math.min(at, count);
      const raw = connectionOf(other);
      raw.exec("DROP TRIGGER audit_log_no_update; DROP TRIGGER audit_log_no_delete");
      raw.exec(statement(seq));
      expect((await written.verify()).faults.map((fault) => fault.seq)).toContain(seq);
      await other.destroy();
    }),
    { numRuns: 5 },
  );
});

test("two entries in each other's place are found, and one that was put in by somebody without the pepper", async () => {
  await write(4);
  const raw = connectionOf(db);
  raw.exec("DROP TRIGGER audit_log_no_update");
  raw.exec("UPDATE audit_log SET seq = seq + 10 WHERE seq IN (2, 3)");
  raw.exec("UPDATE audit_log SET seq = CASE seq WHEN 12 THEN 3 ELSE 2 END WHERE seq > 10");
  expect((await log.verify()).faults.map(({ seq }) => seq)).toEqual([2, 3, 4]);
  await new AuditLog(db, Buffer.alloc(32, 4)).record(deed("forged"));
  expect((await log.verify()).faults.map(({ seq }) => seq)).toContain(5);
});

test("numbers beyond all reason, written into the file, do not keep the walk busy for ever", async () => {
  await write(2);
  const raw = connectionOf(db);
  raw.exec("UPDATE sqlite_sequence SET seq = 9007199254740991 WHERE name = 'audit_log'");
  expect((await log.verify()).faults.length).toBe(1000);
  raw.exec("DROP TRIGGER audit_log_no_update; UPDATE audit_log SET seq = 9007199254740990 WHERE seq = 2");
  expect((await log.verify()).faults[0]).toEqual({ seq: 2, fault: "missing" });
});

test("hundreds of entries are walked in steps", async () => {
  await sql`BEGIN`.execute(db);
  for (let number = 1; number <= 2500; number++) await log.write(db, deed(`t${number}`));
  await sql`COMMIT`.execute(db);
  const { entries, head, faults } = await log.verify();
  expect([entries, faults, head?.split(":")[0]]).toEqual([2500, [], "2500"]);
});
