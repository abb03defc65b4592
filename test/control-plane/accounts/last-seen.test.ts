/** When accounts were last seen and keys last used, on real SQLite: times only go forward, whatever the order in which workers tell. */
import pino from "pino";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LastSeen } from "#control-plane/accounts/last-seen.ts";
import { type KeySite, openKeySite } from "./key-site.ts";

let site: KeySite;

beforeEach(async () => {
  site = await openKeySite();
});
afterEach(() => site[Symbol.asyncDispose]());

test("the latest time holds, with the address it was seen at; keys nobody knows are passed over", async () => {
  const { id, accountId } = (await site.key()).key;
  const seen = new LastSeen(site.db, pino({ level: "silent" }));
  const seenMs = async () =>
    (await site.db.selectFrom("accounts").select("seen_ms").where("id", "=", accountId).executeTakeFirst())?.seen_ms;
  seen.take({
    keys: [{ id, atMs: 2000, address: "192.0.2.2" }],
    accounts: [{ id: accountId, atMs: 2000 }],
    sessions: [],
  });
  seen.take({
    keys: [
      { id: "key_gone", atMs: 3000, address: "::1" },
      { id, atMs: 1000, address: "192.0.2.1" },
    ],
    accounts: [
      { id: "acct_gone", atMs: 3000 },
      { id: accountId, atMs: 1000 },
    ],
    sessions: [],
  });
  await seen.settled();
  expect(await site.keys.byId(id)).toMatchObject({ usedAtMs: 2000, usedFrom: "192.0.2.2" });
  expect(await seenMs()).toBe(2000);
  seen.take({
    keys: [{ id, atMs: 2001, address: "2001:db8::1" }],
    accounts: [{ id: accountId, atMs: 2001 }],
    sessions: [],
  });
  await seen.settled();
  expect(await site.keys.byId(id)).toMatchObject({ usedAtMs: 2001, usedFrom: "2001:db8::1" });
  expect(await seenMs()).toBe(2001);
});

test("a batch that cannot be written is logged, and the next one is written", async () => {
  const { id } = (await site.key()).key;
  const faults: string[] = [];
  const seen = new LastSeen(site.db, pino({ level: "error" }, { write: (line) => void faults.push(line) }));
  // A strict column of whole numbers takes no fraction.
  seen.take({ keys: [{ id, atMs: 1.5, address: "::1" }], accounts: [], sessions: [] });
  seen.take({ keys: [{ id, atMs: 1000, address: "::1" }], accounts: [], sessions: [] });
  await seen.settled();
  expect(faults).toHaveLength(1);
  expect(faults[0]).toContain("seen-failed");
  expect(await site.keys.byId(id)).toMatchObject({ usedAtMs: 1000 });
});
