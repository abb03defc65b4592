/**
 * One client's connection on the fast lane: reads its requests one after the other and ends when it should. Worker thread.
 * It carries one request at a time (`client-request.ts`); what a client sends ahead waits.
 */
import type { Socket } from "node:net";
import type { Refusal } from "#core/errors.ts";
import { isRefusal } from "#data-plane/exchange.ts";
import { Peer } from "#data-plane/peer.ts";
import { DRAIN_AGAIN_MS, DRAIN_IDLE_MS, endBehind } from "#data-plane/wire/closing.ts";
import { type Guest, Place } from "#data-plane/wire/client-room.ts";
import { CUT_HEAD, SLOW_HEAD } from "#data-plane/wire/client-refusals.ts";
import { CR, LF } from "#data-plane/wire/http1/octets.ts";
import { RequestReader, type RequestStart } from "#data-plane/wire/http1/request-reader.ts";
import { Outgoing } from "#data-plane/wire/outgoing.ts";
import { isWebSocket } from "#data-plane/wire/websocket.ts";
import { borrowReads, endBorrowing } from "./borrowed-reads.ts";
import type { ClientLane } from "./client-lane.ts";
import { ClientRequest } from "./client-request.ts";
import { ClientWatch } from "./client-watch.ts";
import type { RequestConnection } from "./request-connection.ts";

/** Bytes a client may send ahead of its answer before it is read no further. */
const AHEAD_BYTES_MAX = 64 * 1024;

export class ClientConnection implements RequestConnection, Guest {
  readonly lane: ClientLane;
  readonly socket: Socket;
  readonly peer: Peer;
  readonly watch: ClientWatch;
  readonly place: Place = new Place(this);
  readonly #reader: RequestReader;
  readonly #request: ClientRequest;
  /** Bytes that are not read yet: of a head that is not whole, or sent ahead. */
  #held: Buffer | null = null;
  /** Bytes of a head that is not whole yet. */
  #headBytes = 0;
  #paused = false;
  /** Nothing is read, not even what is held. */
  #rests = false;
  /** Goes on when what was sent ahead has been read. */
  #resumesLater = false;
  /** Nothing that comes now matters any more. */
  #closing = false;
  #requests = 0;

