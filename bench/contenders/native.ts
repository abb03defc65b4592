/** Proxies that are no Node programs, each from its configuration in `peers/`. */
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { endProcess, startProgram, untilListening, versionOf } from "#bench/parts/child.ts";
import { SERVER_CORE } from "#bench/parts/pin.ts";
import { writePeerConfig } from "#bench/parts/peer-config.ts";
import { PEER_KEY, type Stage } from "#bench/stage.ts";
import { freePort } from "#test/support/server.ts";
import { CLIENT_HEADERS, type Contender, PATH, type Running, type Task } from "./contender.ts";

interface Native {
  readonly name: string;
  readonly task: Exclude<Task, "app">;
  readonly config: string;
  readonly program: "nginx" | "haproxy" | "caddy";
}

const VERSION_ARGUMENT = { nginx: "-v", haproxy: "-v", caddy: "version" } as const;
const START_ARGUMENTS = {
  nginx: (file: string) => ["-c", file],
  haproxy: (file: string) => ["-f", file],
  caddy: (file: string) => ["run", "--adapter", "caddyfile", "--config", file],
} as const;

const ALL: readonly Native[] = [
  { name: "HAProxy bare", task: "bare", config: "haproxy-bare.cfg", program: "haproxy" },
  { name: "HAProxy: key map, stick table", task: "key", config: "haproxy-key.cfg", program: "haproxy" },
  { name: "HAProxy: key, role, 3 rates, 2 quotas, log", task: "key", config: "haproxy-job.cfg", program: "haproxy" },
  { name: "HAProxy: JWT, stick table", task: "jwt", config: "haproxy-jwt.cfg", program: "haproxy" },
  { name: "nginx bare", task: "bare", config: "nginx.conf", program: "nginx" },
  { name: "Caddy bare", task: "bare", config: "Caddyfile", program: "caddy" },
];

export const NATIVE: readonly Contender[] = ALL.map((native) => ({
  name: native.name,
  task: native.task,
  own: false,
  version: () => versionOf(native.program, VERSION_ARGUMENT[native.program]),
  start: (stage: Stage) => start(stage, native),
}));

async function start(stage: Stage, { task, config, program }: Native): Promise<Running> {
  const port = await freePort();
  const file = writePeerConfig(config, { dir: stage.dir, port, upstream: `127.0.0.1:${stage.app.port}` });
  const log = openSync(join(stage.dir, "peer.log"), "w");
  const env = { GOMAXPROCS: "1", HOME: stage.dir };
  const child = startProgram(program, START_ARGUMENTS[program](file), { core: SERVER_CORE, env, stdout: log });
  closeSync(log);
  await untilListening(child, port);
  const credential = task === "key" ? PEER_KEY : stage.token;
  return {
    url: `http://127.0.0.1:${port}${PATH}`,
    pid: child.pid ?? -1,
    headers: { ...CLIENT_HEADERS, ...(task === "bare" ? {} : { authorization: `Bearer ${credential}` }) },
    [Symbol.asyncDispose]: () => endProcess(child),
  };
}
