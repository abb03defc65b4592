/**
 * What the rows about exhaustion stand on: gateways of one lane, connections by the hundred, the memory of a process. Attacks nothing.
 * Every row is shown on both lanes in one run, whatever TOLLGATE_LANE says.
 */
import type { Lane } from "#test/support/lanes.ts";
import { readdirSync, readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import type { GatewayOptions } from "#test/support/process.ts";
import { ADMIN_TOKEN, type Scene, startScene } from "#test/support/scene.ts";
import type { UpstreamHandler } from "#test/support/upstream.ts";

type Json = Readonly<Record<string, unknown>>;

export interface DosOptions {
  readonly server?: Json;
  readonly limits?: Json;
  /** More keys of the upstream `app`. */
  readonly upstream?: Json;
  readonly config?: Json;
  readonly handler?: UpstreamHandler;
  /** Where requests go; left out, to the scene's own upstream. */
  readonly target?: string;
  readonly gateway?: GatewayOptions;
}

/** One worker, one upstream, `/open/**` for everybody and the rest for callers who are charged. */
export async function startDos(lane: Lane, options: DosOptions = {}): Promise<Scene> {
  const { server, limits = {}, upstream, config, handler = plain, target, gateway } = options;
  return await startScene({
    config: {
      server: { lane, workers: 1, adminToken: ADMIN_TOKEN, limits, ...server },
      routes: [
        { name: "open", match: { path: "/open/**" }, upstream: "app", auth: "none" },
        { name: "all", match: { path: "/**" }, upstream: "app", meters: { api_calls: 1 } },
      ],
      ...config,
    },
    handler,
    ...(upstream === undefined ? {} : { upstream }),
    ...(target === undefined ? {} : { target }),
    ...(gateway === undefined ? {} : { gateway }),
  });
}

const plain: UpstreamHandler = (_request, response) => void response.end("ok");

/** Connections without a byte, and what becomes of them. */
export class SilentCrowd implements Disposable {
  readonly #sockets = new Set<Socket>();
  closed = 0;

  /** Resolves when the kernel has them connected, or they have ended. */
  async add(port: number, count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#open(port)));
  }

  get open(): number {
    return this.#sockets.size;
  }

  #open(port: number): Promise<void> {
    const socket = connect({ port, host: "127.0.0.1" });
    this.#sockets.add(socket);
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.on("connect", () => resolve());
    socket.on("error", () => socket.destroy());
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.closed++;
      resolve();
    });
    socket.resume();
    return promise;
  }

  [Symbol.dispose](): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }
}

/** Files the process has open (Linux). */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
/** Memory the process holds, in bytes (Linux). */
export function residentBytes(pid: number): number {
  return statusBytes(pid, "VmRSS");
}

/** The most it ever held. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, "VmHWM");
}

function statusBytes(pid: number, name: string): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return 1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1]);
}
