/** How the cost of a request grows with what there is: keys in the store, keys in use, routes, connections. The gateway with everything on. */
import { fullConfig, makeKey } from "#bench/contenders/gateway.ts";
import { CLIENT_HEADERS, PATH } from "#bench/contenders/contender.ts";
import { stockKeys } from "#bench/contenders/many-keys.ts";
import { runLoad } from "#bench/load/run.ts";
import type { LoadRequest } from "#bench/load/types.ts";
import { measure } from "#bench/measure.ts";
import { pinned, SERVER_CORE } from "#bench/parts/pin.ts";
import { median, rounded } from "#bench/parts/statistics.ts";
import type { Stage } from "#bench/stage.ts";
import { type Gateway, type GatewayOptions, startGateway } from "#test/support/process.ts";
import type { Recorder, Row, SuiteOptions } from "./suite.ts";

const KEYS = [10, 1_000, 100_000, 1_000_000];
const KEYS_IN_USE = [10, 1_000, 100_000];
const ROUTES = [10, 100, 1_000, 10_000];
const CONNECTIONS = [1, 10, 100, 1_000, 10_000];
const START_TIMEOUT_MS = 120_000;

export async function growth(stage: Stage, options: SuiteOptions, recorder: Recorder): Promise<void> {
  const step = async (name: string, run: () => Promise<Row>) => {
    if (!options.only.test(name)) return;
    try {
      recorder.add({ suite: "growth", ...(await run()) });
    } catch (error) {
      recorder.failed(name, error instanceof Error ? error.message : String(error));
    }
  };
  for (const keys of KEYS) await step("keys", () => withKeys(stage, options, keys));
  for (const used of KEYS_IN_USE) await step("keys in use", () => withKeysInUse(stage, options, used));
  for (const routes of ROUTES) await step("routes", () => withRoutes(stage, options, routes));
  for (const connections of CONNECTIONS) await step("connections", () => withConnections(stage, options, connections));
}

/** So many in the store; ten of them call. */
async function withKeys(stage: Stage, options: SuiteOptions, keys: number): Promise<Row> {
  const { dir, credentials } = await stockKeys(stage.dir, keys, 10);
  const begun = performance.now();
  await using gateway = await start(stage, { dir });
  const startMs = rounded(performance.now() - begun, 0);
  const figures = await figuresOf(gateway, options, { credentials });
  return { name: `${keys} keys in the store`, kind: "keys", size: keys, ...figures, startMs };
}

/** So many of them call in turn; a hundred thousand in the store, or as many as call. */
async function withKeysInUse(stage: Stage, options: SuiteOptions, used: number): Promise<Row> {
  const { dir, credentials } = await stockKeys(stage.dir, Math.max(used, 100_000), used);
  await using gateway = await start(stage, { dir });
  // Every credential has been seen.
  for (let asked = 0; asked < used; )
    asked += (
      await runLoad({
        url: gateway.url + PATH,
        headers: CLIENT_HEADERS,
        connections: 64,
        seconds: 5,
        credentials,
        skip: asked,
      })
    ).ok;
  const figures = await figuresOf(gateway, options, { credentials });
  return { name: `${used} keys in use`, kind: "keys in use", size: used, ...figures };
}

/** The one that is asked for is behind all others. */
async function withRoutes(stage: Stage, options: SuiteOptions, count: number): Promise<Row> {
  const others = Array.from({ length: count - 2 }, (_, n) => ({
    name: `r${n}`,
    match: { path: n % 2 === 0 ? `/service-${n}/items/{id}` : `/models-${n}/**` },
    upstream: "app",
  }));
  await using gateway = await start(stage, {}, others);
  const figures = await figuresOf(gateway, options, await asOneCaller(gateway));
  return { name: `${count} routes`, kind: "routes", size: count, ...figures };
}

async function withConnections(stage: Stage, options: SuiteOptions, connections: number): Promise<Row> {
  await using gateway = await start(stage, {});
  const figures = await figuresOf(gateway, { ...options, connections }, await asOneCaller(gateway));
  return { name: `${connections} connections`, kind: "connections", size: connections, ...figures };
}

async function asOneCaller(gateway: Gateway) {
  return { headers: { ...CLIENT_HEADERS, authorization: `Bearer ${await makeKey(gateway)}` } };
}

function start(stage: Stage, options: GatewayOptions, routes: readonly object[] = []): Promise<Gateway> {
  const config = fullConfig(stage, "auto", routes);
  return startGateway(config, { ...options, wrapper: pinned(SERVER_CORE), readyTimeoutMs: START_TIMEOUT_MS });
}

async function figuresOf(gateway: Gateway, options: SuiteOptions, more: Partial<LoadRequest>) {
  const { connections, seconds, rounds } = options;
  const request = { url: gateway.url + PATH, headers: CLIENT_HEADERS, connections, ...more };
  await runLoad({ ...request, seconds: 4 });
  const done = [];
  for (let round = 0; round < rounds; round++) done.push(await measure(gateway.pid, { ...request, seconds }));
  return {
    cpuMicrosPerRequest: rounded(median(done.map((one) => one.cpuMicrosPerRequest))),
    requestsPerSecond: rounded(median(done.map((one) => one.requestsPerSecond)), 0),
    p99Ms: rounded(median(done.map((one) => one.latencyMs.p99))),
  };
}
