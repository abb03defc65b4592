/** Accounts on real SQLite: one for each external id however many ask at once, every change announced before it is answered. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Account } from "#control-plane/accounts/account.ts";
import { AccountList } from "#control-plane/accounts/account-list.ts";
import { Accounts, type AnchorMoves } from "#control-plane/accounts/accounts.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import { AuditLog } from "#control-plane/audit/audit-log.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import { BASE, settingsOf } from "../../config/faults-of.ts";
import type { Invalidation } from "#shared/messages.ts";

let root = "";
let db: Database;
let announced: Invalidation[] = [];
let accounts: Accounts;
let moved: [account: string, anchorMs: number][] = [];
/** What `metering/anchors.ts` does with the counters is another matter. */
const anchors: AnchorMoves = {
  async move(account, anchorMs, announce, note) {
    moved.push([account, anchorMs]);
    await db.updateTable("accounts").set({ billing_anchor_ms: anchorMs }).where("id", "=", account).execute();
    await note(db);
    await announce();
  },
};

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "tollgate-accounts-"));
  db = await openDatabase(join(root, "tollgate.db"));
  announced = [];
  moved = [];
  accounts = new Accounts(db, new AuditLog(db, new Uint8Array(32)), async (what) => void announced.push(what), anchors);
});
afterEach(async () => {
  await db.destroy();
  rmSync(root, { recursive: true, force: true });
});

function listed(): Promise<readonly Account[]> {
  return new AccountList(db, () => settingsOf(BASE)).page({ filter: {}, sort: "created", count: 10, after: null });
}

test("100 first sights of one external id at once make one account, and all get it", async () => {
  const made = await Promise.all(Array.from({ length: 100 }, () => accounts.getOrCreate("ext-1")));
  expect(new Set(made.map((account) => account?.id)).size).toBe(1);
  expect(await listed()).toMatchObject([{ externalId: "ext-1", name: "ext-1", state: "active", plan: null }]);
});

test("100 external ids at once make 100 accounts", async () => {
  const all = await Promise.all(Array.from({ length: 100 }, (_, index) => accounts.getOrCreate(`ext-${index}`)));
  expect(new Set(all.map((account) => account?.id)).size).toBe(100);
});

test("external ids are told apart to the last character, case and all", async () => {
  const texts = ["a", "A", "a ", " a", "ä", "a\u0308", "'; DROP TABLE accounts; --", "%", "\u0000"];
  const all = await Promise.all(texts.map((text) => accounts.getOrCreate(text)));
  expect(new Set(all.map((account) => account?.id)).size).toBe(texts.length);
  expect(await Promise.all(texts.map(async (text) => (await accounts.byExternalId(text))?.externalId))).toEqual(texts);
});

test("an external id that is taken is a conflict, and any number of accounts may have none", async () => {
  await accounts.create({ name: "one", externalId: "x", plan: null });
  await expect(accounts.create({ name: "two", externalId: "x", plan: null })).rejects.toThrow(ConflictError);
  await accounts.create({ name: "three", externalId: null, plan: null });
  await accounts.create({ name: "four", externalId: null, plan: null });
  expect(await listed()).toHaveLength(3);
});

test("a change is announced with the ids workers know the account by, and keeps what it does not name", async () => {
  const { id } = await accounts.create({ name: "one", externalId: "x", plan: "pro" });
  announced = [];
  expect(await accounts.change(id, { state: "suspended" })).toMatchObject({
    name: "one",
    plan: "pro",
    state: "suspended",
  });
  expect(await accounts.change(id, { plan: null })).toMatchObject({ name: "one", plan: null, state: "suspended" });
  expect(announced).toEqual([
    { kind: "account", id, externalId: "x" },
    { kind: "account", id, externalId: "x" },
  ]);
  expect(await accounts.change("acct_nobody", { state: "active" })).toBeNull();
  expect(announced).toHaveLength(2);
});

test("billing begins in the minute an account was made, until its anchor is moved, to a whole minute too", async () => {
  const made = await accounts.create({ name: "one", externalId: null, plan: null });
  expect(made.anchorMs).toBe(made.createdAtMs - (made.createdAtMs % 60_000));
  announced = [];
  const anchorMs = Date.UTC(2026, 0, 31, 9, 30);
  expect(await accounts.change(made.id, { anchorMs: anchorMs + 12_345, name: "two" })).toMatchObject({
    name: "two",
    anchorMs,
  });
  expect(moved).toEqual([[made.id, anchorMs]]);
  expect(announced).toHaveLength(1);
  expect(await accounts.byId(made.id)).toMatchObject({ anchorMs });
});

test("a spend cap is kept as it was set", async () => {
  const made = await accounts.create({ name: "one", externalId: null, plan: null });
  expect(made.spendCap).toEqual({ units: {}, money: null });
  const spendCap = { units: { calls: 100 }, money: 5_000 };
  expect(await accounts.change(made.id, { spendCap })).toMatchObject({ spendCap });
  expect((await accounts.byId(made.id))?.spendCap).toEqual(spendCap);
});

test("a change waits for its announcement", async () => {
  const { id } = await accounts.create({ name: "one", externalId: null, plan: null });
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const slow = new Accounts(
    db,
    new AuditLog(db, new Uint8Array(32)),
    async () => {
      await promise;
      order.push("announced");
    },
    anchors,
  );
  const change = slow.change(id, { state: "suspended" }).then(() => order.push("answered"));
  resolve();
  await change;
  expect(order).toEqual(["announced", "answered"]);
});

test("an account is found by our id and by the operator's", async () => {
  const made = await accounts.create({ name: "one", externalId: "x", plan: null });
  expect([await accounts.find(made.id), await accounts.find("x"), await accounts.find("y")]).toEqual([
    made,
    made,
    null,
  ]);
});

test("an external id that looks like one of ours makes no account", async () => {
  expect(await accounts.getOrCreate("acct_0000000000000000000000")).toBeNull();
  expect(await listed()).toEqual([]);
});
