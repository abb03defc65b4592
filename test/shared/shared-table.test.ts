/** The table under counters and rates: keys are told apart, places are found again, locks of the dead are opened. */
import { expect, test } from "vitest";
import { createTable, SharedTable } from "#shared/shared-table.ts";
import { onThreads } from "./threads.ts";

const never = () => false;
const HEADER_WORDS = 16;

function locks(buffer: SharedArrayBuffer): readonly number[] {
  const [, sets = 0] = new Int32Array(buffer);
  return [...new Int32Array(buffer, HEADER_WORDS * 4, sets)];
}

test("a buffer that is no table is refused", () => {
  expect(() => new SharedTable(new SharedArrayBuffer(1024), 1)).toThrow("the buffer holds no table");
});

test("capacity is at least what was asked for, rounded up to a power of two", () => {
  const capacities = [1, 16, 17, 1_000, 4_096].map((entries) => new SharedTable(createTable(entries, 1), 1).capacity);
  expect(capacities).toEqual([32, 32, 32, 1_024, 4_096]);
});

test("two views of one buffer see the same keys, and 10,000 keys have 10,000 places", () => {
  const buffer = createTable(64 * 1024, 1);
  const [writer, reader] = [new SharedTable(buffer, 1), new SharedTable(buffer, 2)];
  const texts = Array.from({ length: 10_000 }, (_, index) => `key-${index}`);
  const places = texts.map((text, index) => writer.claim(writer.key(text), [BigInt(index)], never));
  expect(new Set(places).size).toBe(10_000);
  texts.forEach((text, index) => {
    const found = reader.find(reader.key(text));
    expect([found, reader.load(found, 0)]).toEqual([places[index], BigInt(index)]);
  });
  expect(reader.find(reader.key("key-10000"))).toBe(-1);
});

test("a remembered place that was given to another key is not taken for the own one", () => {
  const table = new SharedTable(createTable(16, 1), 1);
  const keys = Array.from({ length: 200 }, (_, index) => table.key(`key-${index}`));
  const first = keys.filter((key) => table.claim(key, [1n], never) >= 0);
  const second = keys.filter((key) => !first.includes(key) && table.claim(key, [2n], () => true) >= 0);
  expect(second.length).toBeGreaterThan(32);
  const found = keys.filter((key) => table.find(key) >= 0);
  expect(found).toHaveLength(32);
  for (const key of found) expect(table.holds(table.find(key), key)).toBe(true);
});

test("places depend on the table's own seed", () => {
  const [one, other] = [1, 2].map(() => new SharedTable(createTable(64, 1), 1).key("same"));
  expect(one).not.toEqual(other);
});

test("the lock of a thread that died inside is opened for the others, and only the dead one's", async () => {
  const buffer = createTable(16, 1);
  const table = new SharedTable(buffer, 1);
  const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`);
  for (const key of keys) table.claim(table.key(key), [0n], never);
  const strangers = Array.from({ length: 20 }, (_, index) => `stranger-${index}`);
  expect(await onThreads([{ kind: "die-in-lock", table: buffer, keys: strangers }])).toEqual([null]);
  const DEAD = 2;
  expect(locks(buffer).filter((lock) => lock !== 0)).toEqual([DEAD]);
  table.releaseLocks(DEAD + 1, never);
  expect(locks(buffer)).toContain(DEAD);
  table.releaseLocks(DEAD, never);
  expect(locks(buffer)).toEqual([0, 0]);
  expect(table.claim(table.key("stranger-0"), [7n], () => true)).toBeGreaterThanOrEqual(0);
  expect(table.load(table.find(table.key("stranger-0")), 0)).toBe(7n);
});

test("a sweep frees what it is told to and counts the rest", () => {
  const table = new SharedTable(createTable(1024, 1), 1);
  for (let index = 0; index < 100; index++) table.claim(table.key(`key-${index}`), [BigInt(index)], never);
  expect(table.sweep((entry) => table.load(entry, 0) < 30n)).toBe(70);
  expect(table.find(table.key("key-29"))).toBe(-1);
  expect(table.load(table.find(table.key("key-30")), 0)).toBe(30n);
});
