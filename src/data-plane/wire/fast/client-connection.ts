/**
 * One client's connection on the fast lane: reads its requests one after the other, asks the gate, and either answers with its refusal or
 * has a `Relay` fetch the answer. Worker thread. A connection carries one request at a time; what a client sends ahead waits.
 *
 *   head ─▶ deciding ─▶ relaying ─▶ head …
 *     │        │            │
 *     └────────┴─▶ refused: past (what is left of its body) ─▶ head …, or closing
 */
import type { Socket } from "node:net";
import { type Refusal, refuse } from "#core/errors.ts";
import { type Exchange, isRefusal, type Passage, type Verdict } from "#data-plane/exchange.ts";
import { bodyRefusal } from "#data-plane/gate.ts";
import { Peer } from "#data-plane/peer.ts";
import { OTHER_METRIC } from "#data-plane/runtime.ts";
import { hasBody, type RequestHead, UNKNOWN_EXPECTATION } from "#data-plane/wire/head.ts";
import { type BodyReader, ChunkedBody, LengthBody } from "#data-plane/wire/http1/body-reader.ts";
import { RequestReader, type RequestStart } from "#data-plane/wire/http1/request-reader.ts";
import { isWebSocket } from "#data-plane/wire/websocket.ts";
import { SILENT } from "#data-plane/wire/upstream-refusals.ts";
import type { ClientLane } from "./client-lane.ts";
import { Outgoing } from "./outgoing.ts";
import { refusalText } from "./refusal-text.ts";
import { Relay, type RelayClient } from "./relay.ts";
import type { Sender } from "./turn.ts";

/** Bytes a client may send ahead of its answer before it is read no further. */
const AHEAD_BYTES_MAX = 64 * 1024;
/** Bytes of a refused request's body that are read past; with more to come the connection is closed. */
const PAST_BYTES_MAX = 64 * 1024;
/** Time a client has for them, and to read the last answer before a connection is closed from our side. */
const PAST_MS = 5000;
const LINGER_MS = 250;
/** While draining: as `full/connections.ts` has them. */
const DRAIN_IDLE_MS = 300;
const DRAIN_AGAIN_MS = 1000;

const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

type Phase = "head" | "deciding" | "relaying" | "past" | "closing";

export class ClientConnection implements Sender, RelayClient {
  readonly out: Outgoing;
  readonly #lane: ClientLane;
  readonly #socket: Socket;
  readonly #peer: Peer;
  readonly #reader: RequestReader;
  #phase: Phase = "head";
  /** Bytes that are not read yet: of a head that is not whole, or sent ahead. */
  #held: Buffer | null = null;
  /** What is left to read of the request's body; null: nothing. */
  #body: BodyReader | null = null;
  #bodyBytes = 0;
  #bodyBytesMax = Infinity;
  #relay: Relay | null = null;
  /** It waits for the end of the turn. */
  #queued = false;
  /** Bytes of the answer under way have been written. */
  #begun = false;
  #answered = false;
  /** After the answer under way. */
  #closes = false;
  /** The answer under way will never be whole: the connection is cut behind what there is of it. */
  #cuts = false;
  #requests = 0;
  #startedMs = 0;
  #metric = OTHER_METRIC;
  #status = 0;
  /** Since when the client is waited for, and how many bytes had come and were waiting then. */
  #sinceMs = performance.now();
  #readThen = 0;
  #unsentThen = 0;
  #stalledMs = 0;

