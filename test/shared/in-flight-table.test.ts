/** What a dead worker left: everything it had not settled comes back, once, and what it was writing only if the record is not there. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  createInFlight,
  InFlight,
  type JournalPosition,
  reservedUnits,
  takeLeftBehind,
} from "#shared/in-flight-table.ts";

/** Three cells of f64 each, behind one for the journal's segment. */
const SLOTS = (createInFlight(1).byteLength / 8 - 1) / 3;
const unwritten = () => false;
const written = () => true;

function nobody(): boolean {
  throw new Error("Nothing was being written");
}

test("reserved units and slots come back by table and place, and the row is empty then", () => {
  const buffer = createInFlight(2);
  const [other, mine] = [new InFlight(buffer, 0), new InFlight(buffer, 1)];
  other.add(7, 100);
  mine.add(0, 3);
  mine.add(41, Number.MAX_SAFE_INTEGER);
  mine.addSlot(0);
  mine.addSlot(2 ** 31);
  expect(takeLeftBehind(buffer, 1, nobody)).toEqual([
    { table: "counters", entry: 0, units: 3 },
    { table: "counters", entry: 41, units: Number.MAX_SAFE_INTEGER },
    { table: "slots", entry: 0, units: 1 },
    { table: "slots", entry: 2 ** 31, units: 1 },
  ]);
  expect(takeLeftBehind(buffer, 1, nobody)).toEqual([]);
  expect(takeLeftBehind(buffer, 0, nobody)).toEqual([{ table: "counters", entry: 7, units: 100 }]);
});

test.each([[written, []], [unwritten, [{ table: "counters", entry: 5, units: 9 }]]] as const)(
  "of a charge that was being written the units come back unless the record is there",
  (isWritten, back) => {
    const buffer = createInFlight(1);
    const mine = new InFlight(buffer, 0);
    const slots = [mine.add(5, 9), -1, mine.add(6, 0)];
    const open = mine.add(8, 2);
    const asked: JournalPosition[] = [];
    mine.charging(slots, { segment: 3, bytes: 8_000_000_000 });
    const left = takeLeftBehind(buffer, 0, (position) => {
      asked.push(position);
      return isWritten();
    });
    expect(left).toEqual([...back, { table: "counters", entry: 8, units: 2 }]);
    expect(asked).toEqual([{ segment: 3, bytes: 8_000_000_000 }]);
    expect(open).toBeGreaterThanOrEqual(0);
  },
); // biome-ignore format: one table

test("of charges that were being written together those come back whose own record is not there", () => {
  const buffer = createInFlight(1);
  const mine = new InFlight(buffer, 0);
  const [first, second, third] = [[mine.add(1, 10)], [mine.add(2, 20), mine.add(3, 30)], [mine.add(4, 40)]];
  mine.charging(first, { segment: 2, bytes: 8 });
  mine.charging(second, { segment: 2, bytes: 100 });
  mine.charging(third, { segment: 2, bytes: 200 });
  const asked: JournalPosition[] = [];
  const left = takeLeftBehind(buffer, 0, (position) => {
    asked.push(position);
    return position.bytes < 200;
  });
  expect(left).toEqual([{ table: "counters", entry: 4, units: 40 }]);
  expect(asked).toEqual([8, 100, 200].map((bytes) => ({ segment: 2, bytes })));
});

test("units taken off for a charge are put back unless the record is there", () => {
  for (const isWritten of [written, unwritten]) {
    const buffer = createInFlight(1);
    const mine = new InFlight(buffer, 0);
    const slots = [mine.add(5, 4), mine.addTakenOff(5, 9), mine.addTakenOff(0, 1)];
    expect(reservedUnits(buffer)).toEqual(new Map([[5, -5], [0, -1]])); // biome-ignore format: pairs
    mine.charging(slots, { segment: 1, bytes: 8 });
    const left = takeLeftBehind(buffer, 0, isWritten);
    expect(left.map(({ table, entry, units }) => `${table} ${entry} ${units}`)).toEqual(
      isWritten() ? [] : ["counters 5 4", "counters 5 -9", "counters 0 -1"],
    );
  }
});

test("beyond its room a row notes nothing and breaks nothing; what is cleared makes room again", () => {
  const buffer = createInFlight(2);
  const mine = new InFlight(buffer, 0);
  const slots = Array.from({ length: SLOTS }, (_, index) => mine.add(index, 1));
  expect([mine.add(1, 5), mine.addSlot(1)]).toEqual([-1, -1]);
  mine.change(-1, 5);
  mine.clear([-1]);
  mine.charging([-1], { segment: 1, bytes: 8 });
  mine.clear(slots.slice(0, 2));
  expect([mine.add(7, 5), mine.add(7, 6), mine.add(7, 7)].filter((slot) => slot === -1)).toHaveLength(1);
  const left = takeLeftBehind(buffer, 0, nobody);
  expect(left).toHaveLength(SLOTS);
  expect(left.reduce((sum, { units }) => sum + units, 0)).toBe(SLOTS - 2 + 5 + 6);
  expect(takeLeftBehind(buffer, 1, nobody)).toEqual([]);
});

test("a new worker begins with an empty row", () => {
  const buffer = createInFlight(1);
  new InFlight(buffer, 0).add(1, 1);
  expect(new InFlight(buffer, 0).add(2, 2)).toBe(0);
  expect(takeLeftBehind(buffer, 0, nobody)).toEqual([{ table: "counters", entry: 2, units: 2 }]);
});

test("any sequence of notes equals a plain list", () => {
  const step = fc.oneof(
    fc.record({ act: fc.constant("add"), entry: fc.integer({ min: 0, max: 9 }), units: fc.integer({ min: 1, max: 99 }) }),
    fc.record({ act: fc.constantFrom("change", "clear", "slot"), entry: fc.integer({ min: 0, max: 9 }), units: fc.integer({ min: 1, max: 99 }) }),
  ); // biome-ignore format: one choice
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const buffer = createInFlight(1);
      const mine = new InFlight(buffer, 0);
      const model = new Map<number, { readonly table: string; readonly entry: number; readonly units: number }>();
      for (const { act, entry, units } of steps) {
        const known = [...model].filter(([, { table }]) => table === "counters").at(entry - 10)?.[0];
        if (act === "add") model.set(mine.add(entry, units), { table: "counters", entry, units });
        else if (act === "slot") model.set(mine.addSlot(entry), { table: "slots", entry, units: 1 });
        else if (known !== undefined && act === "change") {
          mine.change(known, units);
          model.set(known, { table: "counters", entry: model.get(known)?.entry ?? 0, units });
        } else if (known !== undefined) {
          mine.clearOne(known);
          model.delete(known);
        }
      }
      const counters = [...model.values()].filter(({ table }) => table === "counters");
      const sums = new Map<number, number>();
      for (const { entry, units } of counters) sums.set(entry, (sums.get(entry) ?? 0) + units);
      expect(reservedUnits(buffer)).toEqual(sums);
      const order = (list: readonly unknown[]) => list.map((one) => JSON.stringify(one)).sort();
      expect(order(takeLeftBehind(buffer, 0, nobody))).toEqual(order([...model.values()]));
    }),
  );
});
