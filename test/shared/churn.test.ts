/** Places that change hands under real threads: no key ever gets more than its own bucket, and a thread that dies leaves no place that nobody can use. */
import { describe, expect, test } from "vitest";
import { bucketOf } from "#core/limits.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import { ENTRIES } from "./crowd.ts";
import type { ChurnEvent } from "./hammer-jobs.ts";
import { logOf, onThreads, sumOf } from "./threads.ts";

const SECOND_NS = 1_000_000_000n;
const START_NS = 5n * SECOND_NS;
const LONG = process.env.TOLLGATE_LONG === "1";

test("4 threads that fight over the places of idle buckets never take more than the burst of any key", async () => {
  const table = createTable(16, 1);
  // Twice as many keys as places, all idle at START_NS: every claim takes a place over.
  const past = new RateTable(table, 1);
  const bucket = bucketOf(10, 1_000, 10);
  for (let i = 0; i < 200; i++) past.take(past.key(`old-${i}`), bucket, 1n, bucket.intervalNs);
  const keys = Array.from({ length: 80 }, (_, index) => `new-${index}`);
  const figures = { cost: 1, limit: 10, perMs: 1_000, burst: 10, nowNs: START_NS, giveBack: "none" } as const;
  const job = { kind: "bucket", table, keys, attempts: 4_000, ...figures } as const;
  const outcomes = await onThreads([job, job, job, job]);
  // Every place went to one new key, whose bucket was then emptied to its last token and not beyond.
  expect(sumOf(outcomes, "taken")).toBe(ENTRIES * 10);
  expect(sumOf(outcomes, "full")).toBe((80 - ENTRIES) * 200);
});

/**
 * The most tokens a key had beyond what `burst` and the time between allow; at most 0 when all is well. A thread that stood still between
 * its look at the clock and its take may find its bucket gone, full by then and taken over, and begin a new one: it took when it was done.
 */
function worstExcess(log: readonly ChurnEvent[], burst: number, intervalNs: bigint): number {
  let worst = Number.NEGATIVE_INFINITY;
  for (const events of Object.values(Object.groupBy(log, ({ key }) => key))) {
    const sorted = (events ?? []).toSorted((one, other) => Number(one.doneNs - other.doneNs));
    // The j-th was done at t[j], and none from the i-th on began before s[i]: at most burst + (t[j] - s[i]) / interval tokens.
    const begun = sorted.map(({ atNs }) => atNs);
    for (let i = begun.length - 2; i >= 0; i--) begun[i] = least(begun[i], begun[i + 1]);
    let earliest: bigint | null = null;
    for (const [index, { doneNs }] of sorted.entries()) {
      const before = BigInt(index) * intervalNs;
      const start: bigint = (begun[index] ?? doneNs) - before;
      if (earliest === null || start > earliest) earliest = start;
      const ahead = earliest - (doneNs - before);
      worst = Math.max(worst, Number(ceiling(ahead, intervalNs)) + 1 - burst);
    }
  }
  return worst;
}

function least(one = 0n, other = 0n): bigint {
  return one < other ? one : other;
}

function ceiling(value: bigint, by: bigint): bigint {
  return value > 0n ? (value + by - 1n) / by : value / by;
}

test("while time goes on and places change hands no key takes more than its burst and what came back", async () => {
  const [limit, perMs, burst] = [1, 1, 4];
  const { intervalNs } = bucketOf(limit, perMs, burst);
  const clock = new SharedArrayBuffer(8);
  new BigInt64Array(clock)[0] = START_NS;
  const keys = Array.from({ length: 96 }, (_, index) => `key-${index}`);
  const job = {
    kind: "churn", table: createTable(16, 1), keys, attempts: LONG ? 400_000 : 25_000, limit, perMs, burst, clock, stepNs: intervalNs / 40n,
  } as const; // biome-ignore format: one job
  const outcomes = await onThreads([job, job, job, job]);
  const log = logOf(outcomes);
  // Something of everything happened.
  for (const word of ["taken", "empty", "full"] as const) expect(sumOf(outcomes, word)).toBeGreaterThan(500);
  expect(worstExcess(log, burst, intervalNs)).toBeLessThanOrEqual(0);
});

test("the check above finds one token too many", () => {
  const events = [0n, 0n, 0n, 0n, 1_000n].map((atNs) => ({ key: "a", atNs, doneNs: atNs }));
  expect(worstExcess(events, 4, 1_000n)).toBe(0);
  expect(worstExcess([...events, { key: "a", atNs: 1_999n, doneNs: 1_999n }], 4, 1_000n)).toBe(1);
  // One that looked at the clock long before it took.
  expect(worstExcess([...events, { key: "a", atNs: 0n, doneNs: 2_000n }], 4, 1_000n)).toBe(0);
});

describe("a thread that dies with a place in its hands", () => {
  const DEAD = 2;
  const LATER_NS = START_NS + 100n * SECOND_NS;
  const texts = Array.from({ length: 200 }, (_, index) => `key-${index}`);

  // On a thread of its own: were the place lost, whoever looked for it would wait for ever.
  test("leaves a place that a bucket can use again, its former owner's too", async () => {
    const buffer = createTable(16, 1);
    const table = new RateTable(buffer, 1);
    const bucket = bucketOf(1, 1_000, 1);
    const keys = texts.filter((text) => table.take(table.key(text), bucket, START_NS, bucket.intervalNs) === "taken");
    const death = { kind: "die-in-takeover", of: "rates", table: buffer, key: "new", nowNs: LATER_NS } as const;
    expect(await onThreads([death])).toEqual([null]);
    table.releaseLocks(DEAD);
    const figures = { cost: 1, limit: 1, perMs: 1_000, burst: 1, nowNs: LATER_NS, giveBack: "none" } as const;
    const after = await onThreads([{ kind: "bucket", table: buffer, keys, attempts: keys.length, ...figures }]);
    expect(sumOf(after, "taken")).toBe(ENTRIES);
  });

  test("leaves a place that slots can use again, its former owner's too", async () => {
    const buffer = createTable(16, 1);
    const table = new SlotTable(buffer, 1);
    const places = texts
      .map((text) => [text, table.take(table.key(text), 1)] as const)
      .filter(([, place]) => place >= 0);
    for (const [, place] of places) table.giveBackAt(place);
    const death = { kind: "die-in-takeover", of: "slots", table: buffer, key: "new", nowNs: 0n } as const;
    expect(await onThreads([death])).toEqual([null]);
    table.releaseLocks(DEAD);
    const keys = places.map(([text]) => text);
    const inside = new SharedArrayBuffer(4 * keys.length);
    const after = await onThreads([
      { kind: "slots", table: buffer, keys, attempts: keys.length, limit: 1, inside, keeps: true },
    ]);
    expect(sumOf(after, "taken")).toBe(ENTRIES);
  });
});
