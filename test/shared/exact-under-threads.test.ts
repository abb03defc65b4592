/** 10,000 attempts of real threads against a limit with L left let exactly L through: every kind of limit, from 1, 2 and 4 threads. */
import { beforeAll, describe, expect, test } from "vitest";
import { bucketOf } from "#core/limits.ts";
import { CounterTable } from "#shared/counter-table.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import type { Job } from "./hammer-jobs.ts";
import { type Answer, stagesOnThreads, sumOf } from "./threads.ts";
import { MONTH } from "./windows.ts";

const ATTEMPTS = 10_000;
const NOW_NS = 5_000_000_000n;
const NOW_MS = 5_000;

interface Stage {
  readonly name: string;
  readonly job: Job;
  /** What all threads together came to. */
  check(answers: readonly Answer[]): void;
}

function used(table: SharedArrayBuffer, name: string): number {
  const counters = new CounterTable(table, 1);
  return counters.used(counters.key(name, MONTH));
}

/** Of `fitting` that fit, so many get through and the others do not. */
function expectExactly(answers: readonly Answer[], fitting: number, refused: "over" | "empty"): void {
  expect(sumOf(answers, "taken")).toBe(fitting);
  expect(sumOf(answers, refused)).toBe(ATTEMPTS - fitting);
  expect([sumOf(answers, "overshoots"), sumOf(answers, "full")]).toEqual([0, 0]);
}

function counterStage(attempts: number, units: number): Stage {
  const table = createTable(1024, 2);
  const limit = 5_003;
  return {
    name: `a counter, ${units} each`,
    job: { kind: "counter", table, keys: ["a"], attempts, units, limit, giveBack: "none" },
    check: (answers) => {
      const fitting = Math.floor(limit / units);
      expectExactly(answers, fitting, "over");
      expect(used(table, "a")).toBe(fitting * units);
    },
  };
}

function gaugeStages(attempts: number): readonly Stage[] {
  const table = createTable(1024, 2);
  const limit = 10_001;
  const job = { kind: "gauge", table, key: "g", attempts, units: 3, limit } as const;
  const exactly = (sum: number) => (answers: readonly Answer[]) =>
    expect([sumOf(answers, "units"), sumOf(answers, "overshoots")]).toEqual([sum, 0]);
  const small = createTable(1024, 2);
  return [
    { name: "a gauge that is filled, whoever takes the rest", job: { ...job, way: "up" }, check: exactly(limit) },
    { name: "a gauge that is emptied", job: { ...job, way: "off" }, check: exactly(-limit) },
    {
      name: "a gauge that goes up and down at its limit and at nought",
      job: { ...job, table: small, limit: 4, way: "both" },
      check: (answers) => {
        expect(sumOf(answers, "overshoots")).toBe(0);
        expect(used(small, "g")).toBe(sumOf(answers, "units"));
      },
    },
  ];
}

function bucketStage(attempts: number, cost: number): Stage {
  const table = createTable(1024, 1);
  const figures = { limit: 60, perMs: 60_000, burst: 777 };
  return {
    name: `a token bucket, ${cost} each`,
    job: { kind: "bucket", table, keys: ["a"], attempts, cost, ...figures, nowNs: NOW_NS, giveBack: "none" },
    check: (answers) => expectExactly(answers, Math.floor(777 / cost), "empty"),
  };
}

/** `extra` 0: a fixed window, else a sliding one. */
function windowStage(attempts: number, cost: number, extra: number): Stage {
  const table = createTable(1024, 1);
  const limit = 3_001;
  const times = { nowMs: NOW_MS, untilMs: NOW_MS + 1_000 };
  return {
    name: `a ${extra === 0 ? "fixed" : "sliding"} window, ${cost} each`,
    job: { kind: "window", table, keys: ["a"], attempts, cost, limit, extra, ...times, giveBack: "none" },
    check: (answers) => {
      const fitting = Math.floor((limit - extra) / cost);
      expectExactly(answers, fitting, "empty");
      const rates = new RateTable(table, 1);
      expect(rates.window(rates.key("a"), NOW_MS)).toEqual({ taken: fitting * cost, untilMs: times.untilMs });
    },
  };
}

