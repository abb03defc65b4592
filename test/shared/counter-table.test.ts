/** Quota counters: kept apart by name, swept only when nobody can count in them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type CounterKey, CounterTable } from "#shared/counter-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { onThreads, sumOf } from "./threads.ts";
import { MONTH, windowOf } from "./windows.ts";

const HOUR_MS = 3_600_000;

function counters(buffer = createTable(1024, 2)): CounterTable {
  return new CounterTable(buffer, 1);
}

const NONE: ReadonlySet<number> = new Set();

test("4 threads that insert the same 2,000 keys at once make each exactly once", async () => {
  const table = createTable(64 * 1024, 2);
  const keys = Array.from({ length: 2_000 }, (_, index) => `account-${index}`);
  const job = { kind: "counter", table, keys, attempts: 2_000, units: 1, limit: null, giveBack: "none" } as const;
  const outcomes = await onThreads([job, job, job, job]);
  expect(sumOf(outcomes, "taken")).toBe(8_000);
  const reader = counters(table);
  // A key inserted twice would hide the units of one place behind the other.
  expect(keys.filter((key) => reader.used(reader.key(key, MONTH)) !== 4)).toEqual([]);
  expect(reader.sweep(MONTH.startMs, NONE)).toBe(2_000);
});

test("a full set refuses a new counter and keeps the ones it has", () => {
  const table = counters(createTable(16, 2));
  const keys = Array.from({ length: 200 }, (_, index) => table.key(`account-${index}`, MONTH));
  const taken = keys.filter((key) => table.take(key, 2, 10) === "taken");
  expect(taken).toHaveLength(table.capacity);
  for (const key of keys) {
    const known = taken.includes(key);
    expect([table.take(key, 1, 10), table.used(key)]).toEqual(known ? ["taken", 3] : ["full", 0]);
  }
});

test("a sweep frees windows that ended an hour ago and no others", () => {
  const table = counters();
  const past = windowOf("hour", 10 * HOUR_MS);
  const current = windowOf("hour", 12 * HOUR_MS);
  const old = table.key("past", past);
  const live = table.key("current", current);
  for (const key of [old, live]) table.take(key, 5, null);
  expect(table.sweep(past.endMs + HOUR_MS, NONE)).toBe(2);
  expect([table.used(old), table.used(live)]).toEqual([5, 5]);
  expect(table.sweep(past.endMs + HOUR_MS + 1, NONE)).toBe(1);
  expect([table.used(old), table.used(live)]).toEqual([0, 5]);
  table.giveBack(old, 5);
  expect([table.used(old), table.used(live)]).toEqual([0, 5]);
});

test("a freed place is used again, with nothing left of what was counted there", () => {
  const table = counters(createTable(16, 2));
  const past = windowOf("hour", 0);
  const fill = (window: typeof past) =>
    Array.from({ length: 200 }, (_, index) => table.take(table.key(`account-${index}`, window), 9, 10));
  fill(past);
  expect(table.sweep(past.endMs + HOUR_MS + 1, NONE)).toBe(0);
  const outcomes = fill(windowOf("hour", 3 * HOUR_MS));
  expect(outcomes.filter((outcome) => outcome === "taken")).toHaveLength(table.capacity);
  expect(outcomes).not.toContain("over");
});

test("a rollback after a refused second take leaves the first counter as it was", () => {
  const table = counters();
  const [day, month] = [table.key("day", windowOf("day", 0)), table.key("month", MONTH)];
  table.take(month, 10, 10);
  expect(table.take(day, 1, 100)).toBe("taken");
  expect(table.take(month, 1, 10)).toBe("over");
  table.giveBack(day, 1);
  expect([table.used(day), table.used(month)]).toEqual([0, 10]);
});

test("a window is kept an hour after its end, one longer than an hour for 26", () => {
  const table = counters();
  const [hour, day] = [windowOf("hour", 0), windowOf("day", 0)];
  for (const window of [hour, day]) table.take(table.key(window.kind, window), 1, null);
  expect(table.sweep(day.endMs + 26 * HOUR_MS, NONE)).toBe(1);
  expect(table.used(table.key("day", day))).toBe(1);
  expect(table.sweep(day.endMs + 26 * HOUR_MS + 1, NONE)).toBe(0);
});

interface Step {
  readonly name: string;
  readonly act: "take" | "takeUpTo" | "takeOff" | "add" | "raise" | "set" | "giveBack" | "giveBackAt";
  readonly units: number;
  readonly limit: number;
}

/** What a step does to a plain number, and what it says. */
function plain(used: number, { act, units, limit }: Step): readonly [used: number, says: unknown] {
  const room = Math.max(0, Math.min(units, limit - used));
  const there = Math.max(0, Math.min(units, used));
  switch (act) {
    case "take":
      return used + units <= limit ? [used + units, "taken"] : [used, "over"];
    case "takeUpTo":
      return [used + room, room];
    case "takeOff":
      return [used - there, there];
    case "add":
      return [used + units, true];
    case "raise":
      return [Math.max(used, units), true];
    case "set":
      return [units, true];
    case "giveBack":
    case "giveBackAt":
      return [used - units, undefined];
  }
}

/** What the table says to a step. */
function real(table: CounterTable, key: CounterKey, { act, units, limit }: Step): unknown {
  if (act !== "giveBackAt") return table[act](key, units, limit);
  table.used(key);
  return table.giveBackAt(key.entry, units);
}

test("any sequence of changes equals plain numbers in a map, and says how many units were there before", () => {
  const act = fc.constantFrom("take", "takeUpTo", "takeOff", "add", "raise", "set", "giveBack", "giveBackAt");
  const units = fc.oneof(fc.integer({ min: 0, max: 1_000 }), fc.integer({ min: 0, max: 2 ** 52 }));
  const step = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    act,
    units,
    limit: fc.integer({ min: 0, max: 3_000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const table = counters(createTable(64, 2));
      const model = new Map<string, number>();
      for (const one of steps) {
        const key = table.key(one.name, MONTH);
        const before = model.get(one.name);
        // Nobody gives back to a counter that was never there, or so much that numbers are no longer exact.
        if (one.act.startsWith("giveBack") && (before === undefined || before < one.units)) continue;
        if (one.act === "add" && (before ?? 0) > 2 ** 52) continue;
        const [after, says] = plain(before ?? 0, one);
        expect(real(table, key, one)).toBe(says);
        expect(table.used(key)).toBe(after);
        const isTold = says === "taken" || one.act === "add";
        expect(isTold ? table.before : 0).toBe(isTold ? (before ?? 0) : 0);
        // What takes nothing off a counter that was never there does not make it.
        if (before !== undefined || one.act !== "takeOff") model.set(one.name, after);
      }
    }),
  );
});

test("a place that somebody still holds units of is kept, however long its window is over", () => {
  const table = new CounterTable(createTable(64, 2), 1);
  const key = table.key("held", { kind: "minute", startMs: 0, endMs: 60_000 });
  table.take(key, 5, null);
  expect([table.sweep(9e12, new Set([key.entry])), table.used(key)]).toEqual([1, 5]);
  expect(table.sweep(9e12, NONE)).toBe(0);
});
