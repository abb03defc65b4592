/** Rates in shared memory: one that counts is never evicted, an idle one gives its place away and loses nothing. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Bucket, bucketOf } from "#core/limits.ts";
import { RateTable, WINDOW_COUNT_MAX } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";

const SECOND_NS = 1_000_000_000n;
const START_NS = 5n * SECOND_NS;
const START_MS = 5_000;

function rates(buffer = createTable(1024, 1)): RateTable {
  return new RateTable(buffer, 1);
}

function take(table: RateTable, text: string, bucket: Bucket, nowNs: bigint, cost = 1): string {
  return table.take(table.key(text), bucket, nowNs, bucket.intervalNs * BigInt(cost));
}

const CROWD = Array.from({ length: 200 }, (_, index) => `key-${index}`);
const PLACES = 32;

describe("a table without room", () => {
  test("refuses new buckets and keeps every one of its own", () => {
    const table = rates(createTable(16, 1));
    const bucket = bucketOf(10, 1_000, 3);
    const live = CROWD.filter((key) => take(table, key, bucket, START_NS) === "taken");
    expect(live).toHaveLength(PLACES);
    for (const key of CROWD) {
      const known = live.includes(key);
      expect(take(table, key, bucket, START_NS)).toBe(known ? "taken" : "full");
      expect(table.left(table.key(key), bucket, START_NS)).toBe(known ? 1 : 3);
    }
  });

  test("refuses new windows and keeps every one of its own, to its last millisecond", () => {
    const table = rates(createTable(16, 1));
    const untilMs = START_MS + 1_000;
    const count = (key: string, nowMs: number) => table.takeWindow(table.key(key), 1, 3, 0, nowMs, nowMs + 1_000);
    const live = CROWD.filter((key) => count(key, START_MS) === "taken");
    expect(live).toHaveLength(PLACES);
    const others = CROWD.filter((key) => !live.includes(key));
    expect(others.filter((key) => count(key, untilMs - 1) !== "full")).toEqual([]);
    for (const key of live) expect(table.window(table.key(key), untilMs - 1)).toEqual({ taken: 1, untilMs });
    expect(others.filter((key) => count(key, untilMs + 1) === "taken")).toHaveLength(PLACES);
  });

  test("gives the place of an idle bucket to a new key, and that of one that is not full again to nobody", () => {
    const table = rates(createTable(16, 1));
    const bucket = bucketOf(1, 1_000, 2);
    const live = CROWD.filter((key) => take(table, key, bucket, START_NS) === "taken");
    const others = CROWD.filter((key) => !live.includes(key));
    const busy = live.slice(0, 4);
    for (const key of busy) expect(take(table, key, bucket, START_NS)).toBe("taken");
    // After 1.5 s the others are full again, the busy ones lack a token.
    const later = START_NS + (3n * SECOND_NS) / 2n;
    expect(others.filter((key) => take(table, key, bucket, later) === "taken")).toHaveLength(PLACES - busy.length);
    for (const key of busy) expect(table.left(table.key(key), bucket, later)).toBe(1);
  });

  test("keeps the limits of those it knows through a flood of 100,000 keys, at the size it has", () => {
    const buffer = createTable(1024, 1);
    const table = rates(buffer);
    const bucket = bucketOf(1, 60_000, 10);
    const clients = Array.from({ length: 100 }, (_, index) => `client-${index}`);
    clients.forEach((key, index) => expect(take(table, key, bucket, START_NS, 1 + (index % 9))).toBe("taken"));
    let placed = 0;
    for (let index = 0; index < 100_000; index++) {
      if (take(table, `flood-${index}`, bucket, START_NS + BigInt(index)) === "taken") placed++;
    }
    expect(placed).toBe(1024 - clients.length);
    clients.forEach((key, index) => expect(table.left(table.key(key), bucket, START_NS)).toBe(9 - (index % 9)));
    expect(buffer.byteLength).toBe((16 + 64 + 1024 * 4) * 4 + 1024 * 8);
  });
});

describe("tokens given back", () => {
  test("are there again, and given back to a bucket that is gone change nothing", () => {
    const table = rates();
    const bucket = bucketOf(1, 1_000, 3);
    const [mine, gone] = [table.key("mine"), table.key("gone")];
    expect(take(table, "mine", bucket, START_NS, 3)).toBe("taken");
    expect(take(table, "mine", bucket, START_NS)).toBe("empty");
    table.giveBack(mine, 2n * bucket.intervalNs);
    table.giveBack(gone, bucket.intervalNs);
    expect(table.left(mine, bucket, START_NS)).toBe(2);
    expect(take(table, "mine", bucket, START_NS, 2)).toBe("taken");
    expect(take(table, "mine", bucket, START_NS)).toBe("empty");
  });

  test("to a window leave what others took, and to the next window nothing", () => {
    const table = rates();
    const key = table.key("mine");
    const untilMs = START_MS + 1_000;
    for (const cost of [3, 2]) expect(table.takeWindow(key, cost, 5, 0, START_MS, untilMs)).toBe("taken");
    table.giveBackWindow(key, 3, untilMs);
    expect(table.window(key, START_MS).taken).toBe(2);
    expect(table.takeWindow(key, 5, 5, 0, untilMs, untilMs + 1_000)).toBe("taken");
    table.giveBackWindow(key, 2, untilMs);
    expect(table.window(key, untilMs).taken).toBe(5);
  });
});

test("any sequence of keys, costs, instants and rollbacks equals independent buckets that are never evicted", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 40 }),
    pauseMs: fc.integer({ min: 0, max: 400 }),
    cost: fc.integer({ min: 1, max: 3 }),
    back: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = rates(createTable(16, 1));
      const bucket = bucketOf(5, 1_000, 3);
      const model = new Map<number, number>();
      let nowMs = 10_000;
      for (const { key, pauseMs, cost, back } of steps) {
        nowMs += pauseMs;
        const outcome = take(table, String(key), bucket, BigInt(nowMs) * 1_000_000n, cost);
        // A token comes back each 200 ms; `full` says nothing was counted.
        if (outcome === "full") continue;
        const from = Math.max(model.get(key) ?? 0, nowMs);
        const fits = from + 200 * cost - nowMs <= 600;
        expect(outcome).toBe(fits ? "taken" : "empty");
        if (fits && back) table.giveBack(table.key(String(key)), bucket.intervalNs * BigInt(cost));
        model.set(key, fits && !back ? from + 200 * cost : from);
      }
    }),
  );
});

test("any sequence of keys, costs, instants and rollbacks equals independent windows that are never evicted", () => {
  const step = fc.record({
    key: fc.integer({ min: 0, max: 40 }),
    pauseMs: fc.integer({ min: 0, max: 60 }),
    cost: fc.integer({ min: 1, max: 3 }),
    extra: fc.integer({ min: 0, max: 2 }),
    back: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const table = rates(createTable(16, 1));
      const model = new Map<number, { taken: number; untilMs: number }>();
      let nowMs = 10_000;
      for (const { key: number, pauseMs, cost, extra, back } of steps) {
        nowMs += pauseMs;
        const key = table.key(String(number));
        const outcome = table.takeWindow(key, cost, 5, extra, nowMs, nowMs + 500);
        if (outcome === "full") continue;
        const known = model.get(number);
        const isOver = known === undefined || known.untilMs <= nowMs || known.taken === 0;
        const window = isOver ? { taken: 0, untilMs: nowMs + 500 } : known;
        const fits = window.taken + extra + cost <= 5;
        expect(outcome).toBe(fits ? "taken" : "empty");
        if (fits && back) table.giveBackWindow(key, cost, window.untilMs);
        const taken = window.taken + (fits && !back ? cost : 0);
        // One that was refused at once may or may not have begun: nothing counts in it.
        expect(table.window(key, nowMs)).toMatchObject(taken > 0 ? { taken, untilMs: window.untilMs } : { taken });
        model.set(number, { ...window, taken });
      }
    }),
  );
});

test("a window holds the largest count and the latest time there can be", () => {
  const table = rates();
  const key = table.key("large");
  // Eight years of uptime and a year to go.
  const nowMs = 8 * 365 * 86_400_000;
  const untilMs = nowMs + 200 * 86_400_000;
  expect(table.takeWindow(key, WINDOW_COUNT_MAX - 1, WINDOW_COUNT_MAX, 0, nowMs, untilMs)).toBe("taken");
  expect(table.takeWindow(key, 1, WINDOW_COUNT_MAX, 0, nowMs, untilMs)).toBe("taken");
  expect(table.takeWindow(key, 1, WINDOW_COUNT_MAX, 0, nowMs, untilMs)).toBe("empty");
  expect(table.window(key, nowMs)).toEqual({ taken: WINDOW_COUNT_MAX, untilMs });
});
