/** The audit log by the command line. */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { expect, test } from "vitest";
import { startScene } from "#test/support/scene.ts";

test("the command line lists and verifies; what was changed in the file, or cut off, is told", async () => {
  await using other = await startScene();
  const account = await other.operator.account({ name: "One" });
  await other.operator.call("PATCH", `/admin/accounts/${account}`, { state: "suspended" });
  const listed = await other.gateway.cli("audit", "list", "--account", account);
  expect(listed.stdout).toMatch(/operator +account\.suspended +acct_\w+ +state: active → suspended/);
  const good = await other.gateway.cli("audit", "verify");
  expect([good.code, good.stdout]).toEqual([
    0,
    expect.stringMatching(/^2 entries, head 2:[\w-]{43}\nNothing was changed\n$/),
  ]);
  const head = /head (\S+)/.exec(good.stdout)?.[1] ?? "";
  await other.gateway.stop();
  const file = new SQLite(join(other.gateway.dir, "data", "tollgate.db"));
  file.exec("DROP TRIGGER audit_log_no_update; UPDATE audit_log SET actor_kind = 'gateway' WHERE seq = 2");
  const changed = await other.gateway.cli("audit", "verify", "--head", head);
  expect([changed.code, changed.stdout]).toEqual([1, expect.stringContaining("ENTRY 2 was changed")]);
  file.exec("UPDATE audit_log SET actor_kind = 'operator' WHERE seq = 2");
  expect((await other.gateway.cli("audit", "verify", "--head", head)).code).toBe(0);
  // Somebody who knows SQLite well cuts off the end.
  file.exec(
    "DROP TRIGGER audit_log_no_delete; DELETE FROM audit_log WHERE seq = 2; UPDATE sqlite_sequence SET seq = 1 WHERE name = 'audit_log'",
  );
  file.close();
  expect((await other.gateway.cli("audit", "verify")).code).toBe(0);
  const cut = await other.gateway.cli("audit", "verify", "--head", head);
  expect([cut.code, cut.stdout]).toEqual([
    1,
    expect.stringContaining("ENTRY 2 is not the one of the head that was given"),
  ]);
  const bad = await other.gateway.cli("audit", "verify", "--head", "2");
  expect([bad.code, bad.stderr]).toEqual([
    1,
    expect.stringContaining('Expected --head as verify prints it, SEQ:HASH, got "2"'),
  ]);
});
