/** Token buckets: exact under real threads; a live bucket is never evicted, an idle one gives its place away and loses nothing. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bucketOf } from "#core/limits.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { onThreads, sumOf } from "./threads.ts";

const SECOND_NS = 1_000_000_000n;
const START_NS = 5n * SECOND_NS;

function rates(buffer = createTable(1024, 1)): RateTable {
  return new RateTable(buffer, 1);
}

test("10,000 attempts from 4 threads at one instant take exactly the burst", async () => {
  const table = createTable(1024, 1);
  const job = {
    kind: "rate", table, keys: ["a"], attempts: 2_500, limit: 60, perMs: 60_000, burst: 777, nowNs: START_NS,
  } as const; // biome-ignore format: one job
  const outcomes = await onThreads([job, job, job, job]);
  expect([sumOf(outcomes, "taken"), sumOf(outcomes, "empty"), sumOf(outcomes, "full")]).toEqual([777, 9_223, 0]);
});

test("4 threads that fight over the places of idle buckets never take more than the burst of any key", async () => {
  const table = createTable(16, 1);
  // Twice as many keys as places, all idle at START_NS: every claim takes a place over.
  const past = rates(table);
  const bucket = bucketOf(10, 1_000, 10);
  for (let i = 0; i < 200; i++) past.take(past.key(`old-${i}`), bucket, 1n);
  const keys = Array.from({ length: 80 }, (_, index) => `new-${index}`);
  const job = {
    kind: "rate", table, keys, attempts: 4_000, limit: 10, perMs: 1_000, burst: 10, nowNs: START_NS,
  } as const; // biome-ignore format: one job
  const outcomes = await onThreads([job, job, job, job]);
  // Every place went to one new key, whose bucket was then emptied to its last token and not beyond.
  expect(sumOf(outcomes, "taken")).toBe(32 * 10);
  expect(sumOf(outcomes, "full")).toBe((80 - 32) * 200);
});

test("a set of live buckets refuses a new key and keeps every one of its own", () => {
  const table = rates(createTable(16, 1));
  const bucket = bucketOf(10, 1_000, 3);
  const keys = Array.from({ length: 200 }, (_, index) => table.key(`key-${index}`));
  const live = keys.filter((key) => table.take(key, bucket, START_NS) === "taken");
  expect(live).toHaveLength(32);
  for (const key of keys) {
    const known = live.includes(key);
    expect(table.take(key, bucket, START_NS)).toBe(known ? "taken" : "full");
    expect(table.left(key, bucket, START_NS)).toBe(known ? 1 : 3);
  }
});

test("an idle bucket gives its place to a new key, one that is not full again does not", () => {
  const table = rates(createTable(16, 1));
  const bucket = bucketOf(1, 1_000, 2);
  const keys = Array.from({ length: 200 }, (_, index) => table.key(`key-${index}`));
  const live = keys.filter((key) => table.take(key, bucket, START_NS) === "taken");
  const others = keys.filter((key) => !live.includes(key));
  const busy = live.slice(0, 4);
  for (const key of busy) expect(table.take(key, bucket, START_NS)).toBe("taken");
  // After 1.5 s the others are full again, the busy ones lack a token.
  const later = START_NS + (3n * SECOND_NS) / 2n;
  const newcomers = others.filter((key) => table.take(key, bucket, later) === "taken");
  expect(newcomers).toHaveLength(32 - busy.length);
  for (const key of busy) expect(table.left(key, bucket, later)).toBe(1);
});

test("a token given back is there again, and one given back to a bucket that is gone changes nothing", () => {
  const table = rates();
  const bucket = bucketOf(1, 1_000, 1);
  const [mine, gone] = [table.key("mine"), table.key("gone")];
  expect(table.take(mine, bucket, START_NS)).toBe("taken");
  expect(table.take(mine, bucket, START_NS)).toBe("empty");
  table.giveBack(mine, bucket);
  table.giveBack(gone, bucket);
  expect(table.waitNs(mine, bucket, START_NS)).toBe(0n);
  expect(table.take(mine, bucket, START_NS)).toBe("taken");
  expect(table.take(mine, bucket, START_NS)).toBe("empty");
});

test("any sequence of keys, instants and rollbacks equals independent buckets that are never evicted", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 40 }),
    pauseMs: fc.integer({ min: 0, max: 400 }),
    back: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = rates(createTable(16, 1));
      const bucket = bucketOf(5, 1_000, 3);
      const model = new Map<number, number>();
      let nowMs = 10_000;
      for (const { key, pauseMs, back } of steps) {
        nowMs += pauseMs;
        const outcome = table.take(table.key(String(key)), bucket, BigInt(nowMs) * 1_000_000n);
        // A token comes back each 200 ms; `full` says nothing was counted.
        if (outcome === "full") continue;
        const from = Math.max(model.get(key) ?? 0, nowMs);
        const fits = from + 200 - nowMs <= 600;
        expect(outcome).toBe(fits ? "taken" : "empty");
        if (fits && back) table.giveBack(table.key(String(key)), bucket);
        model.set(key, fits && !back ? from + 200 : from);
      }
    }),
  );
});
