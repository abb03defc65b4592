/**
 * One admitted request on the fast lane: sent to its upstream, the answer passed on piece by piece. Worker thread.
 * The order that makes metering exact: what a byte of the answer stands for is staged before the byte is queued, and the turn writes
 * all that is staged before it sends. Every way out ends the `Settlement` once.
 */
import type { Refusal } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { METERING_DOWN } from "#data-plane/gate.ts";
import { type EndHolder, Settlement } from "#data-plane/metering/settlement.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import type { Seeking } from "#data-plane/upstream/pool-use.ts";
import type { ConnectionSeeker } from "#data-plane/upstream/target-sockets.ts";
import type { Breakage, ConnectionUser, UpstreamConnection } from "#data-plane/upstream/upstream-connection.ts";
import { hasBody } from "#data-plane/wire/head.ts";
import { LastingAnswer, REVOKED } from "#data-plane/wire/lasting.ts";
import { mayRepeat } from "#data-plane/wire/repeating.ts";
import type { ResponseHead } from "#data-plane/wire/http1/response-reader.ts";
import { INTERIM_MAX, interimLines } from "#data-plane/wire/interim.ts";
import type { Turn } from "#data-plane/wire/turn.ts";
import { BUSY, invalidAnswer, timedOut, tooManyInterim, unreachable } from "#data-plane/wire/upstream-refusals.ts";
import { AnswerBody } from "./answer-body.ts";
import { bytesOf, shapeOf } from "./answer-shape.ts";
import { answerText } from "./answer-text.ts";
import type { ClientLane } from "./client-lane.ts";
import type { RelayClient } from "./relay-client.ts";
import { requestText } from "./request-text.ts";

export class Relay extends LastingAnswer implements ConnectionUser, ConnectionSeeker, EndHolder {
  readonly method: string;
  readonly turn: Turn;
  readonly #lane: ClientLane;
  readonly #client: RelayClient;
  readonly #target: Target;
  readonly #settlement: Settlement;
  readonly #body: "none" | "length" | "chunked";
  #upstream: UpstreamConnection | null = null;
  /** Pieces of the body that wait for a connection. */
  #early: Buffer[] = [];
  #bodyEnded = false;
  /** null: its head has not come. */
  #answer: AnswerBody | null = null;
  #retried = false;
  #interim = 0;
  #trailers: readonly string[] = [];
  #paused = false;
  /** When whatever is waited for has taken too long; milliseconds of the monotonic clock. */
  #deadlineMs = Infinity;

  constructor(lane: ClientLane, client: RelayClient, passage: Passage) {
    super(passage, lane.lasting);
    this.#lane = lane;
    this.turn = lane.turn;
    this.#client = client;
    this.method = passage.exchange.method;
    this.#target = passage.route.upstream.pick();
    this.#settlement = new Settlement(lane.settler, passage, lane.meterFault, true);
    this.#body = !hasBody(passage.head) ? "none" : passage.head.chunked ? "chunked" : "length";
  }

  /** A charge could not be written: what is queued of the answer may not go out. */
  get isLost(): boolean {
    return this.#settlement.isLost;
  }

  /** Bytes the request's body may have. */
  get bodyBytesMax(): number {
    return this.passage.runtime.settings.server.limits.bodyBytesMax ?? Infinity;
  }

  start(): void {
    this.#deadlineMs = this.turn.nowMs() + this.#target.connectPatienceMs;
    this.#sought(this.#target.sockets.take(this));
  }

