/** Callers are noted once in a while and told in batches: nobody is hidden by a clock that is put back, and nothing grows without end. */
import { afterEach, expect, test, vi } from "vitest";
import { Sightings } from "#data-plane/identity/sightings.ts";
import type { Seen } from "#shared/messages.ts";
import { principal } from "#test/data-plane/passage-of.ts";

/** One caller is noted once in that time. */
const SIGHTING_MS = 10_000;
const START = Date.UTC(2026, 0, 1);

afterEach(() => vi.useRealTimers());

function site() {
  vi.useFakeTimers({ now: START });
  const told: Seen[] = [];
  return { told, sightings: new Sightings((seen) => void told.push(seen)) };
}

test("a key is noted at its first request and again after a while, told once, from where it was last", () => {
  const { told, sightings } = site();
  const caller = principal({ keyId: "key_1" });
  sightings.note(caller, "192.0.2.1");
  vi.setSystemTime(START + SIGHTING_MS - 1);
  sightings.note(caller, "192.0.2.2");
  sightings.flush();
  const accounts = (atMs: number) => [{ id: caller.account.id, atMs }];
  expect(told).toEqual([
    { keys: [{ id: "key_1", atMs: START, address: "192.0.2.1" }], accounts: accounts(START), sessions: [] },
  ]);
  sightings.flush();
  expect(told).toHaveLength(1);
  vi.setSystemTime(START + SIGHTING_MS);
  sightings.note(caller, "192.0.2.3");
  sightings.flush();
  const keys = [{ id: "key_1", atMs: START + SIGHTING_MS, address: "192.0.2.3" }];
  expect(told[1]).toEqual({ keys, accounts: accounts(START + SIGHTING_MS), sessions: [] });
});

test("a clock that is put back hides nobody", () => {
  const { told, sightings } = site();
  const caller = principal({ keyId: "key_1" });
  sightings.note(caller, "192.0.2.1");
  sightings.flush();
  vi.setSystemTime(START - 3_600_000);
  sightings.note(caller, "192.0.2.1");
  sightings.flush();
  expect(told).toHaveLength(2);
});

test("many keys are told before they are too many, each of them", () => {
  const { told, sightings } = site();
  for (let number = 0; number < 5000; number++) sightings.note(principal({ keyId: `key_${number}` }), "::1");
  sightings.flush();
  expect(Math.max(...told.map(({ keys }) => keys.length))).toBeLessThanOrEqual(2000);
  expect(new Set(told.flatMap(({ keys }) => keys.map(({ id }) => id))).size).toBe(5000);
});

test("a session's tokens are told as one, by the latest; a session of a key's owner is none", () => {
  const { told, sightings } = site();
  const session = { id: "s1", user: "user_1", issuer: "main", account: "acct_1", actor: null, renewable: true };
  const token = (issuedMs: number | null) =>
    principal({ keyId: null, session: { ...session, issuedMs, expiresMs: START + 1000 } });
  sightings.note(token(START - 5000), "192.0.2.1");
  sightings.note(token(START - 1000), "192.0.2.2");
  vi.setSystemTime(START + 5);
  sightings.note(token(START - 9000), "192.0.2.3");
  sightings.note(principal({ keyId: null, session: null }), "192.0.2.4");
  sightings.flush();
  const latest = { ...session, issuedMs: START - 1000, expiresMs: START + 1000 };
  expect(told).toMatchObject([{ keys: [], sessions: [{ ...latest, atMs: START + 5, address: "192.0.2.3" }] }]);
});
