/** Gateways and proxies for Node, each from its script in `peers/node/`, where `npm install --prefix bench/peers/node` has been run. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { endProcess, startProgram, untilListening } from "#bench/parts/child.ts";
import { SERVER_CORE } from "#bench/parts/pin.ts";
import { PEER_KEY, type Stage } from "#bench/stage.ts";
import { freePort } from "#test/support/server.ts";
import { CLIENT_HEADERS, type Contender, PATH, type Running, type Task } from "./contender.ts";

const PEERS = join(import.meta.dirname, "..", "peers", "node");

interface NodePeer {
  readonly name: string;
  readonly task: Exclude<Task, "app">;
  readonly script: string;
  readonly module: string;
}

const ALL: readonly NodePeer[] = [
  { name: "http-proxy-3 bare", task: "bare", script: "http-proxy-3.mjs", module: "http-proxy-3" },
  { name: "@fastify/http-proxy bare", task: "bare", script: "fastify-http-proxy.mjs", module: "@fastify/http-proxy" },
  {
    name: "@fastify/http-proxy: key map, rate limit",
    task: "key",
    script: "fastify-http-proxy.mjs",
    module: "@fastify/rate-limit",
  },
  {
    name: "@fastify/http-proxy: JWT, rate limit",
    task: "jwt",
    script: "fastify-http-proxy.mjs",
    module: "@fastify/jwt",
  },
  { name: "fast-gateway bare", task: "bare", script: "fast-gateway.mjs", module: "fast-gateway" },
  { name: "express-gateway bare", task: "bare", script: "express-gateway.mjs", module: "express-gateway" },
];

export const NODE_PEERS: readonly Contender[] = ALL.map((peer) => ({
  name: peer.name,
  task: peer.task,
  own: false,
  version: () => installedVersion(peer.module),
  start: (stage: Stage) => start(stage, peer),
}));

function installedVersion(module: string): string | null {
  const file = join(PEERS, "node_modules", module, "package.json");
  return existsSync(file) ? (/"version":\s*"([^"]+)"/.exec(readFileSync(file, "utf8"))?.[1] ?? "unknown") : null;
}

async function start(stage: Stage, { task, script }: NodePeer): Promise<Running> {
  const port = await freePort();
  const args = [join(PEERS, script), String(port), stage.app.url, task, stage.dir];
  const env = { NODE_ENV: "production", NODE_NO_WARNINGS: "1" };
  const child = startProgram(process.execPath, args, { core: SERVER_CORE, env, cwd: PEERS });
  await untilListening(child, port);
  const credential = task === "key" ? PEER_KEY : stage.token;
  return {
    url: `http://127.0.0.1:${port}${PATH}`,
    pid: child.pid ?? -1,
    headers: { ...CLIENT_HEADERS, ...(task === "bare" ? {} : { authorization: `Bearer ${credential}` }) },
    [Symbol.asyncDispose]: () => endProcess(child),
  };
}
