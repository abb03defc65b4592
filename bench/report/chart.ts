/** The README's chart: processor time of a request, as bars, one for each contender of the peers suite. SVG as text. Pure. */
import type { Row } from "#bench/suites/suite.ts";

const WIDTH = 860;
const NAME_WIDTH = 360;
const BAR_HEIGHT = 18;
const GAP = 8;
const TOP = 56;

/** From rows as `docs/bench.jsonl` has them. */
export function chartOf(rows: readonly Row[]): string {
  const bars = rows.filter(({ suite, task }) => suite === "peers" && task !== "app");
  const sorted = bars.toSorted((a, b) => costOf(a) - costOf(b));
  const most = Math.max(...sorted.map(costOf));
  const height = TOP + sorted.length * (BAR_HEIGHT + GAP) + 16;
  const lines = sorted.map((row, at) => bar(row, TOP + at * (BAR_HEIGHT + GAP), most));
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-labelledby="t">
<title id="t">Processor time of one request, in microseconds</title>
<rect width="100%" height="100%" fill="#fff"/>
<text x="12" y="24" font-size="16" font-weight="600" fill="#111">CPU µs per request (less is better)</text>
<text x="12" y="42" fill="#555">One core each, 64 connections, one run of npm run bench; docs/bench.jsonl has the figures.</text>
${lines.join("\n")}
</svg>
`;
}

function bar(row: Row, y: number, most: number): string {
  const cost = costOf(row);
  const width = Math.max(1, Math.round(((WIDTH - NAME_WIDTH - 90) * cost) / most));
  const fill = row.own === true ? "#0b6e4f" : "#9aa5b1";
  const middle = y + BAR_HEIGHT - 5;
  return [
    `<text x="${NAME_WIDTH - 8}" y="${middle}" text-anchor="end" fill="#111">${escaped(String(row.name))}</text>`,
    `<rect x="${NAME_WIDTH}" y="${y}" width="${width}" height="${BAR_HEIGHT}" rx="2" fill="${fill}"/>`,
    `<text x="${NAME_WIDTH + width + 6}" y="${middle}" fill="#111">${cost.toFixed(1)}</text>`,
  ].join("");
}

function costOf(row: Row): number {
  return Number(row.cpuMicrosPerRequest);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
