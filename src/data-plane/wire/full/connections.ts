/**
 * The open connections of the full lane and the requests on each: one is under way, what its client sent ahead waits for its answer, as
 * on the fast lane (RFC 9112 §9.3.2: only safe requests might run side by side). Worker thread.
 * Closes a connection at the right moment: when it drains and is idle, or after the last good answer when garbage followed it.
 * Not here: upgraded connections (`upgrade.ts`).
 */
import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type ClientRoom, Place } from "#data-plane/wire/client-room.ts";
import { DRAIN_AGAIN_MS, DRAIN_IDLE_MS, endBehind } from "#data-plane/wire/closing.ts";

/** Requests that wait on one connection before nothing more is read from it. */
const WAITING_MAX = 32;

/** Makes what is said, at the moment it is. */
type Words = () => Buffer;

interface Waiting {
  readonly response: ServerResponse;
  readonly start: () => void;
}

interface State {
  readonly place: Place;
  /** The answer that is not wholly sent yet; null: none. */
  underWay: ServerResponse | null;
  /** That of the request which came last; null: none came. */
  last: ServerResponse | null;
  /** Those that come after it. */
  readonly queue: Waiting[];
  /** Takes the connection behind the last answer; null: nobody. */
  upgrade: (() => void) | null;
  /** The body of the last request broke off in bytes that are no HTTP. */
  broken: boolean;
  /** Tells of that whoever has the request under way. */
  onBroken: (() => void) | null;
  /** Bytes that waited for the client at the last sweep. */
  waiting: number;
  /** Bytes to send when nothing is under way any more, before the connection is closed; null: none. */
  lastWords: Words | null;
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
    const state: State = {
      place,
      underWay: null,
      last: null,
      queue: [],
      upgrade: null,
      broken: false,
      onBroken: null,
      waiting: 0,
      lastWords: null,
      closer: undefined,
    };
    this.#open.set(socket, state);
    socket.on("close", () => {
      clearTimeout(state.closer);
      this.#room.leaves(place);
      this.#open.delete(socket);
    });
    if (this.#draining) this.#closeIdle(socket, state, DRAIN_IDLE_MS);
  }

  /** An upgrade has come: the connection is no longer this lane's, once the answers still to come on it are sent; then `then` is called. */
  handOver(socket: Duplex, then: () => void): void {
    // Nothing is taken up behind an answer that ends the connection.
    if (!socket.writable) return;
    const state = this.#open.get(socket);
    if (state === undefined || state.underWay === null) return this.#letGo(socket, state, then);
    state.upgrade = then;
    // node does not listen to it any more.
    socket.on("drain", () => state.underWay?.emit("drain"));
  }

  #letGo(socket: Duplex, state: State | undefined, then: () => void): void {
    clearTimeout(state?.closer);
    this.#open.delete(socket);
    if (state !== undefined) this.#room.becomesTunnel(state.place);
    then();
  }

  /** A request is under way, or has not come wholly. */
  isBusy(socket: Duplex): boolean {
    const state = this.#open.get(socket);
    return state !== undefined && (state.underWay !== null || state.last?.req.complete === false);
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** A request has come: `start` is called when those before it are answered, or never when the connection closes before. */
  began(response: ServerResponse, start: () => void): void {
    const { socket } = response.req;
    const state = this.#open.get(socket);
    // Nothing is taken up behind an answer that ends the connection.
    if (state === undefined || !socket.writable) return;
    clearTimeout(state.closer);
    this.#room.works(state.place);
    state.last = response;
    if (state.underWay !== null) {
      state.queue.push({ response, start });
      if (state.queue.length > WAITING_MAX) socket.pause();
      return;
    }
    state.underWay = response;
    start();
  }

  ended(response: ServerResponse): void {
    const { socket } = response.req;
    const state = this.#open.get(socket);
    if (state === undefined) return;
    state.underWay = null;
    state.onBroken = null;
    // The last answer has ended the connection.
    if (!socket.writable) return;
    const next = state.queue.shift();
    if (next !== undefined) {
      if (state.queue.length === WAITING_MAX) socket.resume();
      state.underWay = next.response;
      next.start();
    } else if (state.upgrade !== null) this.#letGo(socket, state, state.upgrade);
    else if (state.lastWords !== null) endBehind(socket, state.lastWords());
    else if (state.broken) endBehind(socket);
    else this.#rests(socket, state);
  }

  #rests(socket: Duplex, state: State): void {
    this.#room.rests(state.place);
    if (this.#draining) this.#closeIdle(socket, state, DRAIN_AGAIN_MS);
  }

  /** `listener` hears when the body of the request under way turns out to be no HTTP. */
  watchBody(response: ServerResponse, listener: () => void): void {
    const state = this.#open.get(response.req.socket);
    if (state === undefined) return;
    state.onBroken = listener;
    if (state.broken && state.queue.length === 0) listener();
  }

  /**
   * Bytes came that are no HTTP: says so and closes, after the answers still to come on this connection. When they came inside the
   * body of a request, it is that request's answer that says so.
   */
  endWith(socket: Duplex, words: Words): void {
    const state = this.#open.get(socket);
    if (state !== undefined) this.#room.works(state.place);
    if (state === undefined || state.underWay === null) return endBehind(socket, words());
    if (state.last?.req.complete !== false) {
      state.lastWords = words;
      return;
    }
    state.broken = true;
    if (state.queue.length === 0) state.onBroken?.();
  }

  /** From now on closes connections whose client has not read on for this long, although its answer is all written. */
  sweepEvery(ms: number): void {
    clearInterval(this.#sweeper);
    this.#sweeper = setInterval(() => this.#sweep(), ms).unref();
  }

  #sweep(): void {
    for (const [socket, state] of this.#open) {
      const waiting = socket.writableLength;
      const isSaid = state.underWay === null || state.underWay.writableEnded;
      if (isSaid && waiting > 0 && waiting === state.waiting) socket.destroy();
      state.waiting = waiting;
    }
  }

  /** From now on connections close as they become idle. */
  drain(): void {
    this.#draining = true;
    for (const [socket, state] of this.#open)
      if (state.underWay === null) this.#closeIdle(socket, state, DRAIN_IDLE_MS);
  }

  /** Not by http's closeIdleConnections(): that looks once, and a connection whose last answer ends later would stay open. */
  #closeIdle(socket: Duplex, state: State, afterMs: number): void {
    clearTimeout(state.closer);
    state.closer = setTimeout(() => {
      // Timers run before sockets are read: a request that has arrived by now is let in first.
      setImmediate(() => {
        if (state.underWay === null && this.#open.has(socket)) socket.destroy();
      });
    }, afterMs);
  }
}