  constructor(lane: ClientLane, socket: Socket) {
    this.#lane = lane;
    this.#socket = socket;
    this.#peer = new Peer(socket.remoteAddress ?? "", "encrypted" in socket);
    this.#reader = new RequestReader(lane.limits.headerBytesMax);
    this.out = new Outgoing(socket);
    socket.on("data", this.#onData);
    socket.on("drain", this.#onDrain);
    socket.on("end", this.#onEnd);
    socket.on("close", this.#onClose);
    // `close` follows.
    socket.on("error", ignore);
  }

  readonly #onData = (bytes: Buffer): void => this.#take(bytes);
  readonly #onDrain = (): void => this.#relay?.resume();
  readonly #onEnd = (): void => this.#ended();
  readonly #onClose = (): void => this.#gone();

  get isIdle(): boolean {
    return this.#phase === "head" && !this.#queued;
  }

  // -- what comes in

  #take(bytes: Buffer): void {
    if (this.#phase === "closing") return;
    if (this.#phase === "head") return this.#readHead(this.#withHeld(bytes));
    const at = this.#body === null || this.#phase === "deciding" ? 0 : this.#readBody(this.#body, bytes);
    if (at < bytes.length) this.#hold(at === 0 ? bytes : bytes.subarray(at));
  }

  #withHeld(bytes: Buffer): Buffer {
    const held = this.#held;
    this.#held = null;
    return held === null ? bytes : Buffer.concat([held, bytes]);
  }

  #hold(bytes: Buffer): void {
    this.#held = this.#withHeld(bytes);
    if (this.#held.length > AHEAD_BYTES_MAX) this.#socket.pause();
  }

  #readHead(bytes: Buffer): void {
    const start = this.#reader.read(bytes, 0, bytes.length);
    if (start === null) {
      if (this.#held === null && !this.#reader.begun) this.#sinceMs = performance.now();
      this.#held = bytes;
    } else if ("code" in start) {
      this.#start();
      this.#refused({ ...this.#refusedBefore(start) }, null, "");
    } else {
      const end = this.#reader.end;
      this.#begin(start, bytes, end < bytes.length ? bytes.subarray(end) : null);
    }
  }

  #start(): void {
    this.#requests++;
    this.#startedMs = performance.now();
    this.#metric = OTHER_METRIC;
    this.#status = 0;
    this.#begun = false;
    this.#answered = false;
    this.#lane.metrics.started();
  }

  #begin(start: RequestStart, bytes: Buffer, rest: Buffer | null): void {
    const { head, method } = start;
    if (!isRefusal(head) && isWebSocket(method, head)) return this.#handOver(bytes);
    this.#start();
    this.#held = rest;
    this.#closes = isRefusal(head) || !head.keepsAlive || this.#lane.isDraining;
    const exchange: Exchange = { ...start, peer: this.#peer };
    try {
      const verdict = this.#verdictOn(exchange);
      if (!(verdict instanceof Promise)) return this.#decided(verdict, start);
      this.#phase = "deciding";
      verdict.then(
        (decided) => this.#decided(decided, start),
        (error: unknown) => this.#decided(this.#failure(error), start),
      );
    } catch (error) {
      this.#decided(this.#failure(error), start);
    }
  }

  #verdictOn(exchange: Exchange): Verdict | Promise<Verdict> {
    const { head } = exchange;
    if (!isRefusal(head) && head.expects === "other") return this.#refusedBefore(UNKNOWN_EXPECTATION);
    return this.#lane.gate.enter(exchange);
  }

  #failure(error: unknown): RefusedVerdict {
    this.#lane.refusals.bug(error);
    return this.#refusedBefore(refuse("internal_error", "gateway:bug", "Something went wrong in the gateway"));
  }

  /** The verdict on a request that never got to the gate, or broke it. */
  #refusedBefore(refusal: Refusal): RefusedVerdict {
    const { runtime } = this.#lane.gate;
    return { kind: "refused", refusal, requestId: runtime.traces.requestId(), runtime, route: null };
  }

  #decided(verdict: Verdict, { head, method, target }: RequestStart): void {
    const route = verdict.kind === "forward" ? verdict.passage.route : verdict.route;
    if (route !== null) this.#metric = route.metric;
    if (this.#socket.destroyed) this.#abandon(verdict);
    else if (verdict.kind === "refused") this.#refused(verdict, isRefusal(head) ? null : head, method, target);
    else this.#forward(verdict.passage);
  }

