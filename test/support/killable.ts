/** Ends worker threads of a real gateway, as a bug in them would. Does not start gateways: process.ts does. */
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Gateway, GatewayOptions } from "./process.ts";
import { until } from "./until.ts";

export interface Killer extends Disposable {
  /** For the one gateway whose workers it ends. */
  readonly options: GatewayOptions;
  /** Ends every worker that lives now; resolves when all are replaced. */
  killWorkers(gateway: Gateway): Promise<void>;
}

const PRELOAD = join(import.meta.dirname, "killable-worker.ts");
const REPLACED_MS = 10_000;

export function workerKiller(): Killer {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-kill-"));
  return {
    options: { env: { NODE_OPTIONS: `--import ${PRELOAD}`, TOLLGATE_TEST_KILL_DIR: dir } },
    async killWorkers(gateway) {
      const replaced = () => gateway.logs().filter(({ event }) => event === "worker-replaced").length;
      const before = replaced();
      const sockets = readdirSync(dir);
      await Promise.all(sockets.map((name) => end(join(dir, name))));
      const all = () => replaced() >= before + sockets.length;
      await until("all workers are replaced", all, REPLACED_MS);
    },
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** The worker that listens on this socket; an uncaught exception leaves the socket's file behind. */
async function end(path: string): Promise<void> {
  const socket = connect(path);
  await once(socket, "close");
  rmSync(path, { force: true });
}
