/**
 * `npm run bench [-- --seconds 8 --connections 64]`: what a request costs, bare upstream first, then the gateway with less
 * and more switched on. The server under test has core 0 for itself; load and upstream share core 1 (taskset permitting).
 * CPU µs per request is the figure to compare; throughput is what one core of load could ask for.
 * Caveat: autocannon is a closed loop. Each connection waits for its answer before it sends again, so a stall also stops
 * the load, and the latencies shown are lower than what open traffic would see (coordinated omission). It does not judge.
 */
import { parseArgs } from "node:util";
import { measure, type Measurement } from "./measure.ts";
import { printTable, writeResults } from "./report.ts";
import { SCENARIOS } from "./scenarios.ts";

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "8" },
    connections: { type: "string", default: "64" },
  },
});

function positive(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`bench: --${name} must be a whole number above 0, not "${text}"`);
  process.exit(2);
}

const load = {
  seconds: positive("seconds", values.seconds),
  connections: positive("connections", values.connections),
};
const measurements: Measurement[] = [];
for (const scenario of SCENARIOS) {
  try {
    await using target = await scenario.start();
    measurements.push(await measure(scenario.name, target, load));
  } catch (error) {
    console.error(`bench: "${scenario.name}" could not be measured: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
}
printTable(measurements);
console.log(`\nWritten to ${writeResults(measurements, load)}`);
