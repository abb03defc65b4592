/** API keys on real SQLite: the secret is nowhere but in the answer, revoking holds and is announced. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Accounts } from "#control-plane/accounts/accounts.ts";
import type { NewApiKey } from "#control-plane/accounts/api-key.ts";
import { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import { AuditLog } from "#control-plane/audit/audit-log.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import { KeyFormats, STANDARD_FORMAT } from "#core/key-format.ts";
import type { Invalidation } from "#shared/messages.ts";
import { UNNARROWED } from "#shared/principals.ts";

const PEPPER = Buffer.alloc(32, 7);
let root = "";
let db: Database;
let announced: Invalidation[] = [];
let keys: ApiKeys;
let accountId = "";

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "tollgate-keys-"));
  db = await openDatabase(join(root, "tollgate.db"));
  announced = [];
  const audit = new AuditLog(db, PEPPER);
  keys = new ApiKeys({
    db,
    audit,
    pepper: PEPPER,
    announce: async (what) => void announced.push(what),
    keep: () => null,
  });
  const accounts = new Accounts(db, audit, () => Promise.resolve(), { move: () => Promise.resolve() });
  accountId = (await accounts.create({ name: "one", externalId: null, plan: null })).id;
});
afterEach(async () => {
  await db.destroy();
  rmSync(root, { recursive: true, force: true });
});

function wanted(part: Partial<NewApiKey> = {}): NewApiKey {
  return {
    accountId,
    name: null,
    env: "live",
    roles: ["User"],
    scopes: null,
    expiresAtMs: null,
    limits: null,
    narrowing: UNNARROWED,
    ...part,
  };
}

test("a new key is well formed, found by its secret and by nothing else", async () => {
  const { key, secret } = await keys.create(STANDARD_FORMAT, wanted({ scopes: ["read"], expiresAtMs: 5 }));
  expect(new KeyFormats([STANDARD_FORMAT], ["live"]).fault(secret)).toBeNull();
  expect(await keys.bySecret(secret)).toEqual(key);
  expect(key).toMatchObject({ accountId, roles: ["User"], scopes: ["read"], expiresAtMs: 5, revoked: false });
  expect(await keys.bySecret(`${secret}x`)).toBeNull();
  expect(await keys.bySecret(key.masked)).toBeNull();
});

test("neither the secret nor its plain hash is on disk", async () => {
  const { secret } = await keys.create(STANDARD_FORMAT, wanted());
  const files = readdirSync(root).map((file) => readFileSync(join(root, file), "latin1"));
  expect(files.filter((text) => text.includes(secret) || text.includes(secret.slice(-20)))).toEqual([]);
});

test("with another pepper no key is known", async () => {
  const { secret } = await keys.create(STANDARD_FORMAT, wanted());
  const stranger = new ApiKeys({
    db,
    audit: new AuditLog(db, PEPPER),
    pepper: Buffer.alloc(32, 8),
    announce: () => Promise.resolve(),
    keep: () => null,
  });
  expect(await stranger.bySecret(secret)).toBeNull();
});

test("a revoked key stays revoked since the first time, and each revoking is announced", async () => {
  const { key, secret } = await keys.create(STANDARD_FORMAT, wanted());
  announced = [];
  const first = await keys.revoke(key.id, null);
  const second = await keys.revoke(key.id, accountId);
  expect(first).toMatchObject({ id: key.id, revoked: true });
  expect(second).toEqual(first);
  expect(await keys.bySecret(secret)).toEqual(first);
  expect(announced).toEqual([
    { kind: "key", id: key.id },
    { kind: "key", id: key.id },
  ]);
});

test("another account cannot revoke it, and is told no more than that there is none", async () => {
  const { key, secret } = await keys.create(STANDARD_FORMAT, wanted());
  announced = [];
  expect(await keys.revoke(key.id, "acct_other")).toBeNull();
  expect(await keys.revoke("key_nobody", null)).toBeNull();
  expect(await keys.bySecret(secret)).toMatchObject({ revoked: false });
  expect(announced).toEqual([]);
});

test("a key of no account cannot be made", async () => {
  await expect(keys.create(STANDARD_FORMAT, wanted({ accountId: "acct_nobody" }))).rejects.toThrow("FOREIGN KEY");
});

test("lists hold the keys of one account, page by page, each once", async () => {
  const made = await Promise.all(Array.from({ length: 11 }, () => keys.create(STANDARD_FORMAT, wanted())));
  const first = await keys.list({ accountId }, 6, null);
  const rest = await keys.list({ accountId }, 6, first.at(-1) ?? null);
  const listed = [...first, ...rest].map(({ id }) => id);
  expect([...listed].sort()).toEqual(made.map(({ key }) => key.id).sort());
  expect(await keys.list({ accountId: "acct_other" }, 6, null)).toEqual([]);
});