  /** The client left while its verdict was being made: nothing was forwarded, nothing is charged. */
  #abandon(verdict: Verdict): void {
    if (verdict.kind === "forward") {
      const { reservation, held } = verdict.passage;
      if (reservation !== null) this.#lane.settler.release(reservation);
      held?.giveBack();
      this.#lane.metrics.count("client_aborts");
    }
    this.#finished();
  }

  #forward(passage: Passage): void {
    const { head } = passage;
    this.#phase = "relaying";
    if (head.expects === "100-continue") this.#socket.write(CONTINUE, "latin1");
    this.#awaitBody(head, passage.runtime.settings.server.limits.bodyBytesMax ?? Infinity);
    this.#relay = new Relay(this.#lane, this, passage);
    this.#relay.start();
    this.#readHeld();
  }

  #awaitBody(head: RequestHead, bytesMax: number): void {
    this.#body = bodyOf(head);
    this.#bodyBytes = 0;
    this.#bodyBytesMax = bytesMax;
    if (this.#body !== null) this.#watchClient();
  }

  /** What was sent along with the head. */
  #readHeld(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.#take(held);
  }

  // -- the request's body

  /** Offset behind what belongs to the body. */
  #readBody(body: BodyReader, bytes: Buffer): number {
    let at = 0;
    while (at < bytes.length && this.#body === body) {
      at = body.next(bytes, at, bytes.length);
      if (body.to > body.from) this.#content(bytes.subarray(body.from, body.to));
      if (body.broken) this.#brokenBody();
      else if (body.done) this.#bodyRead();
    }
    return at;
  }

  #content(piece: Buffer): void {
    this.#bodyBytes += piece.length;
    if (this.#phase === "past") {
      if (this.#bodyBytes > PAST_BYTES_MAX) this.#close();
    } else if (this.#bodyBytes > this.#bodyBytesMax) this.#relay?.cutBody(bodyRefusal(this.#bodyBytesMax));
    else if (this.#relay?.content(piece) === false) this.#socket.pause();
  }

  #bodyRead(): void {
    this.#body = null;
    this.#relay?.bodyEnded();
    if (this.#phase === "past" && !this.#queued) this.#next();
  }

  /** Bytes came that are no body: nothing after them can be trusted. */
  #brokenBody(): void {
    this.#body = null;
    this.#closes = true;
    if (this.#relay !== null) this.#relay.cutBody(BROKEN_BODY);
    else if (!this.#queued) this.#close();
  }

  resumeBody(): void {
    if (this.#held !== null && this.#held.length > AHEAD_BYTES_MAX) return;
    this.#watchClient();
    this.#socket.resume();
  }

  // -- what goes out

  get mayKeep(): boolean {
    return !this.#closes && this.#body === null;
  }

  get idleSeconds(): number {
    return Math.floor(this.#lane.limits.idleTimeoutMs / 1000);
  }

  queued(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#lane.turn.end(this);
  }

  headQueued(status: number): void {
    this.#status = status;
  }

  answered(keepsAlive: boolean): void {
    this.#answered = true;
    if (!keepsAlive) this.#closes = true;
    this.queued();
  }

  refuse(passage: Passage, refusal: Refusal): void {
    const { requestId, runtime, route, exchange, head } = passage;
    const headers = [...(refusal.headers ?? []), ...passage.limitState.headers()];
    const verdict = { kind: "refused", refusal: { ...refusal, headers }, requestId, runtime, route } as const;
    this.out.drop();
    this.#refused(verdict, head, exchange.method, exchange.target);
  }

  #refused(verdict: RefusedVerdict, head: RequestHead | null, method: string, target = ""): void {
    const { refusal, requestId, runtime } = verdict;
    const { metrics, refusals } = this.#lane;
    refusals.refused(refusal, requestId, method, target, this.#peer.address);
    metrics.refused(refusal.code);
    this.#relay = null;
    if (head === null || refusal.close === true || this.#closes || !this.#canReadPast(head)) this.#closes = true;
    const { status, text } = refusalText(
      { ...refusal, close: this.#closes },
      {
        requestId,
        format: runtime.settings.errors.format,
        idleSeconds: this.idleSeconds,
        bodiless: method === "HEAD",
      },
    );
    this.#status = status;
    this.out.text(text);
    this.#answered = true;
    this.#phase = "past";
    this.#sinceMs = performance.now();
    this.queued();
    if (this.#closes) return;
    if (this.#body === null && head !== null && this.#bodyBytes === 0) this.#body = bodyOf(head);
    this.#readHeld();
  }

  /** Whether what is left of the body is small enough to read past. */
  #canReadPast(head: RequestHead): boolean {
    if (!hasBody(head)) return true;
    if (this.#relay !== null && this.#body === null) return true;
    return !head.chunked && head.expects === "nothing" && (head.contentLength ?? 0) <= PAST_BYTES_MAX;
  }

  cut(): void {
    this.#cuts = true;
    this.queued();
  }

  /** The end of a turn: what is queued may go out, unless the charge it stands for could not be written. */
  send(): void {
    this.#queued = false;
    if (this.#socket.destroyed) return;
    if (this.#relay?.isLost === true) {
      this.out.drop();
      this.#answered = false;
      if (this.#begun) this.#socket.destroy();
      else this.#relay.lost();
      return;
    }
    this.#begun = true;
    if (!this.out.flush()) this.#relay?.pause();
    if (this.#cuts) this.#socket.destroy();
    else if (this.#answered) this.#answerSent();
  }

  #answerSent(): void {
    this.#answered = false;
    this.#relay = null;
    this.#finished();
    if (this.#closes) this.#close();
    else if (this.#body === null) this.#next();
    else this.#phase = "past";
  }

  #finished(): void {
    this.#lane.metrics.finished(this.#metric, this.#status, (performance.now() - this.#startedMs) / 1000);
  }

  /** The next request may come. */
  #next(): void {
    this.#phase = "head";
    this.#sinceMs = performance.now();
    this.#socket.resume();
    if (this.#lane.isDraining) this.drain(DRAIN_AGAIN_MS);
    this.#readHeld();
  }

  // -- the end

  /** Closes behind what is queued, so that the client can read it: what it still sends is read past for a moment. */
  #close(): void {
    this.#phase = "closing";
    this.#held = null;
    this.#body = null;
    this.#socket.end();
    this.#socket.resume();
    setTimeout(() => this.#socket.destroy(), LINGER_MS).unref();
  }

  /** The client sends no more. Like node's own server we take it for gone, whatever it still waits for. */
  #ended(): void {
    if (this.#phase === "head" && (this.#held !== null || this.#reader.begun)) {
      this.#start();
      this.#refused(this.#refusedBefore(CUT_HEAD), null, "");
    } else if (this.#phase === "head" || this.#phase === "closing") this.#socket.end();
    else if (this.#phase === "past" && this.#queued) this.#closes = true;
    else this.#socket.destroy();
  }

  #gone(): void {
    this.#lane.closed(this);
    const isUnderWay = this.#phase === "relaying" || this.#phase === "past";
    const relay = this.#relay;
    this.#relay = null;
    relay?.clientGone(this.#body === null);
    if (isUnderWay && (relay !== null || this.#answered)) this.#finished();
    this.out.drop();
  }

  #handOver(bytes: Buffer): void {
    const socket = this.#socket;
    socket.off("data", this.#onData);
    socket.off("drain", this.#onDrain);
    socket.off("end", this.#onEnd);
    socket.off("close", this.#onClose);
    socket.off("error", ignore);
    this.#lane.closed(this);
    this.#lane.handOver(socket, bytes);
  }

  // -- time

  /** From now on the client is waited for. */
  #watchClient(): void {
    this.#sinceMs = performance.now();
    this.#readThen = this.#socket.bytesRead;
  }

  /** Looks whether the client has kept us waiting for too long. */
  sweep(nowMs: number): void {
    const { limits } = this.#lane;
    this.#relay?.sweep(nowMs);
    this.#sweepUnsent(nowMs, limits.requestTimeoutMs);
    const waitedMs = nowMs - this.#sinceMs;
    if (this.#phase === "head") this.#sweepHead(waitedMs);
    else if (this.#phase === "past" && this.#body !== null && waitedMs > PAST_MS) this.#socket.destroy();
    else if (this.#phase === "relaying" && this.#body !== null && !this.#socket.isPaused()) {
      if (this.#socket.bytesRead !== this.#readThen) this.#watchClient();
      else if (waitedMs > limits.idleTimeoutMs) this.#silent();
    }
  }

  #sweepHead(waitedMs: number): void {
    const { headerTimeoutMs, idleTimeoutMs } = this.#lane.limits;
    const isIdle = this.#requests > 0 && this.#held === null && !this.#reader.begun;
    if (isIdle && waitedMs > idleTimeoutMs) this.#close();
    else if (!isIdle && waitedMs > headerTimeoutMs) {
      this.#start();
      this.#refused(this.#refusedBefore(SLOW_HEAD), null, "");
    }
  }

  /** A client that stops in the middle of its body holds a connection of the upstream. */
  #silent(): void {
    // After an early answer nobody waits for the rest of the body.
    if (this.#begun) this.#socket.destroy();
    else this.#relay?.cutBody(SILENT);
  }

  /** An answer that nobody reads may not be kept for ever. */
  #sweepUnsent(nowMs: number, timeoutMs: number): void {
    const unsent = this.#socket.writableLength;
    if (unsent === 0 || unsent !== this.#unsentThen) {
      this.#unsentThen = unsent;
      this.#stalledMs = nowMs;
    } else if (nowMs - this.#stalledMs > timeoutMs) this.#socket.destroy();
  }

  /** The lane drains: closes when it has been idle for so long. */
  drain(afterMs = DRAIN_IDLE_MS): void {
    if (!this.isIdle) return;
    const requests = this.#requests;
    setTimeout(() => {
      // Timers run before sockets are read: a request that has arrived by now is let in first.
      setImmediate(() => {
        if (this.isIdle && this.#requests === requests && this.#held === null) this.#socket.destroy();
      });
    }, afterMs);
  }
}

type RefusedVerdict = Extract<Verdict, { kind: "refused" }>;

const BROKEN_BODY: Refusal = {
  code: "malformed_request",
  rule: "http:syntax",
  detail: "Request body is not valid HTTP/1.1",
  close: true,
};

const CUT_HEAD: Refusal = {
  code: "malformed_request",
  rule: "http:syntax",
  detail: "Request headers were not completed",
  close: true,
};

const SLOW_HEAD: Refusal = {
  code: "request_timeout",
  rule: "limit:header-timeout",
  detail: "Request headers took too long",
  close: true,
};

function ignore(): void {}

function bodyOf(head: RequestHead): BodyReader | null {
  if (head.chunked) return new ChunkedBody();
  return head.contentLength === null || head.contentLength === 0 ? null : new LengthBody(head.contentLength);
}
