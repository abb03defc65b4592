/**
 * Load with a clock: requests that are due at even times whatever becomes of those before (open), or one after the other on so many
 * connections (closed), and what came of each. A connection that is missing is made, so nobody waits for another's answer. Judges nothing.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Connection, openConnection } from "#test/support/connection.ts";

interface Outcome {
  /** 0: the connection closed. */
  readonly status: number;
  readonly latencyMs: number;
  readonly retryAfter: string | null;
}

export class Outcomes {
  readonly #all: Outcome[] = [];

  add(outcome: Outcome): void {
    this.#all.push(outcome);
  }

  count(status: number): number {
    return this.#of(status).length;
  }

  get statuses(): readonly number[] {
    return [...new Set(this.#all.map(({ status }) => status))].sort((a, b) => a - b);
  }

  retryAfters(status: number): readonly (string | null)[] {
    return [...new Set(this.#of(status).map(({ retryAfter }) => retryAfter))];
  }

  /** Milliseconds that this share of the answers with this status took at most; 0 where there are none. */
  latencyMs(status: number, share: number): number {
    const sorted = this.#of(status)
      .map(({ latencyMs }) => latencyMs)
      .sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  }

  #of(status: number): readonly Outcome[] {
    return this.#all.filter((one) => one.status === status);
  }
}

export interface LoadTarget {
  readonly port: number;
  readonly path: string;
}

/** One request at a time on each of so many connections. */
export async function closedLoad(target: LoadTarget, connections: number, ms: number): Promise<Outcomes> {
  const outcomes = new Outcomes();
  const end = performance.now() + ms;
  const client = async () => {
    using connection = await openConnection(target.port);
    while (performance.now() < end) outcomes.add(await askOn(connection, target.path));
  };
  await Promise.all(Array.from({ length: connections }, client));
  return outcomes;
}

/** So many a second; ends when all are answered. */
export async function openLoad(target: LoadTarget, perSecond: number, ms: number): Promise<Outcomes> {
  const outcomes = new Outcomes();
  const free: Connection[] = [];
  const asked: Promise<void>[] = [];
  const ask = async () => {
    const connection = free.pop() ?? (await openConnection(target.port));
    outcomes.add(await askOn(connection, target.path));
    if (!connection.closed) free.push(connection);
  };
  const start = performance.now();
  const total = Math.round((perSecond * ms) / 1000);
  while (asked.length < total) {
    const due = Math.min(total, Math.floor(((performance.now() - start) / 1000) * perSecond) + 1);
    while (asked.length < due) asked.push(ask());
    await sleep(1);
  }
  await Promise.all(asked);
  for (const connection of free) connection[Symbol.dispose]();
  return outcomes;
}

async function askOn(connection: Connection, path: string): Promise<Outcome> {
  const start = performance.now();
  try {
    const { status, header } = await connection.ask("GET", path);
    return { status, latencyMs: performance.now() - start, retryAfter: header("retry-after") };
  } catch {
    return { status: 0, latencyMs: performance.now() - start, retryAfter: null };
  }
}
