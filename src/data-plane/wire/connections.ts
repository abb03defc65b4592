/**
 * The open connections of the full lane and the requests under way on each, pipelined ones too. Worker thread.
 * Closes a connection at the right moment: when it drains and is idle, or after the last good answer when garbage followed it.
 * Not here: upgraded connections (`upgrade.ts`).
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { setImmediate, setTimeout } from "node:timers/promises";

/** While draining, a connection may be idle this long: the next request on it is answered, with `Connection: close`. */
const DRAIN_IDLE_MS = 300;

/** Time a client has to read the last words before its connection is closed from our side too. */
const LINGER_MS = 250;

interface State {
  /** Requests without a whole answer yet. */
  readonly underWay: Set<IncomingMessage>;
  /** Bytes to send when nothing is under way any more, before the connection is closed; null: none. */
  lastWords: Buffer | null;
}

export class Connections {
  readonly #open = new Map<Duplex, State>();
  #draining = false;

  opened(socket: Duplex): void {
    this.#open.set(socket, { underWay: new Set(), lastWords: null });
    socket.on("close", () => this.#open.delete(socket));
  }

  /** The connection is no longer this lane's. */
  handedOver(socket: Duplex): void {
    this.#open.delete(socket);
  }

  get draining(): boolean {
    return this.#draining;
  }

  began(request: IncomingMessage): void {
    this.#open.get(request.socket)?.underWay.add(request);
  }

  ended(request: IncomingMessage): void {
    const { socket } = request;
    const state = this.#open.get(socket);
    if (state === undefined) return;
    state.underWay.delete(request);
    if (state.underWay.size > 0) return;
    if (state.lastWords !== null) sayAndClose(socket, state.lastWords);
    else if (this.#draining) void this.#closeIdle(socket);
  }

  /**
   * Bytes came that are no HTTP: says so and closes, after the answers still to come on this connection. When they came inside the
   * body of a request, that request never ends: its answer is not waited for, and one that has begun is cut off.
   */
  endWith(socket: Duplex, bytes: Buffer): void {
    const underWay = [...(this.#open.get(socket)?.underWay ?? [])];
    const state = this.#open.get(socket);
    if (state === undefined || underWay.length === 0) sayAndClose(socket, bytes);
    else if (underWay.every((request) => request.complete)) state.lastWords = bytes;
    else socket.destroy();
  }

  /** From now on connections close as they become idle. */
  drain(): void {
    this.#draining = true;
    for (const socket of this.#open.keys()) void this.#closeIdle(socket);
  }

  /** Not by http's closeIdleConnections(): that looks once, and a connection whose last answer ends later would stay open. */
  async #closeIdle(socket: Duplex): Promise<void> {
    await setTimeout(DRAIN_IDLE_MS);
    // Timers run before sockets are read: a request that has arrived by now is let in first.
    await setImmediate();
    if (this.#open.get(socket)?.underWay.size === 0) socket.destroy();
  }
}

function sayAndClose(socket: Duplex, bytes: Buffer): void {
  socket.end(bytes);
  globalThis.setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
