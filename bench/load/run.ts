/** Runs a load on the side core and reads its counts. An answer that is not 2xx makes figures worthless, so it is an error. */
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { startProgram, startScript, versionOf } from "#bench/parts/child.ts";
import { SIDE_CORE } from "#bench/parts/pin.ts";
import type { LoadCounts, LoadRequest } from "./types.ts";

const wrkVersion = versionOf("wrk", "-v");

/** What makes closed load here. */
export const closedLoadTool = wrkVersion === null ? "autocannon" : `wrk ${wrkVersion}`;

export async function runLoad(request: LoadRequest): Promise<LoadCounts> {
  const counts = await anyLoad(request);
  if (counts.ok === 0 || counts.notOk > 0 || counts.errors > 0)
    throw new Error(`${counts.ok} answers were 2xx, ${counts.notOk} were not, ${counts.errors} connections failed`);
  return counts;
}

/** As `runLoad`, whatever the answers are. */
async function anyLoad(request: LoadRequest): Promise<LoadCounts> {
  const child = start(request);
  if (child.stdout === null) throw new Error("The load's output is not a pipe");
  const line = (await text(child.stdout)).split("\n").findLast((one) => one.startsWith("{"));
  if (line === undefined) throw new Error("The load process failed");
  // A load prints a LoadCounts and nothing else that begins so.
  return JSON.parse(line) as LoadCounts;
}

function start(request: LoadRequest) {
  if (request.rate !== undefined) return startScript(SIDE_CORE, "load/open.ts", JSON.stringify(request));
  if (wrkVersion === null) return startScript(SIDE_CORE, "load/autocannon.ts", JSON.stringify(request));
  const { url, headers, connections, seconds, credentials, skip, method, bodyBytes } = request;
  const lines = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}`,
    "--timeout",
    "20s",
    "-s",
    join(import.meta.dirname, "wrk.lua"),
  ];
  const env = {
    METHOD: method ?? "GET",
    BODY_BYTES: String(bodyBytes ?? 0),
    ...(credentials === undefined ? {} : { CREDENTIALS: credentials, SKIP: String(skip ?? 0) }),
  };
  return startProgram("wrk", [...args, ...lines, url], { core: SIDE_CORE, env, stdout: "pipe" });
}