function slotStages(attempts: number): readonly Stage[] {
  const table = createTable(1024, 1);
  const job = { kind: "slots", table, attempts, limit: 2, inside: new SharedArrayBuffer(8) } as const;
  const slots = new SlotTable(table, 1);
  return [
    {
      name: "slots that come and go: never more than the limit at once, and all are free in the end",
      job: { ...job, keys: ["a", "b"], keeps: false },
      check: (answers) => {
        expect([sumOf(answers, "overshoots"), sumOf(answers, "full")]).toEqual([0, 0]);
        expect(sumOf(answers, "taken") + sumOf(answers, "over")).toBe(ATTEMPTS);
        expect(["a", "b"].map((key) => slots.held(slots.key(key)))).toEqual([0, 0]);
      },
    },
    {
      name: "slots that are kept",
      job: { ...job, keys: ["c"], limit: 321, inside: new SharedArrayBuffer(4), keeps: true },
      check: (answers) => {
        expectExactly(answers, 321, "over");
        expect(slots.held(slots.key("c"))).toBe(321);
      },
    },
  ];
}

/** Takes and rollbacks: what is left in the end is what was kept. */
function rollbackStages(attempts: number): readonly Stage[] {
  const [counters, rates] = [createTable(1024, 2), createTable(1024, 1)];
  const keys = ["a", "b", "c", "d", "e"];
  const times = { nowMs: NOW_MS, untilMs: NOW_MS + 1_000 };
  return [
    {
      name: "counters with rollbacks",
      job: { kind: "counter", table: counters, keys, attempts, units: 3, limit: 1_000, giveBack: "half" },
      check: (answers) => {
        expect(sumOf(answers, "overshoots")).toBe(0);
        expect(keys.reduce((sum, key) => sum + used(counters, key), 0)).toBe(sumOf(answers, "taken") * 3);
      },
    },
    {
      name: "windows with rollbacks",
      job: {
        kind: "window",
        table: rates,
        keys,
        attempts,
        cost: 3,
        limit: 1_000,
        extra: 7,
        ...times,
        giveBack: "half",
      },
      check: (answers) => {
        expect(sumOf(answers, "overshoots")).toBe(0);
        const table = new RateTable(rates, 1);
        const taken = keys.map((key) => table.window(table.key(key), NOW_MS).taken);
        expect(taken.reduce((sum, units) => sum + units, 0)).toBe(sumOf(answers, "taken") * 3);
      },
    },
    {
      name: "buckets with rollbacks",
      job: {
        kind: "bucket", table: rates, keys: ["x", "y"], attempts, cost: 2, limit: 60, perMs: 60_000, burst: 5_000, nowNs: NOW_NS, giveBack: "half",
      }, // biome-ignore format: one job
      check: (answers) => {
        const table = new RateTable(rates, 1);
        const bucket = bucketOf(60, 60_000, 5_000);
        const left = ["x", "y"].map((key) => table.left(table.key(key), bucket, NOW_NS));
        expect(left.reduce((sum, tokens) => sum + tokens, 0)).toBe(10_000 - sumOf(answers, "taken") * 2);
      },
    },
    {
      name: "the last unit, given back at once each time",
      job: {
        kind: "counter",
        table: counters,
        keys: ["last"],
        attempts: attempts * 4,
        units: 1,
        limit: 1,
        giveBack: "all",
      },
      check: (answers) => {
        expect([sumOf(answers, "overshoots"), sumOf(answers, "taken"), used(counters, "last")]).toEqual([0, 0, 0]);
      },
    },
  ];
}

describe.each([1, 2, 4])("from %i threads", (threads) => {
  const attempts = ATTEMPTS / threads;
  const stages = [
    counterStage(attempts, 1),
    counterStage(attempts, 7),
    ...gaugeStages(attempts),
    bucketStage(attempts, 1),
    bucketStage(attempts, 5),
    windowStage(attempts, 1, 0),
    windowStage(attempts, 4, 0),
    windowStage(attempts, 1, 501),
    windowStage(attempts, 6, 502),
    ...slotStages(attempts),
    ...rollbackStages(attempts),
  ];
  const answers = new Map<Stage, readonly Answer[]>();

  beforeAll(async () => {
    const jobs = stages.map(({ job }) => job);
    const all = await stagesOnThreads(Array.from({ length: threads }, () => jobs));
    stages.forEach((stage, index) => answers.set(stage, all[index] ?? []));
  });

  test.each(stages)("$name", (stage) => {
    expect(answers.get(stage)).toHaveLength(threads);
    stage.check(answers.get(stage) ?? []);
  });
});
