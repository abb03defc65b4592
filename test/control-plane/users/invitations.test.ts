/** Invitations on a real store, as many as there can be. Who may invite whom: `blackbox/members.test.ts`. */
import { expect, test } from "vitest";
import { wallMs } from "#core/clock.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import { Invitations } from "#control-plane/users/invitations.ts";
import { Members } from "#control-plane/users/members.ts";
import { openKeySite, PEPPER } from "../accounts/key-site.ts";

test("an account has a thousand open invitations at most; those that are over do not count", async () => {
  await using site = await openKeySite();
  const { db, audit, account } = site;
  const announce = () => Promise.resolve();
  const members = new Members({ db, audit, announce });
  const invitations = new Invitations({ db, audit, announce, members, pepper: PEPPER });
  const wish = { account, email: null, roles: [], createdBy: null, expiresAtMs: wallMs() + 60_000 };
  for (let n = 0; n < 1000; n++) await invitations.create(wish);
  await invitations.create({ ...wish, expiresAtMs: wallMs() - 1 }).then(
    () => expect.unreachable(),
    (error: unknown) => expect(error).toBeInstanceOf(ConflictError),
  );
  const [first] = await invitations.open(account);
  expect(await invitations.revoke(account, first?.id ?? "")).toBe(true);
  await invitations.create({ ...wish, expiresAtMs: wallMs() - 1 });
  await invitations.create(wish);
  expect(await invitations.open(account)).toHaveLength(1000);
});
