/** Bodies of 1 KiB to 100 MiB, down and up, through the gateway with everything on: bytes a second, and processor time of a mebibyte. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startReadingApp } from "#bench/app/start.ts";
import { fullConfig, makeKey } from "#bench/contenders/gateway.ts";
import { CLIENT_HEADERS, PATH } from "#bench/contenders/contender.ts";
import { runLoad } from "#bench/load/run.ts";
import type { LoadRequest } from "#bench/load/types.ts";
import { measure } from "#bench/measure.ts";
import { pinned, SERVER_CORE, SIDE_CORE } from "#bench/parts/pin.ts";
import { median, rounded } from "#bench/parts/statistics.ts";
import type { Stage } from "#bench/stage.ts";
import { startGateway } from "#test/support/process.ts";
import type { Recorder, SuiteOptions } from "./suite.ts";

const KIB = 1024;
const MIB = KIB * KIB;
const SIZES = [KIB, 16 * KIB, 256 * KIB, 4 * MIB, 100 * MIB];
/** Large bodies fill the sockets with few connections. */
const CONNECTIONS_MAX_LARGE = 8;

export async function sizes(stage: Stage, options: SuiteOptions, recorder: Recorder): Promise<void> {
  await bodies("down", stage, options, recorder);
  await using app = await startReadingApp(SIDE_CORE);
  await bodies("up", { ...stage, app }, options, recorder);
}

async function bodies(way: "down" | "up", stage: Stage, options: SuiteOptions, recorder: Recorder): Promise<void> {
  const files = join(stage.dir, "files");
  mkdirSync(files, { recursive: true });
  if (way === "down" && stage.app.kind !== "nginx") return recorder.failed("bodies down", "needs nginx as the app");
  await using gateway = await startGateway(fullConfig(stage, "auto"), { wrapper: pinned(SERVER_CORE) });
  const headers = { ...CLIENT_HEADERS, authorization: `Bearer ${await makeKey(gateway)}` };
  for (const bytes of SIZES) {
    const name = `${sizeText(bytes)} ${way}`;
    if (!options.only.test(name)) continue;
    writeFileSync(join(files, `${bytes}`), Buffer.alloc(bytes, "bench "));
    const connections = bytes < MIB ? options.connections : Math.min(CONNECTIONS_MAX_LARGE, options.connections);
    const up = { url: gateway.url + PATH, method: "POST", bodyBytes: bytes };
    const down = { url: `${gateway.url}/files/${bytes}` };
    const request = { headers, connections, ...(way === "up" ? up : down) };
    try {
      recorder.add({ suite: "sizes", name, way, bytes, ...(await figuresOf(gateway.pid, request, bytes, options)) });
    } catch (error) {
      recorder.failed(name, error instanceof Error ? error.message : String(error));
    }
  }
}

async function figuresOf(pid: number, request: Omit<LoadRequest, "seconds">, bytes: number, options: SuiteOptions) {
  await runLoad({ ...request, seconds: 2 });
  const done = [];
  for (let round = 0; round < options.rounds; round++)
    done.push(await measure(pid, { ...request, seconds: options.seconds }));
  const cpu = median(done.map((one) => one.cpuMicrosPerRequest));
  return {
    gigabytesPerSecond: rounded(median(done.map((one) => one.requestsPerSecond * bytes)) / 1e9, 3),
    cpuMicrosPerRequest: rounded(cpu),
    cpuMicrosPerMebibyte: rounded((cpu * MIB) / bytes),
    serverCores: rounded(median(done.map((one) => one.serverCores))),
  };
}

function sizeText(bytes: number): string {
  return bytes < MIB ? `${bytes / KIB} KiB` : `${bytes / MIB} MiB`;
}
