/** Members on a real store: what is asked before a change holds when it is made. */
import { expect, test } from "vitest";
import { openKeySite } from "#test/control-plane/accounts/key-site.ts";
import { Members, type MemberRules } from "#control-plane/users/members.ts";
import { Users } from "#control-plane/users/users.ts";

class Refused extends Error {}

/** Of somebody who may change no BOSS. */
const rules: MemberRules = {
  permit: ({ roles }) => {
    if (roles.includes("BOSS")) throw new Refused();
  },
  manages: () => true,
};

test.each(["change", "remove"] as const)("nobody becomes more between the question and a %s", async (deed) => {
  await using site = await openKeySite();
  const { db, audit, account } = site;
  const parts = { db, audit, announce: () => Promise.resolve() };
  const members = new Members(parts);
  const user = await new Users(parts).create({ externalId: "ann", email: null, name: null });
  const other = await new Users(parts).create({ externalId: "ben", email: null, name: null });
  for (const one of [user, other])
    await members.add(account, one, { roles: ["VIEWER"], limits: null, isJoining: false });
  const promotion = members.change(account, user.id, { roles: ["BOSS"] }, null);
  const attempt =
    deed === "change"
      ? members.change(account, user.id, { roles: [] }, rules)
      : members.remove(account, user.id, rules);
  await expect(attempt).rejects.toBeInstanceOf(Refused);
  await promotion;
  expect(await members.find(account, user.id)).toMatchObject({ roles: ["BOSS"] });
});
