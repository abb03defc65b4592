/**
 * How many requests of the full lane use a target's undici pool, each with a connection of its own or waiting for one: undici lets any
 * number wait. Worker thread. The fast lane's `target-sockets.ts` counts its own.
 */

/** `found`: one is idle, or may be made. */
export type Seeking = "found" | "waits" | "full";

export class PoolUse {
  readonly #connections: number;
  readonly #waitingMax: number;
  #requests = 0;

  constructor(connections: number, waitingMax: number) {
    this.#connections = connections;
    this.#waitingMax = waitingMax;
  }

  /** Counts a request in, whatever it finds; its end is told to `leaves`. */
  enters(): Seeking {
    const before = this.#requests++;
    if (before < this.#connections) return "found";
    return before < this.#connections + this.#waitingMax ? "waits" : "full";
  }

  leaves(): void {
    this.#requests--;
  }
}
