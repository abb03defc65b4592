/** Figures of a gateway's `/metrics`. */
import type { Gateway } from "./process.ts";

/** The value of one series; `series` is its name, with its labels as Prometheus writes them. 0 when it is not there. */
export async function metricOf(gateway: Gateway, series: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${series} `));
  return line === undefined ? 0 : Number(line.slice(series.length + 1));
}
