/** Which counters a charge moves: every shape that any plan knows, once, the account's first, under names that no two of them share. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { counterName, grantCounterName, holderOf, shapeKey, shapesOf } from "#shared/counter-shapes.ts";
import { BASE, settingsOf } from "#test/config/faults-of.ts";
import { windowOf } from "./windows.ts";

function shapes(rest: string): Readonly<Record<string, readonly string[]>> {
  const all = [...shapesOf(settingsOf(`${BASE}${rest}`))];
  return Object.fromEntries(
    all.map(([meter, list]) => [
      meter,
      list.map(({ by, window, op }) => `${by} ${window.kind} ${window.timeZone} ${window.day} ${op}`),
    ]),
  );
}

test("all plans' shapes count for everybody, each once", () => {
  const plans = `
meters: { calls: {}, other: {} }
plans:
  one: { default: true, quotas: { calls: [{ limit: 1, per: day }, { limit: 2, per: month, by: user }] } }
  two: { quotas: { calls: [{ limit: 9, per: day, exceed: warn }, { limit: 2, per: month, day: 15 }, { limit: 3, per: day, timeZone: Europe/Berlin }] } }
`;
  expect(shapes(plans)).toEqual({
    calls: [
      "account day UTC 1 add",
      "account month UTC 15 add",
      "account day Europe/Berlin 1 add",
      "user month UTC 1 add",
    ],
    other: ["account month UTC 1 add"],
  });
});

test("what no plan limits for the account is counted by the month, a gauge for ever; ops follow the meter", () => {
  const meters = `
timeZone: Asia/Tokyo
meters: { peak: { aggregate: max, from: duration }, seats: { aggregate: last }, disk: { aggregate: last, from: upstream }, calls: { aggregate: count } }
plans: { one: { default: true, quotas: { seats: { limit: 1, per: lifetime, by: key } } } }
`;
  expect(shapes(meters)).toEqual({
    peak: ["account month Asia/Tokyo 1 max"],
    seats: ["account lifetime Asia/Tokyo 1 add", "key lifetime Asia/Tokyo 1 add"],
    disk: ["account lifetime Asia/Tokyo 1 set"],
    calls: ["account month Asia/Tokyo 1 add"],
  });
});

test.each([
  ["account", "k", "u", ""],
  ["key", "k", "u", "key:k"],
  ["key", "", "u", null],
  ["user", "k", "u", "user:u"],
  ["user", "k", "", null],
] as const)("by %s, key %j and user %j: %j", (by, key, user, expected) => {
  expect(holderOf(by, key, user)).toBe(expected);
});

test("counters of other accounts, meters, holders, windows and grants have other names", () => {
  const id = fc.stringMatching(/^[A-Za-z0-9_]{1,3}$/);
  const counter = fc.record({
    account: id,
    meter: id,
    by: fc.constantFrom("account", "key", "user"),
    who: id,
    kind: fc.constantFrom("day", "month"),
    day: fc.constantFrom(1, 2),
    atMs: fc.constantFrom(0, 86_400_000 * 40),
  } as const);
  const nameOf = ({
    account,
    meter,
    by,
    who,
    kind,
    day,
    atMs,
  }: typeof counter extends fc.Arbitrary<infer T> ? T : never) => {
    const window = windowOf(kind, atMs);
    const name = counterName(
      account,
      shapeKey(meter, by, { kind, timeZone: "UTC", day }),
      holderOf(by, who, who) ?? "",
      window,
    );
    return { name, parts: JSON.stringify([account, meter, by, by === "account" ? "" : who, kind, day, window]) };
  };
  fc.assert(
    fc.property(counter, counter, (one, other) => {
      const [first, second] = [nameOf(one), nameOf(other)];
      expect(first.name === second.name).toBe(first.parts === second.parts);
      expect(first.name).not.toBe(grantCounterName(other.account));
    }),
    { numRuns: 1_000 },
  );
});
