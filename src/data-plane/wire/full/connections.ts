/**
 * The open connections of the full lane and the requests under way on each, pipelined ones too. Worker thread.
 * Closes a connection at the right moment: when it drains and is idle, or after the last good answer when garbage followed it.
 * Not here: upgraded connections (`upgrade.ts`).
 */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type ClientRoom, Place } from "#data-plane/wire/client-room.ts";

/** A connection that is idle when draining begins may stay so this long: the next request on it is answered, with `Connection: close`. */
const DRAIN_IDLE_MS = 300;
/** The same after an answer that did not say `Connection: close`: its client was promised a connection, and is likely to use it. */
const DRAIN_AGAIN_MS = 1000;

/** Time a client has to read the last words before its connection is closed from our side too. */
const LINGER_MS = 250;

/** Requests a client may have sent ahead of their answers before it is read no further. */
const AHEAD_MAX = 16;

interface State {
  readonly place: Place;
  /** Answers not wholly sent yet, in the order of their requests. */
  readonly underWay: Set<ServerResponse>;
  /** Bytes that waited for the client at the last sweep. */
  waiting: number;
  /** Bytes to send when nothing is under way any more, before the connection is closed; null: none. */
  lastWords: Buffer | null;
  /** While draining: closes the connection unless a request begins before. */
  closer: NodeJS.Timeout | undefined;
}

export class Connections {
  readonly #open = new Map<Duplex, State>();
  readonly #room: ClientRoom;
  #draining = false;
  #sweeper: NodeJS.Timeout | undefined;

  constructor(room: ClientRoom) {
    this.#room = room;
  }

  opened(socket: Duplex): void {
    const place = new Place({ evict: () => socket.destroy() });
    if (!this.#room.enter(place)) return void socket.destroy();
    const state: State = { place, underWay: new Set(), waiting: 0, lastWords: null, closer: undefined };
    this.#open.set(socket, state);
    socket.on("close", () => {
      clearTimeout(state.closer);
      this.#room.leaves(place);
      this.#open.delete(socket);
    });
    if (this.#draining) this.#closeIdle(socket, state, DRAIN_IDLE_MS);
  }

  /** The connection is no longer this lane's. Whether it is free: an upgrade cannot overtake answers still to come on it. */
  handOver(socket: Duplex): boolean {
    const state = this.#open.get(socket);
    if (state === undefined) return !socket.destroyed;
    clearTimeout(state.closer);
    this.#open.delete(socket);
    this.#room.becomesTunnel(state.place);
    return state.underWay.size === 0;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Returns the answer that has to be over first; null: there is none. */
  began(socket: Duplex, response: ServerResponse): ServerResponse | null {
    const state = this.#open.get(socket);
    if (state === undefined) return null;
    this.#room.works(state.place);
    const before = [...state.underWay].at(-1) ?? null;
    state.underWay.add(response);
    clearTimeout(state.closer);
    if (state.underWay.size > AHEAD_MAX) socket.pause();
    return before;
  }

  ended(socket: Duplex, response: ServerResponse): void {
    const state = this.#open.get(socket);
    if (state === undefined) return;
    state.underWay.delete(response);
    if (state.underWay.size === AHEAD_MAX) socket.resume();
    if (state.underWay.size > 0) return;
    if (state.lastWords === null) this.#room.rests(state.place);
    if (state.lastWords !== null) sayAndClose(socket, state.lastWords);
    else if (this.#draining) this.#closeIdle(socket, state, DRAIN_AGAIN_MS);
  }

  /** The request whose body is on its way, when nothing of its answer has gone out; null: there is none. */
  unanswered(socket: Duplex): ServerResponse | null {
    const last = [...(this.#open.get(socket)?.underWay ?? [])].at(-1);
    return last === undefined || last.req.complete || last.headersSent ? null : last;
  }

  /**
   * Bytes came that are no HTTP: says so and closes, after the answers still to come on this connection. When they came inside the
   * body of a request whose answer has begun, that answer is cut off.
   */
  endWith(socket: Duplex, bytes: Buffer): void {
    const underWay = [...(this.#open.get(socket)?.underWay ?? [])];
    const state = this.#open.get(socket);
    if (state !== undefined) this.#room.works(state.place);
    if (state === undefined || underWay.length === 0) sayAndClose(socket, bytes);
    else if (underWay.every(({ req }) => req.complete)) state.lastWords = bytes;
    else socket.destroy();
  }

  /** From now on closes connections whose client has not read on for this long, although its answer is all written. */
  sweepEvery(ms: number): void {
    clearInterval(this.#sweeper);
    this.#sweeper = setInterval(() => this.#sweep(), ms).unref();
  }

  #sweep(): void {
    for (const [socket, state] of this.#open) {
      const [first] = state.underWay;
      const waiting = socket.writableLength;
      if (first?.writableEnded === true && waiting > 0 && waiting === state.waiting) socket.destroy();
      state.waiting = waiting;
    }
  }

  /** From now on connections close as they become idle. */
  drain(): void {
    this.#draining = true;
    for (const [socket, state] of this.#open)
      if (state.underWay.size === 0) this.#closeIdle(socket, state, DRAIN_IDLE_MS);
  }

  /** Not by http's closeIdleConnections(): that looks once, and a connection whose last answer ends later would stay open. */
  #closeIdle(socket: Duplex, state: State, afterMs: number): void {
    clearTimeout(state.closer);
    state.closer = setTimeout(() => {
      // Timers run before sockets are read: a request that has arrived by now is let in first.
      setImmediate(() => {
        if (state.underWay.size === 0 && this.#open.has(socket)) socket.destroy();
      });
    }, afterMs);
  }
}

function sayAndClose(socket: Duplex, bytes: Buffer): void {
  socket.end(bytes);
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}
