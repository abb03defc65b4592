/**
 * One admitted request on the full lane: dispatched to its upstream by undici, streamed both ways with backpressure.
 * Worker thread. The order that makes metering exact: answer's head arrives → settle (journal written) → head goes to the client;
 * and what is measured to the end is settled before the answer's last byte goes. Every way out ends the `Settlement` once.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Readable } from "node:stream";
import { errors, type Dispatcher } from "undici";
import type { Refusal } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { bodyRefusal, METERING_DOWN } from "#data-plane/gate.ts";
import type { FaultListener } from "#data-plane/metering/measurement.ts";
import { Settlement } from "#data-plane/metering/settlement.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import { upstreamRequestHeaders } from "#data-plane/upstream/request-headers.ts";
import {
  canHaveTrailers,
  clientResponseHeaders,
  passedTrailers,
  reasonText,
} from "#data-plane/upstream/response-headers.ts";
import { cappedBody } from "./capped-body.ts";
import { BROKEN_BODY } from "#data-plane/wire/client-refusals.ts";
import { hasBody } from "#data-plane/wire/head.ts";
import { BUSY, invalidAnswer, timedOut, tooManyInterim, unreachable } from "#data-plane/wire/upstream-refusals.ts";
import { watchBody } from "./patience.ts";
import { INTERIM_MAX, interimLines } from "#data-plane/wire/interim.ts";

/** A request as node raised it, where it is answered, and its connection: undici takes that from a request whose body it was given. */
export interface Client {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly socket: Socket;
}

/** What a forward needs of the lane. */
export interface ForwardHost {
  readonly settler: Settler;
  readonly meterFault: FaultListener;
  /** Answers the client with a refusal; only before any byte of an answer went out. */
  refuse(passage: Passage, client: Client, refusal: Refusal): void;
  clientAborted(): void;
}

export class Forward implements Dispatcher.DispatchHandler {
  readonly #host: ForwardHost;
  readonly #passage: Passage;
  readonly #client: Client;
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #target: Target;
  #controller: Dispatcher.DispatchController | null = null;
  readonly #settlement: Settlement;
  #over = false;
  /** Bytes of the answer's body that are still to come; null: its end says so. */
  #bytesLeft: number | null = null;
  #retried = false;
  #interim = 0;
  #trailers = false;
  /** Ends a request that waits for a connection, or an answer nobody reads; null: neither. */
  #patience: NodeJS.Timeout | null = null;

