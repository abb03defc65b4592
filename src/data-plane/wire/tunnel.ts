/**
 * One upgrade on its way: http-proxy-3 makes the request and pipes the frames; this settles the charge before the answer's head goes
 * out, passes an answer that is no 101 on as the full lane would, and lets neither end outlive the other. Worker thread.
 */
import { type ClientRequest, type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { METERING_DOWN } from "#data-plane/gate.ts";
import { CLIENT_CLOSED_STATUS, type Settler } from "#data-plane/metering/reservation.ts";
import { upstreamRequestHeaders } from "#data-plane/upstream/request-headers.ts";
import { clientResponseHeaders, reasonText } from "#data-plane/upstream/response-headers.ts";

export interface TunnelParts {
  readonly passage: Passage;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly settler: Settler;
  /** Answers the client; only before any byte of an answer went out. */
  readonly refuse: (refusal: Refusal) => void;
}

export class Tunnel {
  readonly #parts: TunnelParts;
  #settled = false;
  /** Status the client got; 0: nothing has been answered yet. */
  #status = 0;
  #timedOut = false;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
  }

  /** Makes the request exactly what the full lane would send, and says where it goes. */
  prepare(): string {
    const { passage, request } = this.#parts;
    const target = passage.route.upstream.pick();
    const headers: Record<string, string | string[]> = {};
    const flat = [...upstreamRequestHeaders(passage, target.url.host), "connection", "Upgrade", "upgrade", "websocket"];
    for (let i = 0; i < flat.length; i += 2) {
      const name = (flat[i] ?? "").toLowerCase();
      const before = headers[name];
      const value = flat[i + 1] ?? "";
      headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
    }
    Object.defineProperty(request, "headers", { value: headers });
    request.url = passage.target;
    return target.url.href;
  }

  /** Follows the upstream request. Called before http-proxy-3 adds its own listeners, so these come first. */
  follow(upstreamRequest: ClientRequest): void {
    const { passage, socket } = this.#parts;
    if (socket.destroyed) upstreamRequest.destroy();
    socket.once("close", () => upstreamRequest.destroy());
    upstreamRequest.setTimeout(passage.runtime.settings.server.limits.requestTimeoutMs, () => {
      this.#timedOut = true;
      upstreamRequest.destroy(new Error("Upstream did not answer in time"));
    });
    upstreamRequest.on("upgrade", (_response: IncomingMessage, upstreamSocket: Duplex) => {
      upstreamRequest.setTimeout(0);
      if (!this.#answered(101, upstreamRequest) || socket.destroyed) upstreamSocket.destroy();
    });
    // http-proxy-3's own listener knows no backpressure and no broken answers; it is added right after this event.
    process.nextTick(() => {
      upstreamRequest.removeAllListeners("response");
      upstreamRequest.on("response", (answer: IncomingMessage) => {
        try {
          this.#passOn(answer, upstreamRequest);
        } catch {
          // An answer node will not write: nothing may escape a listener, it would end the thread.
          answer.destroy();
          socket.destroy();
        }
      });
    });
  }

  /** Whether the charge for this status is written; otherwise the client is refused and the upstream let go. */
  #answered(status: number, upstreamRequest: ClientRequest): boolean {
    this.#status = status;
    if (this.#settle(status)) return true;
    this.#parts.refuse(METERING_DOWN);
    upstreamRequest.destroy();
    return false;
  }

  /** An answer that is no upgrade. */
  #passOn(answer: IncomingMessage, upstreamRequest: ClientRequest): void {
    const { passage, request, socket } = this.#parts;
    const status = answer.statusCode ?? 502;
    if (!this.#answered(status, upstreamRequest)) return;
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // The server gave the socket away at the upgrade; it is a net.Socket, typed by the stream it also is.
    response.assignSocket(socket as Socket);
    response.writeHead(
      status,
      reasonText(answer.statusMessage),
      clientResponseHeaders(answer.rawHeaders, passage, status),
    );
    pipeline(answer, response, (error) => {
      if (error === undefined || error === null) socket.end();
      else socket.destroy();
    });
  }

  /** The upstream request failed. */
  failed(): void {
    if (this.#status !== 0) return;
    this.#status = this.#timedOut ? 504 : 502;
    this.#settle(this.#status);
    const rule = `upstream:${this.#parts.passage.route.upstream.name}`;
    this.#parts.refuse(
      this.#timedOut
        ? refuse("upstream_timeout", rule, "Upstream did not answer in time")
        : refuse("upstream_unreachable", rule, "Upstream cannot be reached"),
    );
  }

  /** The client's socket is closed. Returns the status it got. */
  clientGone(): number {
    if (this.#status === 0) this.#status = CLIENT_CLOSED_STATUS;
    this.#settle(this.#status);
    return this.#status;
  }

  /** Once. False only when the charge could not be written and the gateway is to refuse then. */
  #settle(status: number): boolean {
    const { passage, settler } = this.#parts;
    if (this.#settled || passage.reservation === null) return true;
    this.#settled = true;
    const serves = passage.runtime.settings.metering.onJournalFailure === "serve";
    return settler.settle(passage.reservation, status) || serves;
  }
}
