/**
 * The request under way on a client's connection: its verdict, its body, and the answer, a relay's or a refusal. Worker thread.
 * One object serves all requests of a connection in turn.
 *
 *   none ─▶ deciding ─▶ relaying ─▶ none …
 *     │        │            │
 *     └────────┴─▶ refused: past (what is left of its body is read past) ─▶ none …, or the connection closes
 */
import type { Refusal } from "#core/errors.ts";
import { isRefusal, type Passage, routeOf, type Verdict } from "#data-plane/exchange.ts";
import { bodyRefusal } from "#data-plane/gate.ts";
import { BROKEN_BODY } from "#data-plane/wire/client-refusals.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";
import type { LocalResponse } from "#data-plane/wire/local-response.ts";
import { refusalResponse } from "#data-plane/wire/refusal-response.ts";
import { CONTINUE } from "#data-plane/wire/interim.ts";
import type { RequestStart } from "#data-plane/wire/http1/request-reader.ts";
import type { Outgoing } from "#data-plane/wire/outgoing.ts";
import type { Sender } from "#data-plane/wire/turn.ts";
import { abandon, brokenBy, refusedBefore, type RefusedVerdict } from "#data-plane/wire/verdicts.ts";
import type { ClientLane } from "./client-lane.ts";
import { decide } from "./decide.ts";
import { localText } from "./local-text.ts";
import { Relay } from "./relay.ts";
import type { RelayClient } from "./relay-client.ts";
import { type BodyTaker, isReadPast, PAST_BYTES_MAX, PAST_MS, RequestBody } from "./request-body.ts";
import type { RequestConnection } from "./request-connection.ts";
import { RequestRecord } from "./request-record.ts";

type Phase = "none" | "deciding" | "relaying" | "past";

export class ClientRequest implements Sender, RelayClient, BodyTaker {
  readonly out: Outgoing;
  readonly #connection: RequestConnection;
  readonly #lane: ClientLane;
  #phase: Phase = "none";
  /** What is left to read of the body; null: nothing. */
  #body: RequestBody | null = null;
  #relay: Relay | null = null;
  /** It waits for the end of the turn. */
  #queued = false;
  /** Some of the final answer has been written. */
  #begun = false;
  /** The answer is queued as a whole. */
  #answered = false;
  /** The connection ends with the answer. */
  #closes = false;
  /** The answer will never be whole: the connection is cut behind what there is of it. */
  #cuts = false;
  readonly #record: RequestRecord;

  constructor(connection: RequestConnection, out: Outgoing) {
    this.#connection = connection;
    this.#lane = connection.lane;
    this.#record = new RequestRecord(connection.lane);
    this.out = out;
  }

  get isNone(): boolean {
    return this.#phase === "none";
  }

  begin(start: RequestStart): void {
    const { head, method, target, httpVersion } = start;
    this.#start();
    this.#closes = isRefusal(head) || !head.keepsAlive || this.#lane.isDraining;
    const verdict = decide(this.#lane, { method, target, httpVersion, head, peer: this.#connection.peer });
    if (!(verdict instanceof Promise)) return this.#decided(verdict, start);
    this.#phase = "deciding";
    void verdict.then((decided) => this.#decided(decided, start));
  }

  /** What came is no request: says so and closes. `method` as far as it is known. */
  refuseAll(refusal: Refusal, method: string): void {
    this.#start();
    this.#refused(refusedBefore(this.#lane, refusal), null, method);
  }

  #start(): void {
    this.#begun = false;
    this.#answered = false;
    this.#record.begin();
  }

  #decided(verdict: Verdict, start: RequestStart): void {
    this.#record.metric = routeOf(verdict)?.metric ?? this.#record.metric;
    if (this.#connection.socket.destroyed) {
      abandon(this.#lane, verdict);
      return this.#record.end();
    }
    const head = isRefusal(start.head) ? null : start.head;
    try {
      if (verdict.kind === "refused") this.#refused(verdict, head, start.method, start.target);
      else if (verdict.kind === "forward") this.#forward(verdict.passage);
      else this.#answeredFor(verdict.response, head, start.method);
    } catch (error) {
      this.#relay?.abandon();
      this.#refused(brokenBy(this.#lane, error), head, start.method, start.target);
    }
  }

  #forward(passage: Passage): void {
    const { head } = passage;
    this.#phase = "relaying";
    if (head.expects === "100-continue") this.#connection.socket.write(CONTINUE, "latin1");
    this.#awaitBody(head);
    this.#relay = new Relay(this.#lane, this, passage);
    this.#relay.start();
    this.#connection.readHeld();
  }

  // -- its body

  #awaitBody(head: RequestHead): void {
    const now = this.#lane.turn.nowMs();
    this.#body = RequestBody.of(head, this, this.#lane.limits, now);
    if (this.#body !== null) this.#connection.watch.begin(now);
  }

  /** Reads what belongs to its body; returns the offset behind it. */
  read(bytes: Buffer, length: number): number {
    return this.#body === null || this.#phase === "deciding" ? 0 : this.#body.read(bytes, length);
  }

