/**
 * One admitted request on the fast lane: sent to its upstream, the answer passed on piece by piece. Worker thread.
 * The order that makes metering exact: what a byte of the answer stands for is staged before the byte is queued, and the turn writes
 * all that is staged before it sends. Every way out ends the `Settlement` once.
 */
import { type Refusal, statusOf } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { METERING_DOWN } from "#data-plane/gate.ts";
import { Settlement } from "#data-plane/metering/settlement.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import { passedTrailers } from "#data-plane/upstream/response-headers.ts";
import type { ConnectionSeeker } from "#data-plane/upstream/target-sockets.ts";
import type { Breakage, ConnectionUser, UpstreamConnection } from "#data-plane/upstream/upstream-connection.ts";
import { hasBody } from "#data-plane/wire/head.ts";
import type { ResponseHead } from "#data-plane/wire/http1/response-reader.ts";
import { chunkHead, lastChunk } from "#data-plane/wire/http1/writer.ts";
import { INTERIM_MAX, interimLines } from "#data-plane/wire/interim.ts";
import type { Turn } from "#data-plane/wire/turn.ts";
import { BUSY, invalidAnswer, timedOut, tooManyInterim, unreachable } from "#data-plane/wire/upstream-refusals.ts";
import { type AnswerShape, answerText } from "./answer-text.ts";
import type { ClientLane } from "./client-lane.ts";
import type { RelayClient } from "./relay-client.ts";
import { requestText } from "./request-text.ts";

/** What the client of a lost charge hears. */
const METERING_STATUS = statusOf(METERING_DOWN);

export class Relay implements ConnectionUser, ConnectionSeeker {
  readonly method: string;
  readonly turn: Turn;
  readonly #lane: ClientLane;
  readonly #client: RelayClient;
  readonly #passage: Passage;
  readonly #target: Target;
  readonly #settlement: Settlement;
  readonly #body: "none" | "length" | "chunked";
  #upstream: UpstreamConnection | null = null;
  /** Pieces of the body that wait for a connection. */
  #early: Buffer[] = [];
  #bodyEnded = false;
  #over = false;
  #headQueued = false;
  #retried = false;
  #interim = 0;
  /** The client gets chunks. */
  #chunked = false;
  /** Bytes of the answer's body that are still to come; null: its end says so. */
  #bytesLeft: number | null = null;
  #keepsAlive = false;
  #paused = false;
  /** When whatever is waited for has taken too long; milliseconds of the monotonic clock. */
  #deadlineMs = Infinity;

  constructor(lane: ClientLane, client: RelayClient, passage: Passage) {
    this.#lane = lane;
    this.turn = lane.turn;
    this.#client = client;
    this.#passage = passage;
    this.method = passage.exchange.method;
    this.#target = passage.route.upstream.pick();
    this.#settlement = new Settlement(lane.settler, passage, lane.meterFault, true);
    const { head } = passage;
    this.#body = !hasBody(head) ? "none" : head.chunked ? "chunked" : "length";
  }

  /** A charge could not be written: what is queued of the answer may not go out. */
  get isLost(): boolean {
    return this.#settlement.isLost;
  }

  /** Bytes the request's body may have. */
  get bodyBytesMax(): number {
    return this.#passage.runtime.settings.server.limits.bodyBytesMax ?? Infinity;
  }

  start(): void {
    this.#deadlineMs = this.turn.nowMs() + this.#target.queueTimeoutMs;
    this.#target.sockets.take(this);
  }

  // -- the way to the upstream

