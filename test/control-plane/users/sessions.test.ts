/** Sessions on a real store, more than are listed. What tokens they refuse: `blackbox/sessions.test.ts`. */
import { expect, test } from "vitest";
import { wallMs } from "#core/clock.ts";
import { Sessions } from "#control-plane/users/sessions.ts";
import type { User } from "#control-plane/users/user.ts";
import { openKeySite } from "../accounts/key-site.ts";

const ID = "user_0000000000000000000000";

test("of many sessions the thousand seen last are listed, and all are revoked", async () => {
  await using site = await openKeySite();
  const { db, audit, account } = site;
  const now = wallMs();
  await db.insertInto("users").values({ id: ID, external_id: "u", email: null, name: null, state: "active", created_ms: now }).execute();
  const sessions = new Sessions({ db, audit, announce: () => Promise.resolve(), settled: () => Promise.resolve() });
  const user: User = { id: ID, externalId: "u", email: null, name: null, state: "active", notBeforeMs: null, createdAtMs: now, seenAtMs: null };
  const row = (n: number, more: object = {}) => ({
    user: ID, id: `s${n}`, issuer: "main", account, renewable: 0 as const, issued_ms: now - n * 1000, expires_ms: now + 60_000, first_ms: now, seen_ms: now - n, ...more,
  });
  for (let n = 0; n < 1100; n++) await db.insertInto("sessions").values(row(n)).execute();
  await db.insertInto("sessions").values([row(2000, { expires_ms: now - 1 }), row(2001, { denied_ms: now }), row(2002, { issued_ms: null })]).execute();
  const listed = await sessions.live(user);
  expect([listed.length, listed[0]?.id, listed.at(-1)?.id]).toEqual([1000, "s0", "s999"]);
  // The cut-off takes its own second along.
  const cut = Math.floor(now / 1000) * 1000 - 1_050_000;
  expect(await sessions.revokeAll({ ...user, notBeforeMs: cut })).toBe(1050);
  expect(await sessions.deny(user, "s2001")).toBe(false);
  expect(await sessions.deny(user, "s1099")).toBe(true);
}); // biome-ignore format: rows
