/**
 * One admitted request on the full lane: dispatched to its upstream by undici, streamed both ways with backpressure.
 * Worker thread. The order that makes metering exact: answer's head arrives → settle (journal written) → head goes to the client;
 * and what is measured to the end is settled before the answer's last byte goes. Every way out ends the `Settlement` once.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { Refusal } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { bodyRefusal, METERING_DOWN } from "#data-plane/gate.ts";
import type { FaultListener } from "#data-plane/metering/measurement.ts";
import { type EndHolder, Settlement } from "#data-plane/metering/settlement.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import type { PlainCounter } from "#shared/metrics-table.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import {
  canHaveTrailers,
  clientResponseHeaders,
  passedTrailers,
  reasonText,
} from "#data-plane/upstream/response-headers.ts";
import { outgoingBody } from "./outgoing-body.ts";
import { isSoundAnswer } from "#data-plane/wire/http1/response-reader.ts";
import { hasBody } from "#data-plane/wire/head.ts";
import { LastingAnswer, type LastingOnes, REVOKED } from "#data-plane/wire/lasting.ts";
import { mayRepeat } from "#data-plane/wire/repeating.ts";
import { BUSY, invalidAnswer, timedOut, tooManyInterim } from "#data-plane/wire/upstream-refusals.ts";
import { watchBody } from "./patience.ts";
import { headerTexts, lengthOf, pairsOf, saysEventStream } from "./upstream-answer.ts";
import { requestOptions } from "./request-options.ts";
import { isConnectionLost, refusalOf } from "./dispatch-errors.ts";
import { INTERIM_MAX, interimLines } from "#data-plane/wire/interim.ts";

/** What a forward needs of the lane. */
export interface ForwardHost {
  readonly settler: Settler;
  readonly meterFault: FaultListener;
  readonly lasting: LastingOnes;
  /** Answers the client with a refusal; only before any byte of an answer went out. */
  refuse(passage: Passage, response: ServerResponse, refusal: Refusal): void;
  count(counter: PlainCounter): void;
}

export class Forward extends LastingAnswer implements Dispatcher.DispatchHandler, EndHolder {
  readonly #host: ForwardHost;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #target: Target;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #settlement: Settlement;
  /** Bytes of the answer's body that are still to come; null: its end says so. */
  #bytesLeft: number | null = null;
  #retried = false;
  #interim = 0;
  #trailers = false;
  /** The answer's last bytes, while they are held back. */
  #held: Buffer | null = null;
  /** Ends a request that waits for a connection, or an answer nobody reads; null: neither. */
  #patience: NodeJS.Timeout | null = null;

  constructor(host: ForwardHost, passage: Passage, request: IncomingMessage, response: ServerResponse) {
    super(passage, host.lasting);
    this.#host = host;
    this.#request = request;
    this.#response = response;
    this.#target = passage.route.upstream.pick();
    this.#settlement = new Settlement(host.settler, passage, host.meterFault);
    response.on("close", () => this.#clientGone());
    response.on("drain", () => {
      this.#waitNoMore();
      this.#controller?.resume();
    });
    if (hasBody(passage.head)) this.#watchBody();
  }

  /** A client that stops in the middle of its body, or crawls, holds a connection of the upstream: it gets 408. */
  #watchBody(): void {
    this.#request.once("end", () => this.#heard());
    watchBody(this.#request, this.passage.runtime.settings.server.limits, {
      // Waiting for a connection (`#patience` sees to that), or the upstream does not read: the silence is not the client's.
      isHeld: () => !this.isOver && (this.#controller === null || this.#request.isPaused()),
      onSlow: (refusal) => {
        // After an early answer nobody waits for the rest of the body.
        if (this.isOver) this.#request.socket.destroy();
        else this.cutBody(refusal);
      },
    });
  }

