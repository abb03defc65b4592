/**
 * `npm run bench [-- --suite peers,growth,sizes,idle,identity --only REGEX --seconds 5 --rounds 3 --connections 64 --publish]`: what a request costs,
 * here and with peers, in one run. The server under test has core 0 for itself; load and app share core 1 (taskset permitting).
 * CPU µs per request is the figure to compare; throughput is what one core of load could ask for. Closed load understates latency (a
 * stall also stops the load); the columns of open load do not. It measures and prints; it does not judge but for the goals' lines.
 */
import { parseArgs } from "node:util";
import { canPin } from "./parts/pin.ts";
import { goalLines } from "./report/ratios.ts";
import { publish, writeResults } from "./report/results.ts";
import { tableOf } from "./report/table.ts";
import { openStage } from "./stage.ts";
import { growth } from "./suites/growth.ts";
import { identity } from "./suites/identity.ts";
import { idle } from "./suites/idle.ts";
import { peers } from "./suites/peers.ts";
import { sizes } from "./suites/sizes.ts";
import type { Row, Suite } from "./suites/suite.ts";

const SUITES: Readonly<Record<string, Suite>> = { peers, growth, sizes, idle, identity };

const { values } = parseArgs({
  options: {
    suite: { type: "string", default: "peers" },
    only: { type: "string", default: "" },
    seconds: { type: "string", default: "5" },
    rounds: { type: "string", default: "3" },
    connections: { type: "string", default: "64" },
    publish: { type: "boolean", default: false },
  },
});

function usage(message: string): never {
  console.error(`bench: ${message}`);
  process.exit(2);
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  return usage(`--${name} must be a whole number above 0, not "${text}"`);
}

const names = values.suite === "all" ? Object.keys(SUITES) : values.suite.split(",");
for (const name of names)
  if (!Object.hasOwn(SUITES, name))
    usage(`--suite must be one of ${Object.keys(SUITES).join(", ")} or all, not "${name}"`);
const options = {
  seconds: positive("seconds", values.seconds),
  rounds: positive("rounds", values.rounds),
  connections: positive("connections", values.connections),
  only: new RegExp(values.only, "i"),
};

const rows: Row[] = [];
const recorder = {
  add: (row: Row) => {
    rows.push(row);
    console.error(`  ${String(row.name)}: ${String(row.cpuMicrosPerRequest ?? row.kibibytesPerConnection)}`);
  },
  failed: (name: string, reason: string) => {
    console.error(`bench: "${name}" was not measured: ${reason}`);
    if (reason !== "not installed") process.exitCode = 1;
  },
};
await using stage = await openStage();
for (const name of names) await SUITES[name]?.(stage, options, recorder);

for (const name of names) console.log(`\n${tableOf(rows.filter(({ suite }) => suite === name))}`);
if (!canPin) console.log("Not pinned to cores: compare with care.");
for (const line of goalLines(rows)) console.log(line);
const { only: _only, ...settings } = options;
console.log(`\nWritten to ${writeResults(rows, settings)}`);
if (values.publish) console.log(`Published in ${publish(rows, settings)}`);
