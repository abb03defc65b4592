/** Shows rows of one suite as a table. Pure. */
import type { Row } from "#bench/suites/suite.ts";

/** Columns are the figures of the first row, in its order; `suite` and what says nothing new are left out. */
export function tableOf(rows: readonly Row[]): string {
  const [first] = rows;
  if (first === undefined) return "";
  const columns = Object.keys(first).filter((column) => column !== "suite" && column !== "kind" && column !== "own");
  const cells = [columns, ...rows.map((row) => columns.map((column) => String(row[column] ?? "")))];
  const widths = columns.map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  return cells
    .map((line) =>
      line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
    )
    .join("\n");
}
