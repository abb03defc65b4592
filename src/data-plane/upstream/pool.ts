/**
 * The targets of one upstream, chosen in turn by weight, and their connections: an undici pool for the full lane, sockets of our own for
 * the fast one. Worker thread.
 * Lives across reloads while its settings stay the same (`Pools`).
 */
import { Pool } from "undici";
import type { LimitSettings, UpstreamSettings } from "#config/settings.ts";
import { PoolUse } from "./pool-use.ts";
import { type TargetAddress, TargetSockets } from "./target-sockets.ts";

const RESPONSE_HEADER_BYTES_MAX = 64 * 1024;

export interface Target {
  readonly pool: Pool;
  readonly sockets: TargetSockets;
  readonly url: URL;
  /** Path of the target URL that goes before every request path; no trailing slash. */
  readonly basePath: string;
  /** How many requests use the pool. */
  readonly poolUse: PoolUse;
  /** Longest wait for a connection that is being made: a little more than that may take. */
  readonly connectPatienceMs: number;
  /** Longest wait for one that others use. */
  readonly queueTimeoutMs: number;
}

/** To the control API, from each worker. */
export const CONTROL_CONNECTIONS = 64;
const CONTROL_CONNECT_MS = 5000;
/** Customers wait for the control plane rather than hear 503; the gateway's health is asked for there too. */
const CONTROL_QUEUE = { max: 1024, timeoutMs: 10_000 };

/** What a connection attempt may take beyond its own timeout before a waiting request is refused. */
const CONNECT_GRACE_MS = 1000;

export class UpstreamPool {
  readonly name: string;
  readonly settings: Pick<UpstreamSettings, "host" | "credentials">;
  readonly #targets: readonly Target[];
  /** Targets in the order they are used: one place for each unit of weight. */
  readonly #turns: readonly number[];
  #next = 0;

  constructor(
    name: string,
    settings: Pick<UpstreamSettings, "host" | "credentials">,
    targets: readonly Target[],
    weights: readonly number[],
  ) {
    this.name = name;
    this.settings = settings;
    this.#targets = targets;
    this.#turns = interleave(weights);
  }

  pick(): Target {
    const turn = this.#turns[this.#next] ?? 0;
    this.#next = (this.#next + 1) % this.#turns.length;
    const target = this.#targets[turn];
    if (target === undefined) throw new Error(`Upstream ${this.name} has no target`);
    return target;
  }

  /** Lets requests under way end, then closes the connections. */
  async close(): Promise<void> {
    for (const { sockets } of this.#targets) sockets.close();
    await Promise.all(this.#targets.map(({ pool }) => pool.close()));
  }

  /** Closes connections that have been idle for long. */
  sweep(nowMs: number): void {
    for (const { sockets } of this.#targets) sockets.sweep(nowMs);
  }
}

/** Smooth weighted round robin, unrolled: 3 and 1 give 0 0 1 0. The weights are divided by their common divisor first. */
export function interleave(weights: readonly number[]): readonly number[] {
  const divisor = weights.reduce(greatestCommonDivisor, 0);
  const shares = weights.map((weight) => weight / divisor);
  const total = shares.reduce((sum, share) => sum + share, 0);
  const credit = shares.map(() => 0);
  return Array.from({ length: total }, () => {
    shares.forEach((share, index) => (credit[index] = (credit[index] ?? 0) + share));
    const best = credit.indexOf(Math.max(...credit));
    credit[best] = (credit[best] ?? 0) - total;
    return best;
  });
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

function openTarget(url: string, upstream: UpstreamSettings, limits: LimitSettings): Target {
  const parsed = new URL(url);
  const pool = new Pool(parsed.origin, {
    connections: upstream.connections,
    connectTimeout: upstream.connectTimeoutMs,
    headersTimeout: limits.requestTimeoutMs,
    bodyTimeout: limits.requestTimeoutMs,
    maxHeaderSize: RESPONSE_HEADER_BYTES_MAX,
    pipelining: 1,
    allowH2: false,
  });
  const sockets = new TargetSockets(addressOf(parsed), {
    connectionsMax: upstream.connections,
    connectTimeoutMs: upstream.connectTimeoutMs,
    waitingMax: upstream.queue.max,
  });
  return {
    pool,
    sockets,
    url: parsed,
    basePath: parsed.pathname.replace(/\/+$/, ""),
    poolUse: new PoolUse(upstream.connections, upstream.queue.max),
    connectPatienceMs: upstream.connectTimeoutMs + CONNECT_GRACE_MS,
    queueTimeoutMs: upstream.queue.timeoutMs,
  };
}

function addressOf({ protocol, hostname, port }: URL): TargetAddress {
  const secure = protocol === "https:";
  // Brackets are the URL's, not the address's.
  const host = hostname.startsWith("[") ? hostname.slice(1, -1) : hostname;
  return { kind: "tcp", host, port: port === "" ? (secure ? 443 : 80) : Number(port), secure };
}

/** The control API behind its unix socket, used like any upstream. */
export function controlPool(socketPath: string): UpstreamPool {
  const pool = new Pool("http://control", {
    socketPath,
    connections: CONTROL_CONNECTIONS,
    pipelining: 1,
    allowH2: false,
  });
  const sockets = new TargetSockets(
    { kind: "unix", path: socketPath },
    {
      connectionsMax: CONTROL_CONNECTIONS,
      connectTimeoutMs: CONTROL_CONNECT_MS,
      waitingMax: CONTROL_QUEUE.max,
    },
  );
  const target: Target = {
    pool,
    sockets,
    url: new URL("http://control"),
    basePath: "",
    poolUse: new PoolUse(CONTROL_CONNECTIONS, CONTROL_QUEUE.max),
    connectPatienceMs: CONTROL_CONNECT_MS + CONNECT_GRACE_MS,
    queueTimeoutMs: CONTROL_QUEUE.timeoutMs,
  };
  return new UpstreamPool("tollgate", { host: "preserve", credentials: "strip" }, [target], [1]);
}

/** Keeps pools across reloads. */
export class Pools {
  #open = new Map<string, UpstreamPool>();

  /** The pools for these upstreams: kept where nothing changed, new otherwise; what is not wanted any more drains and closes. */
  replace(upstreams: readonly UpstreamSettings[], limits: LimitSettings): ReadonlyMap<string, UpstreamPool> {
    const before = this.#open;
    this.#open = new Map();
    const byName = new Map<string, UpstreamPool>();
    for (const upstream of upstreams) {
      const id = JSON.stringify([upstream, limits.requestTimeoutMs]);
      const pool = before.get(id) ?? openUpstream(upstream, limits);
      this.#open.set(id, pool);
      byName.set(upstream.name, pool);
    }
    for (const [id, pool] of before) {
      // A request admitted before the reload may be about to use it: closed pools refuse new work, so wait a little.
      if (!this.#open.has(id)) setTimeout(() => void pool.close(), 10_000).unref();
    }
    return byName;
  }

  /** Closes connections that have been idle for long. */
  sweep(nowMs: number): void {
    for (const pool of this.#open.values()) pool.sweep(nowMs);
  }
}

function openUpstream(upstream: UpstreamSettings, limits: LimitSettings): UpstreamPool {
  const targets = upstream.targets.map(({ url }) => openTarget(url, upstream, limits));
  return new UpstreamPool(
    upstream.name,
    upstream,
    targets,
    upstream.targets.map(({ weight }) => weight),
  );
}