  #sought(found: Seeking): void {
    if (found === "waits") this.#deadlineMs = this.turn.nowMs() + this.#target.queueTimeoutMs;
    else if (found === "full") this.#busy();
  }

  // -- the way to the upstream

  onConnection(connection: UpstreamConnection): void {
    // Over while it waited: somebody else may have it.
    if (this.isOver) return connection.release();
    this.#upstream = connection;
    this.#waitForAnswer();
    connection.begin(this, requestText(this.passage, this.#target), this.#body);
    const early = this.#early;
    this.#early = [];
    let hasRoom = true;
    for (const piece of early) hasRoom = connection.write(piece, 0, piece.length);
    if (this.#body === "none") return;
    if (this.#bodyEnded) connection.endBody();
    else if (hasRoom) this.#waitForClient();
    // Read on also behind the body: else nobody would notice that the client leaves.
    if (hasRoom) this.#client.resumeBody();
  }

  onUnreachable(): void {
    this.#end(unreachable(this.passage.route.upstream.name));
  }

  #waitForAnswer(): void {
    this.#deadlineMs = this.turn.nowMs() + this.passage.runtime.settings.server.limits.requestTimeoutMs;
  }

  /** For more of its body; the body itself sees to it that it comes. */
  #waitForClient(): void {
    this.#deadlineMs = Infinity;
  }

  /** Content of the request's body, good until this returns; false: no more until `resumeBody`. */
  content(bytes: Buffer, from: number, to: number): boolean {
    if (this.isOver) return true;
    this.#settlement.requestContent(bytes, from, to);
    if (this.#upstream !== null) {
      const hasRoom = this.#upstream.write(bytes, from, to);
      if (hasRoom) this.#waitForClient();
      else this.#waitForAnswer();
      return hasRoom;
    }
    this.#early.push(Buffer.from(bytes.subarray(from, to)));
    return false;
  }

  /** The request's body is whole. */
  bodyEnded(): void {
    this.#bodyEnded = true;
    if (this.isOver || this.#upstream === null) return;
    this.#waitForAnswer();
    this.#upstream.endBody();
  }

  onFull(): void {
    if (!this.#bodyEnded) this.#client.pauseBody();
  }

  onDrain(): void {
    if (!this.#bodyEnded) this.#waitForClient();
    this.#client.resumeBody();
  }

  // -- the answer

  onInterim({ status, raw }: ResponseHead): void {
    if (this.isOver) return;
    if (++this.#interim > INTERIM_MAX) return this.#end(tooManyInterim());
    const lines = interimLines(status, raw, this.passage.exchange.httpVersion);
    if (lines === null) return;
    this.#client.out.text(lines);
    this.#client.queued();
  }

  onHead(head: ResponseHead, bodiless: boolean): void {
    if (this.isOver) return;
    if (!this.#settlement.head(head.status, head.raw)) return this.#end(METERING_DOWN);
    const { httpVersion } = this.passage.exchange;
    const { idleSeconds } = this.#lane;
    const circumstances = { httpVersion, mayKeep: this.#client.mayKeep, idleSeconds, target: this.#target };
    const shape = shapeOf(head, bodiless, circumstances);
    this.#answer = new AnswerBody(shape, bytesOf(head, bodiless), this.#settlement.holdsEnd);
    this.#waitForAnswer();
    this.headCame(this.turn.nowMs(), head.isEventStream && !bodiless);
    this.#client.out.text(answerText(head, this.passage, shape));
    this.#client.headQueued(head.status);
    this.#client.queued();
  }

  onContent(bytes: Buffer, from: number, to: number): void {
    if (this.isOver) return;
    this.contentCame(this.turn.nowMs());
    this.#settlement.content(bytes, from, to);
    if (this.#answer?.takes(to - from) === true && !this.#settlement.end()) return this.#cut();
    this.#waitForAnswer();
    const { out } = this.#client;
    this.#answer?.content(out, bytes, from, to);
    this.#client.queued();
    if (out.isMuch) this.pause();
  }

  onEnd(trailers: readonly string[]): void {
    this.#upstream = null;
    if (this.isOver) return;
    this.#settlement.measurement?.trailers(trailers);
    if (!this.#settlement.end()) return this.#cut();
    this.#trailers = trailers;
    this.#deadlineMs = Infinity;
    this.#settlement.whenKnown(this);
  }

  /** The end of the answer may go. */
  onKnown(): void {
    if (this.isOver) return;
    this.ended();
    this.#answer?.end(this.#client.out, this.#trailers);
    this.#client.answered(this.#answer?.keepsAlive === true);
  }

  onBroken(why: Breakage): void {
    this.#upstream = null;
    if (this.isOver) return;
    if (why === "lost" && !this.#retried && mayRepeat(this.method, this.#body !== "none")) {
      this.#retried = true;
      this.#deadlineMs = this.turn.nowMs() + this.#target.connectPatienceMs;
      return this.#sought(this.#target.sockets.takeNew(this));
    }
    this.#end((why === "invalid" ? invalidAnswer : unreachable)(this.passage.route.upstream.name));
  }

  // -- ways out

  /** The client is behind with reading. */
  pause(): void {
    if (this.isOver || this.#paused) return;
    this.#paused = true;
    this.#deadlineMs = Infinity;
    this.#upstream?.pause();
  }

  /** The client has read on. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.isOver) return;
    this.#waitForAnswer();
    this.#upstream?.resume();
  }

  /** Looks whether somebody has kept the request waiting for too long. */
  sweep(nowMs: number): void {
    if (this.isOver || nowMs < this.#deadlineMs) return;
    if (this.#upstream === null) this.#busy();
    else this.#end(timedOut(this.passage.route.upstream.name));
  }

  /** No connection came free in time, or too many wait for one. */
  #busy(): void {
    this.#lane.metrics.count("queue_refusals");
    this.#end(BUSY);
  }

  /** What was staged for the answer could not be written; nothing of it went out. */
  lost(): void {
    this.#settlement.lost();
    this.#leave();
    this.#client.refuse(this.passage, METERING_DOWN);
  }

  /** The body breaks a limit: the upstream never gets the whole of it, so nothing is charged; but what was answered already is. */
  cutBody(refusal: Refusal): void {
    if (this.isOver) return;
    if (this.#answer === null) this.#settlement.release();
    this.#end(refusal);
  }

  /** The client left: a whole request counts by the rule for status 499, half a one is no request. */
  clientGone(wasWhole: boolean): void {
    if (this.isOver) return;
    this.#settlement.clientGone(wasWhole);
    this.#lane.metrics.count("client_aborts");
    this.#leave();
  }

  revoke(): void {
    this.#end(REVOKED);
  }

  /** A bug of the gateway's own ended the request before anything was answered. */
  abandon(): void {
    if (this.isOver) return;
    this.#settlement.release();
    this.#leave();
  }

  /** Usage that is known only now cannot be recorded: the client does not get the whole answer. */
  #cut(): void {
    this.#leave();
    this.#client.cut();
  }

  /** Ends with a refusal, or, when an answer is under way, by cutting it off: a clean end would pass for a whole answer. */
  #end(refusal: Refusal): void {
    if (this.isOver) return;
    this.#settlement.endWith(refusal.status ?? 502);
    this.#leave();
    if (this.#answer === null) this.#client.refuse(this.passage, refusal);
    else this.#client.cut();
  }

  /** The upstream need not go on. */
  #leave(): void {
    this.ended();
    this.#target.sockets.forget(this);
    this.#upstream?.abort();
    this.#upstream = null;
    this.#early = [];
    // What was staged on the way out is written with this turn.
    this.turn.soon();
  }
}