  constructor(host: ForwardHost, passage: Passage, client: Client) {
    const { request, response } = client;
    this.#host = host;
    this.#passage = passage;
    this.#client = client;
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
    watchBody(this.#request, this.#passage.runtime.settings.server.limits, {
      // Waiting for a connection (`#patience` sees to that), or the upstream does not read: the silence is not the client's.
      isHeld: () => !this.#over && (this.#controller === null || this.#request.isPaused()),
      onSlow: (refusal) => {
        if (!this.#over) this.#cutBody(refusal);
        // After an early answer nobody waits for the rest of the body; but it may wait itself, for the answers before it.
        else if (this.#response.writableFinished) this.#client.socket.destroy();
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
    const { exchange, target, head, runtime } = this.#passage;
    const { bodyBytesMax } = runtime.settings.server.limits;
    const body = hasBody(head) ? this.#body(head.chunked ? bodyBytesMax : null) : null;
    try {
      this.#target.pool.dispatch(
        {
          method: exchange.method,
          path: this.#target.basePath + target,
          headers: upstreamRequestHeaders(this.#passage, this.#target.url.host),
          body,
        },
        this,
      );
    } catch (error) {
      this.#failed(error);
    }
    if (this.#controller === null && !this.#over) this.#waitAtMost(this.#target.queueTimeoutMs, () => this.#end(BUSY));
  }

  #body(bytesMax: number | null): Readable {
    const { measurement } = this.#settlement;
    const onChunk = measurement?.wantsRequest === true ? (chunk: Buffer) => measurement.requestChunk(chunk) : null;
    return cappedBody(this.#request, bytesMax, () => this.#cutBody(bodyRefusal(bytesMax ?? 0)), onChunk);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#waitNoMore();
    this.#controller = controller;
    if (this.#over) controller.abort(new Error("Request is over"));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, _headers: unknown, reason?: string): void {
    if (this.#over) return;
    const raw = headerTexts(controller.rawHeaders);
    if (status < 200) return this.#passInterim(status, raw);
    if (!this.#settlement.head(status, raw)) {
      this.#end(METERING_DOWN);
      controller.abort(new Error("Usage cannot be recorded"));
      return;
    }
    const bodiless = status === 204 || status === 304 || this.#passage.exchange.method === "HEAD";
    this.#bytesLeft = bodiless ? null : lengthOf(raw);
    this.#trailers = canHaveTrailers(raw, this.#passage, status);
    // An answer that comes before the body is through leaves the rest of the body on the connection: nothing may follow it.
    if (!this.#request.complete) this.#response.shouldKeepAlive = false;
    this.#response.writeHead(status, reasonText(reason), clientResponseHeaders(raw, this.#passage, status));
    // Heads go out at once: an event stream's first event may be minutes away.
    if (!bodiless && this.#bytesLeft === null) this.#response.flushHeaders();
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return;
    this.#settlement.measurement?.responseChunk(chunk);
    if (this.#bytesLeft !== null) this.#bytesLeft -= chunk.length;
    if (this.#bytesLeft !== null && this.#bytesLeft <= 0 && !this.#settlement.end()) return this.#cutAnswer();
    if (this.#response.write(chunk)) return;
    controller.pause();
    // undici's own timers stand still while paused: a client that does not read may not hold the upstream for ever.
    this.#waitAtMost(this.#passage.runtime.settings.server.limits.requestTimeoutMs, () => this.#response.destroy());
  }

  onResponseEnd(controller: Dispatcher.DispatchController): void {
    if (this.#over) return;
    const trailers = headerTexts(controller.rawTrailers);
    this.#settlement.measurement?.trailers(trailers);
    if (!this.#settlement.end()) return this.#cutAnswer();
    this.#over = true;
    if (this.#trailers && trailers.length > 0) this.#response.addTrailers(pairsOf(passedTrailers(trailers)));
    this.#response.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#failed(error);
  }

  #passInterim(status: number, raw: readonly string[]): void {
    if (++this.#interim > INTERIM_MAX) {
      this.#end(tooManyInterim());
      this.#controller?.abort(new Error("Too many interim answers"));
      return;
    }
    const { socket } = this.#response;
    // Nothing behind the final answer's head.
    if (socket === null || this.#response.headersSent) return;
    const lines = interimLines(status, raw, this.#request.httpVersion);
    if (lines !== null) socket.write(lines, "latin1");
  }

  /** Usage that is known only now cannot be recorded: the client does not get the whole answer. */
  #cutAnswer(): void {
    this.#over = true;
    this.#controller?.abort(new Error("Usage cannot be recorded"));
    this.#response.destroy();
  }

  #failed(error: unknown): void {
    if (this.#over) return;
    if (this.#mayRetry(error)) {
      this.#retried = true;
      this.#controller = null;
      this.start();
      return;
    }
    this.#end(refusalOf(error, this.#passage));
  }

  /** A connection that had gone stale: safe to repeat where nothing was answered and repeating changes nothing. */
  #mayRetry(error: unknown): boolean {
    const { exchange, head } = this.#passage;
    const safe = exchange.method === "GET" || exchange.method === "HEAD" || exchange.method === "OPTIONS";
    return safe && !this.#retried && !this.#response.headersSent && !hasBody(head) && isConnectionLost(error);
  }

  /** Ends with a refusal, or, when an answer is under way, by cutting it off: a clean end would pass for a whole answer. */
  #end(refusal: Refusal): void {
    if (this.#over) return;
    this.#over = true;
    this.#settlement.endWith(refusal.status ?? 502);
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    this.#host.refuse(this.#passage, this.#client, refusal);
  }

  /** The body breaks a limit: the upstream never gets the whole of it, so nothing is charged; but what was answered already is. */
  #cutBody(refusal: Refusal): void {
    if (this.#over) return;
    if (!this.#response.headersSent) this.#settlement.release();
    this.#end(refusal);
    this.#controller?.abort(new Error(refusal.detail));
  }

  /** What came of the body is none; more will not come. */
  bodyBroken(): void {
    this.#cutBody(BROKEN_BODY);
  }

  /** The client left: stop the upstream's work. A whole request counts by the rule for status 499, half a one is no request. */
  #clientGone(): void {
    this.#waitNoMore();
    if (this.#over || this.#response.writableFinished) return;
    this.#over = true;
    this.#settlement.clientGone(this.#request.complete);
    this.#host.clientAborted();
    this.#controller?.abort(new Error("Client is gone"));
  }
}

/** undici gives header lines as buffers, names and values in turn. */
function headerTexts(raw: Dispatcher.DispatchController["rawHeaders"]): readonly string[] {
  return Array.isArray(raw) ? raw.map((item) => (typeof item === "string" ? item : item.toString("latin1"))) : [];
}

function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, at): [string, string] => [
    raw[2 * at] ?? "",
    raw[2 * at + 1] ?? "",
  ]);
}

/** Bytes the answer says it has; null where it does not say. */
function lengthOf(raw: readonly string[]): number | null {
  const at = raw.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === "content-length");
  return at === -1 ? null : Number(raw[at + 1]);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

function isConnectionLost(error: unknown): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error));
}

/** undici has three kinds of error for bytes that are no answer, and an assertion for a 101 that nobody asked for. */
function isNotHttp(error: unknown): boolean {
  const code = codeOf(error);
  return (
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError ||
    code.startsWith("HPE_") ||
    code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" ||
    code === "ERR_ASSERTION"
  );
}

function refusalOf(error: unknown, passage: Passage): Refusal {
  const { name } = passage.route.upstream;
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return timedOut(name);
  return isNotHttp(error) ? invalidAnswer(name) : unreachable(name);
}