  onBody(bytes: Buffer, from: number, to: number): void {
    const read = this.#body?.bytes ?? 0;
    const bytesMax = this.#relay?.bodyBytesMax ?? PAST_BYTES_MAX;
    if (read <= bytesMax) {
      if (this.#relay?.content(bytes, from, to) === false) this.#connection.pause();
    } else this.#relay?.cutBody(bodyRefusal(bytesMax));
  }

  onBodyEnd(): void {
    this.#body = null;
    this.#relay?.bodyEnded();
    if (this.#phase === "past" && !this.#queued) this.#over();
  }

  onBrokenBody(): void {
    this.#body = null;
    this.#closes = true;
    if (this.#relay !== null) this.#relay.cutBody(BROKEN_BODY);
    else if (!this.#queued) this.#connection.close();
  }

  pauseBody(): void {
    this.#connection.pause();
  }

  resumeBody(): void {
    this.#connection.resume();
  }

  // -- its answer

  get mayKeep(): boolean {
    return !this.#closes && this.#body === null;
  }

  queued(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#lane.turn.end(this);
  }

  headQueued(status: number): void {
    this.#record.status = status;
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
    this.#refused(verdict, head, exchange.method, exchange.target);
  }

  #refused(verdict: RefusedVerdict, head: RequestHead | null, method: string, target = ""): void {
    const { refusal, requestId, runtime } = verdict;
    this.#lane.refusals.refused(refusal, requestId, method, target, this.#connection.peer.address);
    this.#lane.metrics.refused(refusal.code);
    if (refusal.code === "overloaded") this.#connection.overloaded();
    if (refusal.close === true) this.#closes = true;
    this.#answeredFor(refusalResponse(refusal, requestId, runtime.settings.errors.format), head, method);
  }

  /** The gateway answers for itself. `head`: null where there was none. */
  #answeredFor(response: LocalResponse, head: RequestHead | null, method: string): void {
    const wasForwarded = this.#relay !== null;
    const isRead = wasForwarded && this.#body === null;
    if (head === null || !(isRead || isReadPast(head))) this.#closes = true;
    this.#relay = null;
    const shape = { idleSeconds: this.#lane.idleSeconds, bodiless: method === "HEAD", closes: this.#closes };
    this.#record.status = response.status;
    this.out.text(localText(response, shape));
    this.#phase = "past";
    this.#connection.watch.begin(this.#lane.turn.nowMs());
    this.answered(!this.#closes);
    if (this.#closes) return;
    if (head !== null && !wasForwarded) this.#awaitBody(head);
    this.#connection.resume();
    this.#connection.readHeld();
  }

  cut(): void {
    this.#cuts = true;
    this.queued();
  }

  /** The end of a turn: what is queued may go out, unless the charge it stands for could not be written. */
  send(): void {
    this.#queued = false;
    const { socket } = this.#connection;
    if (socket.destroyed) return;
    if (this.#relay?.isLost === true) return this.#sendNot(this.#relay);
    if (this.#record.status !== 0) this.#begun = true;
    if (this.out.flush()) this.#relay?.resume();
    else this.#relay?.pause();
    if (this.#cuts) socket.destroy();
    else if (this.#answered) this.#sent();
  }

  #sendNot(relay: Relay): void {
    this.out.drop();
    this.#answered = false;
    if (this.#begun) this.#connection.socket.destroy();
    else relay.lost();
  }

  #sent(): void {
    this.#answered = false;
    this.#relay = null;
    this.#record.end();
    if (this.#closes) this.#connection.close();
    else if (this.#body === null) this.#over();
    else this.#phase = "past";
  }

  #over(): void {
    // The next request waits until the client has read this one's answer.
    if (this.#connection.socket.writableNeedDrain) {
      this.#phase = "past";
      return;
    }
    this.#phase = "none";
    this.#connection.next();
  }

  // -- when the client fails

  onDrain(): void {
    this.#relay?.resume();
    if (this.#phase === "past" && this.#body === null && !this.#queued && !this.#closes) this.#over();
  }

  /** The client sends no more. Like node's own server we take it for gone, unless its answer is on its way already. */
  onEnd(): void {
    if (this.#phase === "past" && this.#queued) this.#closes = true;
    else this.#connection.socket.destroy();
  }

  /** The connection is closed, or about to be. */
  drop(): void {
    this.#body?.drop();
    this.#body = null;
  }

  onGone(): void {
    const isUnderWay = this.#phase === "relaying" || this.#phase === "past";
    const relay = this.#relay;
    this.#relay = null;
    relay?.clientGone(this.#body === null);
    if (isUnderWay && (relay !== null || this.#answered)) this.#record.end();
    this.out.drop();
  }

  /** Looks whether anybody has kept it waiting for too long. */
  sweep(nowMs: number): void {
    this.#relay?.sweep(nowMs);
    if (this.#body === null) return;
    if (this.#phase === "relaying") this.#sweepBody(this.#body, nowMs);
    else if (this.#phase === "past" && this.#connection.watch.waitedMs(nowMs) > PAST_MS)
      this.#connection.socket.destroy();
  }

  /** A client that stops in the middle of its body, or crawls, holds a connection of the upstream. */
  #sweepBody(body: RequestBody, nowMs: number): void {
    const { isPaused, socket, watch } = this.#connection;
    const slowness = body.slowness(nowMs, isPaused ? null : watch.silentMs(nowMs));
    if (slowness === null) return;
    // After an early answer nobody waits for the rest of the body.
    if (this.#begun) socket.destroy();
    else this.#relay?.cutBody(slowness);
  }
}