  onConnection(connection: UpstreamConnection): void {
    // Over while it waited: somebody else may have it.
    if (this.#over) return connection.release();
    this.#upstream = connection;
    this.#waitForAnswer();
    connection.begin(this, requestText(this.#passage, this.#target), this.#body);
    const early = this.#early;
    this.#early = [];
    let hasRoom = true;
    for (const piece of early) hasRoom = connection.write(piece, 0, piece.length);
    if (this.#bodyEnded && this.#body !== "none") connection.endBody();
    // Also behind the end of the body: a client that leaves is heard of only while it is read.
    if (hasRoom) this.#client.resumeBody();
  }

  onUnreachable(): void {
    this.#end(unreachable(this.#passage.route.upstream.name));
  }

  #waitForAnswer(): void {
    this.#deadlineMs = this.turn.nowMs() + this.#passage.runtime.settings.server.limits.requestTimeoutMs;
  }

  /** Content of the request's body, good until this returns; false: no more until `resumeBody`. */
  content(bytes: Buffer, from: number, to: number): boolean {
    if (this.#over) return true;
    const { measurement } = this.#settlement;
    if (measurement?.wantsRequest === true) measurement.requestChunk(bytes.subarray(from, to));
    if (this.#upstream !== null) {
      this.#waitForAnswer();
      return this.#upstream.write(bytes, from, to);
    }
    this.#early.push(Buffer.from(bytes.subarray(from, to)));
    return false;
  }

  /** The request's body is whole. */
  bodyEnded(): void {
    this.#bodyEnded = true;
    if (!this.#over) this.#upstream?.endBody();
  }

  onFull(): void {
    if (!this.#bodyEnded) this.#client.pauseBody();
  }

  onDrain(): void {
    this.#client.resumeBody();
  }

  // -- the answer

  onInterim({ status, raw }: ResponseHead): void {
    if (this.#over) return;
    if (++this.#interim > INTERIM_MAX) return this.#end(tooManyInterim());
    const lines = interimLines(status, raw, this.#passage.exchange.httpVersion);
    if (lines === null) return;
    this.#client.out.text(lines);
    this.#client.queued();
  }

  onHead(head: ResponseHead, bodiless: boolean): void {
    if (this.#over) return;
    if (!this.#settlement.head(head.status, head.raw)) return this.#end(METERING_DOWN);
    const shape = this.#shapeOf(head, bodiless);
    this.#keepsAlive = shape.keepsAlive;
    this.#chunked = shape.framing === "chunked";
    this.#bytesLeft = !bodiless && head.framing.kind === "length" ? head.framing.bytes : null;
    this.#headQueued = true;
    this.#waitForAnswer();
    this.#client.out.text(answerText(head, this.#passage, shape));
    this.#client.headQueued(head.status);
    this.#client.queued();
  }

  #shapeOf(head: ResponseHead, bodiless: boolean): AnswerShape {
    const { mayKeep } = this.#client;
    const { idleSeconds } = this.#lane;
    const isNew = this.#passage.exchange.httpVersion === "1.1";
    // Older clients keep a connection only behind an answer that says how long it is.
    const isTold = isNew || (head.framing.kind === "length" && head.status !== 204);
    if (bodiless || head.framing.kind === "length")
      return { framing: "as-is", keepsAlive: mayKeep && isTold, idleSeconds };
    if (isNew) return { framing: "chunked", keepsAlive: mayKeep, idleSeconds };
    return { framing: "close", keepsAlive: false, idleSeconds };
  }

  onContent(bytes: Buffer, from: number, to: number): void {
    if (this.#over) return;
    const { measurement } = this.#settlement;
    measurement?.responseChunk(bytes.subarray(from, to));
    if (this.#bytesLeft !== null) {
      this.#bytesLeft -= to - from;
      if (this.#bytesLeft <= 0 && !this.#settlement.end()) return this.#cut();
    }
    this.#waitForAnswer();
    const { out } = this.#client;
    if (this.#chunked) out.text(chunkHead(to - from));
    out.copy(bytes, from, to);
    if (this.#chunked) out.text("\r\n");
    this.#client.queued();
  }

  onEnd(trailers: readonly string[]): void {
    this.#upstream = null;
    if (this.#over) return;
    this.#settlement.measurement?.trailers(trailers);
    if (!this.#settlement.end()) return this.#cut();
    this.#over = true;
    if (this.#chunked) this.#client.out.text(lastChunk(passedTrailers(trailers)));
    this.#client.answered(this.#keepsAlive);
  }

  onBroken(why: Breakage): void {
    this.#upstream = null;
    if (this.#over) return;
    if (why === "lost" && this.#mayRetry()) {
      this.#retried = true;
      this.#deadlineMs = this.turn.nowMs() + this.#target.queueTimeoutMs;
      this.#target.sockets.takeNew(this);
      return;
    }
    const { name } = this.#passage.route.upstream;
    this.#end(why === "invalid" ? invalidAnswer(name) : unreachable(name));
  }

  /** A connection that had gone stale: safe to repeat where nothing was answered and repeating changes nothing. */
  #mayRetry(): boolean {
    const isSafe = this.method === "GET" || this.method === "HEAD" || this.method === "OPTIONS";
    return isSafe && !this.#retried && this.#body === "none";
  }

  // -- ways out

  /** The client is behind with reading. */
  pause(): void {
    if (this.#over || this.#paused) return;
    this.#paused = true;
    this.#deadlineMs = Infinity;
    this.#upstream?.pause();
  }

  /** The client has read on. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#over) return;
    this.#waitForAnswer();
    this.#upstream?.resume();
  }

  /** Looks whether somebody has kept the request waiting for too long. */
  sweep(nowMs: number): void {
    if (this.#over || nowMs < this.#deadlineMs) return;
    if (this.#upstream === null) this.#end(BUSY);
    else this.#end(timedOut(this.#passage.route.upstream.name));
  }

  /** What was staged for the answer could not be written; nothing of it went out. */
  lost(): void {
    this.#over = true;
    this.#settlement.endWith(METERING_STATUS);
    this.#leave();
    this.#client.refuse(this.#passage, METERING_DOWN);
  }

  /** The body breaks a limit: the upstream never gets the whole of it, so nothing is charged; but what was answered already is. */
  cutBody(refusal: Refusal): void {
    if (this.#over) return;
    if (!this.#headQueued) this.#settlement.release();
    this.#end(refusal);
  }

  /** The client left: a whole request counts by the rule for status 499, half a one is no request. */
  clientGone(wasWhole: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.#settlement.clientGone(wasWhole);
    this.#lane.metrics.count("client_aborts");
    this.#leave();
  }

  /** Usage that is known only now cannot be recorded: the client does not get the whole answer. */
  #cut(): void {
    this.#over = true;
    this.#leave();
    this.#client.cut();
  }

  /** Ends with a refusal, or, when an answer is under way, by cutting it off: a clean end would pass for a whole answer. */
  #end(refusal: Refusal): void {
    if (this.#over) return;
    this.#over = true;
    this.#settlement.endWith(refusal.status ?? 502);
    this.#leave();
    if (this.#headQueued) this.#client.cut();
    else this.#client.refuse(this.#passage, refusal);
  }

  /** The upstream need not go on. */
  #leave(): void {
    this.#target.sockets.forget(this);
    this.#upstream?.abort();
    this.#upstream = null;
    this.#early = [];
    // What was staged on the way out is written with this turn.
    this.turn.soon();
  }
}