  #waitAtMost(ms: number, then: () => void): void {
    this.#patience ??= setTimeout(then, ms).unref();
  }

  #waitNoMore(): void {
    if (this.#patience !== null) clearTimeout(this.#patience);
    this.#patience = null;
  }

  start(): void {
    const found = this.#target.poolUse.enters();
    if (found === "full") this.#busy();
    else this.#dispatch(found === "waits" ? this.#target.queueTimeoutMs : this.#target.connectPatienceMs);
  }

  /** `patienceMs`: longest wait for a connection. */
  #dispatch(patienceMs: number): void {
    const { head } = this.passage;
    const body = hasBody(head) ? this.#body(head.chunked) : null;
    try {
      this.#target.pool.dispatch(requestOptions(this.passage, this.#target, body), this);
    } catch (error) {
      this.#failed(error);
    }
    if (this.#controller === null && !this.isOver) this.#waitAtMost(patienceMs, () => this.#busy());
  }

  #body(chunked: boolean): Readable {
    // A length was looked at by the gate.
    const bytesMax = chunked ? (this.passage.runtime.settings.server.limits.bodyBytesMax ?? Infinity) : Infinity;
    return outgoingBody(this.#request, chunked, {
      bytesMax,
      onTooLarge: () => this.cutBody(bodyRefusal(bytesMax)),
      onChunk: (chunk) => {
        this.#settlement.requestContent(chunk, 0, chunk.length);
        this.#heard();
      },
    });
  }

  /** Something came from the client. */
  #heard(): void {
    if (this.#controller !== null) this.#patience?.refresh();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#waitNoMore();
    this.#controller = controller;
    if (this.isOver) return controller.abort(new Error("Request is over"));
    this.#waitForAnswer();
  }

  #waitForAnswer(): void {
    // undici's own timeout begins anew with every octet of a head.
    this.#waitAtMost(this.passage.runtime.settings.server.limits.requestTimeoutMs, () => this.#noAnswer());
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason?: string): void {
    if (this.isOver) return;
    const raw = headerTexts(controller.rawHeaders);
    if (!isSoundAnswer(raw, reason)) return this.#giveUp(invalidAnswer(this.passage.route.upstream.name));
    if (status < 200) return this.#passInterim(status, raw);
    this.#waitNoMore();
    if (!this.#settlement.head(status, raw)) return this.#giveUp(METERING_DOWN);
    const bodiless = status === 204 || status === 304 || this.passage.exchange.method === "HEAD";
    this.#bytesLeft = bodiless ? null : lengthOf(raw);
    this.#trailers = canHaveTrailers(raw, this.passage, status);
    // An answer that comes before the body is through leaves the rest of the body on the connection: nothing may follow it.
    if (!this.#request.complete) this.#response.shouldKeepAlive = false;
    const headers = clientResponseHeaders(raw, this.passage, { status, target: this.#target });
    this.#response.writeHead(status, reasonText(reason), headers);
    this.headCame(performance.now(), !bodiless && saysEventStream(raw));
    // Heads go out at once: an event stream's first event may be minutes away.
    if (!bodiless && this.#bytesLeft === null) this.#response.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.isOver) return;
    this.contentCame(performance.now());
    this.#settlement.content(chunk, 0, chunk.length);
    if (this.#bytesLeft !== null) this.#bytesLeft -= chunk.length;
    const isLast = this.#bytesLeft !== null && this.#bytesLeft <= 0;
    if (isLast && !this.#settlement.end()) return this.#cutAnswer();
    if (isLast && this.#settlement.holdsEnd) {
      this.#held = chunk;
      return;
    }
    if (this.#response.write(chunk)) return;
    controller.pause();
    // undici's own timers stand still while paused: a client that does not read may not hold the upstream for ever.
    this.#waitAtMost(this.passage.runtime.settings.server.limits.requestTimeoutMs, () => this.#response.destroy());
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.isOver) return;
    const trailers = headerTexts(controller.rawTrailers);
    this.#settlement.measurement?.trailers(trailers);
    if (!this.#settlement.end()) return this.#cutAnswer();
    if (this.#trailers && trailers.length > 0) this.#response.addTrailers(pairsOf(passedTrailers(trailers)));
    this.#settlement.whenKnown(this);
  }

  /** The end of the answer may go. */
  onKnown(): void {
    if (this.isOver) return;
    this.#finish();
    if (this.#held === null) this.#response.end();
    else this.#response.end(this.#held);
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#failed(error);
  }

  #passInterim(status: number, raw: readonly string[]): void {
    if (++this.#interim > INTERIM_MAX) return this.#giveUp(tooManyInterim());
    const { socket } = this.#response;
    // Nothing behind the final answer's head.
    if (socket === null || this.#response.headersSent) return;
    const lines = interimLines(status, raw, this.#request.httpVersion);
    if (lines !== null) socket.write(lines, "latin1");
  }

  revoke(): void {
    this.#giveUp(REVOKED);
  }

  /** Usage that is known only now cannot be recorded: the client does not get the whole answer. */
  #cutAnswer(): void {
    this.#finish();
    this.#controller?.abort(new Error("Usage cannot be recorded"));
    this.#response.destroy();
  }

  #failed(error: unknown): void {
    if (this.isOver) return;
    if (this.#mayRetry(error)) {
      this.#retried = true;
      this.#controller = null;
      this.#dispatch(this.#target.connectPatienceMs);
      return;
    }
    this.#end(refusalOf(error, this.passage.route.upstream.name));
  }

  /** A connection that had gone stale: safe to repeat where nothing was answered and repeating changes nothing. */
  #mayRetry(error: unknown): boolean {
    const { exchange, head } = this.passage;
    if (this.#retried || this.#response.headersSent || this.#interim > 0) return false;
    return mayRepeat(exchange.method, hasBody(head)) && isConnectionLost(error);
  }

  /** No connection came free in time, or too many wait for one. */
  #busy(): void {
    this.#host.count("queue_refusals");
    this.#end(BUSY);
  }

  /** It ends here, one way or the other; called once. */
  #finish(): void {
    this.#target.poolUse.leaves();
    this.ended();
  }

  /** Ends with a refusal, or, when an answer is under way, by cutting it off: a clean end would pass for a whole answer. */
  #end(refusal: Refusal): void {
    if (this.isOver) return;
    this.#finish();
    this.#settlement.endWith(refusal.status ?? 502);
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    this.#host.refuse(this.passage, this.#response, refusal);
  }

  #noAnswer(): void {
    this.#waitNoMore();
    // The rest of the body is waited for first, and `watchBody` sees to it that it comes.
    if (!this.#request.complete && !this.#request.isPaused()) return this.#waitForAnswer();
    this.#giveUp(timedOut(this.passage.route.upstream.name));
  }

  /** Ends with a refusal, and the upstream's work. */
  #giveUp(refusal: Refusal): void {
    this.#end(refusal);
    this.#controller?.abort(new Error(refusal.detail));
  }

  /** The body breaks a limit or is none: the upstream never gets the whole of it, so nothing is charged; but what was answered already is. */
  cutBody(refusal: Refusal): void {
    if (this.isOver) return;
    if (!this.#response.headersSent) this.#settlement.release();
    this.#giveUp(refusal);
  }

  /** The client left: stop the upstream's work. A whole request counts by the rule for status 499, half a one is no request. */
  #clientGone(): void {
    this.#waitNoMore();
    if (this.isOver || this.#response.writableFinished) return;
    this.#finish();
    this.#settlement.clientGone(this.#request.complete);
    this.#host.count("client_aborts");
    this.#controller?.abort(new Error("Client is gone"));
  }
}
