/** Whom a limit belongs to: any list of what there is of a caller, the nearest thing where something is missing, and nobody passes for another. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { RateKey } from "#config/settings.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { dependsOnAddress, limitKey } from "#data-plane/policy/limit-keys.ts";
import { runtimeOf } from "./limit-site.ts";
import { accountOf, callerOf } from "./limit-worker.ts";

const runtime = runtimeOf("routes: [{ name: all, match: { path: /all }, upstream: app }]");
const account = accountOf("acct");
const byKey = callerOf(runtime, account);
const byToken = callerOf(runtime, account, { user: "u1", claims: { "claim:org": "o1" } });

function keyOf(by: readonly RateKey[], principal: Principal | null, address = "192.0.2.1"): string {
  return limitKey(by, { routeName: "all", principal, address });
}

test.each([
  [["account"], byKey, "|account:acct"],
  [["key"], byKey, "|key:key_1"],
  [["user"], byToken, "|user:acct:u1"],
  [["plan"], byKey, "|plan:default"],
  [["route"], byKey, "|route:all"],
  [["ip"], byKey, "|ip:192.0.2.1"],
  [["claim:org"], byToken, "|claim:org:acct:o1"],
  [["account", "route", "ip"], byKey, "|account:acct|route:all|ip:192.0.2.1"],
  // What is missing: the nearest thing that is there.
  [["key"], byToken, "|user:acct:u1"],
  [["user"], byKey, "|key:key_1"],
  [["claim:org"], byKey, "|key:key_1"],
  [["account"], null, "|ip:192.0.2.1"],
  [["key", "route"], null, "|ip:192.0.2.1|route:all"],
] as const)("by %j: %s", (by, principal, expected) => {
  expect(keyOf(by, principal)).toBe(expected);
});

test.each([
  ["2001:db8:1:2:aaaa::1", "2001:db8:1:2:ffff:1:2:3", true],
  ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
  ["192.0.2.1", "192.0.2.2", false],
])("%s and %s share a limit by ip: %s", (one, other, shared) => {
  expect(keyOf(["ip"], null, one) === keyOf(["ip"], null, other)).toBe(shared);
});

test("the address matters where it is named, and for strangers wherever anything but the route is", () => {
  const answers = ([by, principal]: readonly [readonly RateKey[], Principal | null]) => dependsOnAddress(by, principal);
  expect(([[["ip"], byKey], [["account", "ip"], byKey], [["key"], null], [["route", "plan"], null]] as const).map(answers)).toEqual([true, true, true, true]);
  expect(([[["account", "route"], byKey], [["route"], null]] as const).map(answers)).toEqual([false, false]);
}); // biome-ignore format: pairs

test("two callers share a key only when they are alike in everything it names", () => {
  const name = fc.stringMatching(/^[a-z0-9]{1,3}$/);
  const someone = fc
    .record({ account: name, user: fc.option(name), key: name, org: fc.option(name) })
    .map(({ account: id, user, key, org }) => {
      const claims = org === null ? {} : { "claim:org": org };
      return callerOf(runtime, accountOf(id), { user, keyId: user === null ? `${id}-${key}` : null, claims });
    });
  const by = fc.uniqueArray(fc.constantFrom<RateKey>("account", "user", "key", "claim:org"), { minLength: 1 });
  fc.assert(
    fc.property(by, someone, someone, (list, one, other) => {
      // A user, a key and a claim belong to an account.
      const isShared = keyOf(list, one) === keyOf(list, other);
      expect(isShared && one.account.id !== other.account.id).toBe(false);
      expect(isShared).toBe(list.every((key) => keyOf([key], one) === keyOf([key], other)));
    }),
    { numRuns: 500 },
  );
});
