/** I03: the end of a key is seen by every worker on its next request. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type Connection, connectionToEach } from "#test/support/connection.ts";
import { until } from "#test/support/until.ts";
import { bearer } from "./expectations.ts";
import type { LoneRow } from "./runner.ts";
import { startWorld, type World } from "./world.ts";

const WORKERS = 3;
/** What the attack list grants; measured is the next request. */
const SEEN_MS_MAX = 1000;

export const APIKEY_ENDS: readonly LoneRow[] = [
  {
    id: "I03",
    class: "apikey",
    name: "a key that is revoked, expired or rotated out is refused by every worker on the next request; a suspended account with 403",
    proof: async () => {
      await using world = await startWorld({ workers: WORKERS });
      const each = await connectionToEach(world.gateway, WORKERS);
      const ask = (key: string) => statuses(each, key);
      await revoked(world, ask);
      await expired(world, ask);
      await rotated(world, ask);
      await suspended(world, ask);
      for (const connection of each) connection[Symbol.dispose]();
    },
  },
];

/** Timers may fire a little before their time. */
const TIMER_EARLY_MS = 5;

type Ask = (key: string) => Promise<readonly number[]>;
const all = (status: number) => Array.from({ length: WORKERS }, () => status);

/** On every worker at once. */
async function statuses(each: readonly Connection[], key: string): Promise<readonly number[]> {
  return Promise.all(each.map(async (one) => (await one.ask("GET", "/private/x", [bearer(key)])).status));
}

/** By each of the three ways to revoke: admin API, command line, the customer's own endpoint. */
async function revoked({ admin, gateway, acme }: World, ask: Ask): Promise<void> {
  const ways = [
    (id: string) => admin.call("DELETE", `/admin/keys/${id}`),
    (id: string) => gateway.cli("keys", "revoke", id),
    (id: string) =>
      fetch(`${gateway.url}/_tollgate/api-keys/${id}`, {
        method: "DELETE",
        headers: { authorization: `Bearer ${acme.key}` },
      }),
  ];
  for (const revoke of ways) {
    const { id, secret } = await admin.newKey("acme");
    expect(await ask(secret)).toEqual(all(200));
    await revoke(id);
    const told = performance.now();
    expect(await ask(secret)).toEqual(all(401));
    expect(performance.now() - told).toBeLessThan(SEEN_MS_MAX);
  }
  const seenBy = () => gateway.logs().flatMap(({ reason, worker }) => (reason === "key:revoked" ? [worker] : []));
  await until("every worker logs its refusal", () => new Set(seenBy()).size === WORKERS);
}

async function expired({ admin }: World, ask: Ask): Promise<void> {
  const { secret } = await admin.newKey("acme", { expires: "2s" });
  const end = Date.now() + 2000;
  expect(await ask(secret)).toEqual(all(200));
  await sleep(end - Date.now() + TIMER_EARLY_MS);
  expect(await ask(secret)).toEqual(all(401));
}

/** A new key beside the old one; both pass until the old one is revoked. */
async function rotated({ admin }: World, ask: Ask): Promise<void> {
  const old = await admin.newKey("acme");
  expect(await ask(old.secret)).toEqual(all(200));
  const next = await admin.newKey("acme");
  expect(await ask(old.secret)).toEqual(all(200));
  expect(await ask(next.secret)).toEqual(all(200));
  await admin.call("DELETE", `/admin/keys/${old.id}`);
  expect(await ask(old.secret)).toEqual(all(401));
  expect(await ask(next.secret)).toEqual(all(200));
}

/** Accounts are not deleted, for their usage must stay; they are suspended, which is 403 by the table of errors. */
async function suspended({ admin, globex }: World, ask: Ask): Promise<void> {
  expect(await ask(globex.key)).toEqual(all(200));
  await admin.call("PATCH", `/admin/accounts/${globex.id}`, { state: "suspended" });
  expect(await ask(globex.key)).toEqual(all(403));
  await admin.call("PATCH", `/admin/accounts/${globex.id}`, { state: "active" });
  expect(await ask(globex.key)).toEqual(all(200));
}
