/** Slots of concurrency limits: as many as the limit at once, free when given back, and places of nobody go to whoever comes. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";

const ALL_TAKEN = -1;
const NO_PLACE = -2;

test("any sequence of takes and returns equals plain numbers", () => {
  const step = fc.record({
    key: fc.constantFrom("a", "b", "c"),
    limit: fc.option(fc.integer({ min: 1, max: 4 })),
    returns: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const table = new SlotTable(createTable(64, 1), 1);
      const held = new Map<string, number[]>();
      for (const { key, limit, returns } of steps) {
        const places = held.get(key) ?? [];
        held.set(key, places);
        const mine = returns ? places.pop() : undefined;
        const fits = limit === null || places.length < limit;
        const place = mine === undefined ? table.take(table.key(key), limit) : mine;
        expect(mine === undefined && !fits ? place : ALL_TAKEN).toBe(ALL_TAKEN);
        expect(mine === undefined && fits ? place : 0).toBeGreaterThanOrEqual(0);
        if (mine !== undefined) table.giveBackAt(mine);
        else if (place >= 0) places.push(place);
        expect(table.held(table.key(key))).toBe(places.length);
      }
    }),
  );
});

test("a full table refuses a new key, and gives it the place of one with nobody under way", () => {
  const table = new SlotTable(createTable(16, 1), 1);
  const keys = Array.from({ length: 200 }, (_, index) => table.key(`key-${index}`));
  const places = keys.map((key) => table.take(key, 1));
  const [known, others] = [
    keys.filter((_, index) => (places[index] ?? -2) >= 0),
    keys.filter((_, index) => places[index] === NO_PLACE),
  ];
  expect([known.length, others.length]).toEqual([32, 168]);
  for (const key of others) expect([table.take(key, 1), table.held(key)]).toEqual([NO_PLACE, 0]);
  for (const key of known) expect([table.take(key, 1), table.held(key)]).toEqual([ALL_TAKEN, 1]);
  for (const place of places) if (place >= 0) table.giveBackAt(place);
  const later = others.map((key) => table.take(key, 1));
  expect(later.filter((place) => place >= 0)).toHaveLength(32);
  for (const key of known) expect([table.take(key, 1), table.held(key)]).toEqual([NO_PLACE, 0]);
});

test("an entry that is not there holds nothing", () => {
  const table = new SlotTable(createTable(16, 1), 1);
  expect(table.held(table.key("nobody"))).toBe(0);
});
