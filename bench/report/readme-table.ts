/** The README's table of the peers suite, between its two marks. Pure. */
import type { Row } from "#bench/suites/suite.ts";

const BEGIN = "<!-- bench: made by npm run bench -- --publish -->";
const END = "<!-- /bench -->";

const COLUMNS = ["", "CPU µs per request", "requests/s", "p50 / p99 at half load, ms", "version"];

/** The text with the table of these rows in place of the one it has. */
export function withTable(text: string, rows: readonly Row[]): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`The README has no place for the table: ${BEGIN} … ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n\n${tableOf(rows)}\n\n${text.slice(end)}`;
}

function tableOf(rows: readonly Row[]): string {
  const lines = rows
    .filter(({ suite }) => suite === "peers")
    .map((row) => [
      row.own === true ? `**${row.name}**` : String(row.name),
      Number(row.cpuMicrosPerRequest).toFixed(1),
      Number(row.requestsPerSecond).toLocaleString("en-US"),
      `${Number(row.openP50Ms).toFixed(2)} / ${Number(row.openP99Ms).toFixed(2)}`,
      String(row.version),
    ]);
  const all = [COLUMNS, ...lines];
  const widths = COLUMNS.map((_, at) => Math.max(3, ...all.map((cells) => cells[at]?.length ?? 0)));
  const rule = widths.map((width, at) => (at === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [COLUMNS, rule, ...lines].map((cells) => line(cells, widths)).join("\n");
}

/** As the formatter has it. */
function line(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)));
  return `| ${padded.join(" | ")} |`;
}
