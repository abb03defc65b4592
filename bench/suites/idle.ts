/** What ten thousand idle keep-alive connections cost in memory, on each lane, and that a client beside them is served as before. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fullConfig, type Lane, makeKey } from "#bench/contenders/gateway.ts";
import { CLIENT_HEADERS, PATH } from "#bench/contenders/contender.ts";
import { measure } from "#bench/measure.ts";
import { residentBytes } from "#bench/parts/cpu.ts";
import { pinned, SERVER_CORE } from "#bench/parts/pin.ts";
import { rounded } from "#bench/parts/statistics.ts";
import type { Stage } from "#bench/stage.ts";
import { startGateway } from "#test/support/process.ts";
import type { Recorder, Row, SuiteOptions } from "./suite.ts";

const CONNECTIONS = 10_000;
const BATCH = 250;

export async function idle(stage: Stage, options: SuiteOptions, recorder: Recorder): Promise<void> {
  for (const lane of ["auto", "full"] as const) {
    if (!options.only.test(`idle ${lane}`)) continue;
    try {
      recorder.add(await heldBy(stage, options, lane));
    } catch (error) {
      recorder.failed(`idle ${lane}`, error instanceof Error ? error.message : String(error));
    }
  }
}

async function heldBy(stage: Stage, options: SuiteOptions, lane: Lane): Promise<Row> {
  await using gateway = await startGateway(fullConfig(stage, lane), { wrapper: pinned(SERVER_CORE) });
  const headers = { ...CLIENT_HEADERS, authorization: `Bearer ${await makeKey(gateway)}` };
  const load = { url: gateway.url + PATH, headers, connections: options.connections, seconds: options.seconds };
  // Code and heap have their working size before anything is compared.
  const before = await measure(gateway.pid, load);
  await pause(2000);
  const emptyBytes = residentBytes(gateway.pid);
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const request = `GET ${PATH} HTTP/1.1\r\nHost: a.test\r\n${lines.join("")}\r\n`;
  const sockets: Socket[] = [];
  while (sockets.length < CONNECTIONS)
    sockets.push(...(await Promise.all(Array.from({ length: BATCH }, () => rest(gateway.port, request)))));
  await pause(1000);
  const heldBytes = residentBytes(gateway.pid);
  const beside = await measure(gateway.pid, load);
  const open = sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length;
  for (const socket of sockets) socket.destroy();
  return {
    suite: "idle",
    name: `${CONNECTIONS} idle connections, ${lane === "auto" ? "fast" : "full"} lane`,
    connections: CONNECTIONS,
    stillOpen: open,
    kibibytesPerConnection: rounded((heldBytes - emptyBytes) / CONNECTIONS / 1024),
    residentMebibytes: rounded(heldBytes / 1024 / 1024, 0),
    cpuMicrosPerRequestWithout: rounded(before.cpuMicrosPerRequest),
    cpuMicrosPerRequestBeside: rounded(beside.cpuMicrosPerRequest),
    p99MsWithout: rounded(before.latencyMs.p99),
    p99MsBeside: rounded(beside.latencyMs.p99),
  };
}

/** A connection that has had one answer and says nothing more. */
async function rest(port: number, request: string): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  await once(socket, "connect");
  const answered = once(socket, "data");
  socket.write(request, "latin1");
  await answered;
  return socket;
}
