/** What docs and README show of the benchmark is what its published results say. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { chartOf } from "#bench/report/chart.ts";
import { withTable } from "#bench/report/readme-table.ts";
import { CHART, publishedRows, README } from "#bench/report/results.ts";

const rows = publishedRows();

test("the chart is made from docs/bench.jsonl", () => {
  expect(readFileSync(CHART, "utf8")).toBe(chartOf(rows));
});

test("the README's table is made from docs/bench.jsonl", () => {
  const text = readFileSync(README, "utf8");
  expect(text).toBe(withTable(text, rows));
});

test("every published figure says when, where and of which commit it is", () => {
  for (const { about } of rows)
    expect(about).toMatchObject({
      date: expect.any(String),
      commit: expect.stringMatching(/^[0-9a-f]{7,40}(?:-dirty)?$/),
      node: expect.any(String),
      load: expect.any(String),
      machine: { cpu: expect.any(String), cores: expect.any(Number) },
    });
});