  constructor(lane: ClientLane, socket: Socket) {
    this.lane = lane;
    this.socket = borrowReads(socket, (bytes, length) => this.#take(bytes, length));
    this.watch = new ClientWatch(this.socket, lane.turn.nowMs());
    this.peer = new Peer(this.socket.remoteAddress ?? "", "encrypted" in socket);
    this.#reader = new RequestReader(lane.limits.headerBytesMax);
    this.#request = new ClientRequest(this, new Outgoing(this.socket));
    this.socket.on("drain", () => this.#request.onDrain());
    this.socket.on("end", () => this.#ended());
    this.socket.on("close", () => this.#gone());
    // `close` follows.
    this.socket.on("error", () => undefined);
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.#request.isNone && !this.#closing;
  }

  // -- what comes in

  /** Bytes from the client, good until this returns: what is kept of them is a copy. */
  #take(bytes: Buffer, length: number): void {
    if (this.#closing) return;
    if (!this.#request.isNone) {
      const at = this.#request.read(bytes, length);
      if (at < length) this.#hold(bytes, at, length);
      // The end of a refused request's body may have come with the next request.
      if (this.#request.isNone && !this.#rests) this.readHeld();
      return;
    }
    const held = this.#held;
    if (held === null) return this.#readHead(bytes, length);
    this.#held = null;
    const all = Buffer.concat([held, bytes.subarray(0, length)]);
    this.#readHead(all, all.length);
  }

  #hold(bytes: Buffer, from: number, to: number): void {
    const more = bytes.subarray(from, to);
    this.#held = this.#held === null ? Buffer.from(more) : Buffer.concat([this.#held, more]);
    if (this.#held.length > AHEAD_BYTES_MAX) this.pause();
  }

  readHeld(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.#take(held, held.length);
    if (this.#resumesLater) this.resume();
  }

  #readHead(bytes: Buffer, length: number): void {
    const hadBegun = this.#reader.begun;
    const start = this.#reader.read(bytes, 0, length);
    if (start === null) {
      if (!hadBegun && this.#requests > 0 && this.#headBytes === 0) this.watch.begin(this.lane.turn.nowMs());
      this.#held = Buffer.from(bytes.subarray(0, length));
      // Empty lines behind a body, as old clients send them, begin nothing.
      this.#headBytes = isBlank(this.#held) ? 0 : length;
      return;
    }
    this.#headBytes = 0;
    if ("code" in start) this.#refuse(start);
    else this.#begin(start, bytes, this.#reader.end, length);
  }

  /** `bytes` hold the head up to `end`, and what came along with it. */
  #begin(start: RequestStart, bytes: Buffer, end: number, length: number): void {
    const { head, method } = start;
    if (!isRefusal(head) && isWebSocket(method, head)) return this.#handOver(Buffer.from(bytes.subarray(0, length)));
    this.#requests++;
    this.lane.room.works(this.place);
    if (end < length) this.#hold(bytes, end, length);
    this.#request.begin(start);
  }

  /** What came is no request. */
  #refuse(refusal: Refusal): void {
    this.lane.room.works(this.place);
    this.#request.refuseAll(refusal, this.#reader.method);
  }

  #handOver(bytes: Buffer): void {
    // An upgrade cannot overtake an answer that the client has not read yet.
    if (this.socket.writableLength > 0) return void this.socket.destroy();
    for (const event of ["drain", "end", "close", "error"]) this.socket.removeAllListeners(event);
    this.lane.room.leaves(this.place);
    this.lane.handOver(this, endBorrowing(this.socket), bytes);
  }

  get isPaused(): boolean {
    return this.#paused;
  }

  pause(): void {
    this.#paused = true;
    this.#resumesLater = false;
    this.socket.pause();
  }

  resume(): void {
    if (this.#rests) return;
    if (this.#held !== null && this.#held.length > AHEAD_BYTES_MAX) {
      this.#resumesLater = true;
      return;
    }
    this.watch.begin(this.lane.turn.nowMs());
    this.#resume();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#resumesLater = false;
    this.socket.resume();
  }

  overloaded(): void {
    const restMs = this.lane.saturation.restMs();
    if (restMs === 0) return;
    this.lane.metrics.count("connections_rested");
    this.#rests = true;
    this.pause();
    setTimeout(() => {
      this.#rests = false;
      this.resume();
      this.readHeld();
    }, restMs).unref();
  }

  next(): void {
    this.lane.room.rests(this.place);
    this.watch.begin(this.lane.turn.nowMs());
    if (this.lane.isDraining) this.drain(DRAIN_AGAIN_MS);
    if (this.#rests) return;
    this.#resume();
    this.readHeld();
  }

  // -- the end

  /** What the client still sends is read past for a moment, so that it can read what was written. */
  close(): void {
    this.#closing = true;
    this.#held = null;
    this.#request.drop();
    // `sweep` ends one that does not read.
    endBehind(this.socket);
    this.#resume();
  }

  #ended(): void {
    if (this.#closing) this.socket.end();
    else if (!this.#request.isNone) this.#request.onEnd();
    else if (this.#held !== null && !isBlank(this.#held)) this.#refuse(CUT_HEAD);
    else this.socket.end();
  }

  evict(): void {
    this.socket.destroy();
  }

  #gone(): void {
    this.lane.room.leaves(this.place);
    this.lane.closed(this);
    this.#request.onGone();
  }

  /** The lane drains: closes when it has been idle for so long. */
  drain(afterMs = DRAIN_IDLE_MS): void {
    if (!this.isIdle) return;
    const requests = this.#requests;
    setTimeout(() => {
      // Timers run before sockets are read: a request that has arrived by now is let in first.
      setImmediate(() => {
        if (this.isIdle && this.#requests === requests) this.socket.destroy();
      });
    }, afterMs);
  }

  /** Looks whether the client has kept us waiting for too long. */
  sweep(nowMs: number): void {
    this.#request.sweep(nowMs);
    // An answer that nobody reads may not be kept for ever.
    if (this.watch.unreadMs(nowMs) > this.lane.limits.requestTimeoutMs) this.socket.destroy();
    else if (this.isIdle) this.#sweepHead(this.watch.waitedMs(nowMs));
  }

  #sweepHead(waitedMs: number): void {
    const { headerTimeoutMs, idleTimeoutMs } = this.lane.limits;
    const rests = this.#requests > 0 && this.#headBytes === 0;
    if (rests && waitedMs > idleTimeoutMs) this.close();
    else if (!rests && waitedMs > headerTimeoutMs) this.#refuse(SLOW_HEAD);
  }
}

/** Nothing but line ends, which may stand before a request (RFC 9112 §2.2). */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((octet) => octet === CR || octet === LF);
}
