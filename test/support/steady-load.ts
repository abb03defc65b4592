/**
 * Steady traffic on kept connections to every worker, with the moment each request began and ended: for what has to be in force
 * everywhere at a certain moment. It leaves processor time over. Judges nothing.
 */
import { setTimeout as pause } from "node:timers/promises";
import { type Connection, connectionToEach } from "./connection.ts";
import type { Gateway } from "./process.ts";
import type { RawResponse } from "./raw-response.ts";
import { until } from "./until.ts";

/** One request. Times are `performance.now()`: right before its first byte was written, and when its whole answer was there. */
export interface Seen {
  readonly worker: number;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly answer: RawResponse;
}

export interface Question {
  readonly target: string;
  readonly headers: readonly string[];
}

export interface SteadyLoad extends Disposable {
  /** Asks this from now on, on every connection; resolves when each has had an answer to it. */
  ask(question: Question): Promise<void>;
  /** Resolves when each connection has had so many answers to requests that began from now on. */
  more(answers: number): Promise<void>;
  /** Everything since the last `ask`, in the order of the ends. Ends the asking; rejects when a connection failed. */
  take(): Promise<readonly Seen[]>;
}

/** Pause of a connection between two requests. */
const REST_MS = 3;
const TIMEOUT_MS = 10_000;

/** `each`: connections to each worker. */
export async function steadyLoad(gateway: Gateway, workers: number, each: number): Promise<SteadyLoad> {
  const found: Asker[] = [];
  for (let round = 0; round < each; round++) {
    const connections = await connectionToEach(gateway, workers);
    found.push(...connections.map((connection, worker) => new Asker(connection, worker)));
  }
  return new Askers(found);
}

class Askers implements SteadyLoad {
  readonly #askers: readonly Asker[];

  constructor(askers: readonly Asker[]) {
    this.#askers = askers;
  }

  async ask(question: Question): Promise<void> {
    for (const asker of this.#askers) asker.start(question);
    await this.more(1);
  }

  async more(answers: number): Promise<void> {
    const fromMs = performance.now();
    const hasEnough = (asker: Asker) => asker.failed || asker.since(fromMs) >= answers;
    await until("answers on every connection", () => this.#askers.every(hasEnough), TIMEOUT_MS, 1);
  }

  async take(): Promise<readonly Seen[]> {
    const all = await Promise.all(this.#askers.map((asker) => asker.stop()));
    return all.flat().toSorted((one, other) => one.endedMs - other.endedMs);
  }

  [Symbol.dispose](): void {
    for (const asker of this.#askers) asker.end();
  }
}

class Asker {
  readonly #connection: Connection;
  readonly #worker: number;
  #seen: Seen[] = [];
  #asking = false;
  #work: Promise<void> = Promise.resolve();
  failed = false;

  constructor(connection: Connection, worker: number) {
    this.#connection = connection;
    this.#worker = worker;
  }

  start(question: Question): void {
    this.#seen = [];
    this.#asking = true;
    this.#work = this.#run(question);
    // `stop` tells.
    this.#work.catch(() => (this.failed = true));
  }

  async #run({ target, headers }: Question): Promise<void> {
    while (this.#asking) {
      const beganMs = performance.now();
      const answer = await this.#connection.ask("GET", target, headers);
      this.#seen.push({ worker: this.#worker, beganMs, endedMs: performance.now(), answer });
      await pause(REST_MS);
    }
  }

  since(fromMs: number): number {
    return this.#seen.filter(({ beganMs }) => beganMs >= fromMs).length;
  }

  async stop(): Promise<readonly Seen[]> {
    this.#asking = false;
    await this.#work;
    return this.#seen;
  }

  end(): void {
    this.#asking = false;
    this.#connection[Symbol.dispose]();
  }
}
