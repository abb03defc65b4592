/**
 * One upgrade on its way: http-proxy-3 makes the request and pipes the frames; this settles the charge before the answer's head goes
 * out, passes an answer that is no 101 on as the full lane would, and lets neither end outlive the other. Worker thread.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { type Duplex, pipeline } from "node:stream";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { METERING_DOWN } from "#data-plane/gate.ts";
import { CLIENT_CLOSED_STATUS } from "#data-plane/metering/reservation.ts";
import type { Settlement } from "#data-plane/metering/settlement.ts";
import { endBehind } from "#data-plane/wire/closing.ts";
import type { Lasting } from "#data-plane/wire/lasting.ts";
import { isIdentityHeader } from "#data-plane/wire/header-names.ts";
import { ServerResponse } from "#data-plane/wire/node-http.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import { upstreamRequestHeaders } from "#data-plane/upstream/request-headers.ts";
import { clientResponseHeaders, reasonText } from "#data-plane/upstream/response-headers.ts";

/** Time both ends have to close after the FIN. */
const CLOSE_GRACE_MS = 1000;
/** A frame that closes with 1008, a policy was violated (RFC 6455 §5.5.1, §7.4.1). */
const VIOLATION = Buffer.from([0x88, 0x02, 0x03, 0xf0]);

export interface TunnelParts {
  readonly passage: Passage;
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly settlement: Settlement;
  /** Answers the client; only before any byte of an answer went out. */
  readonly refuse: (refusal: Refusal) => void;
}

export class Tunnel implements Lasting {
  readonly #parts: TunnelParts;
  readonly #target: Target;
  /** Status the client got; 0: nothing has been answered yet. */
  #status = 0;
  #timedOut = false;

  constructor(parts: TunnelParts) {
    this.#parts = parts;
    this.#target = parts.passage.route.upstream.pick();
  }

  get passage(): Passage {
    return this.#parts.passage;
  }

  /** Its caller would not be let in any more; what comes before the first frame is no place for one. */
  revoke(): void {
    if (this.#status === 101) this.#end(VIOLATION);
    else this.#parts.socket.destroy();
  }

  /** The gateway stops. */
  close(): void {
    this.#end("");
  }

  #end(last: Buffer | string): void {
    const { socket } = this.#parts;
    socket.end(last);
    // A client that never closes its side would hold the tunnel, or a stop.
    setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref();
  }

  /** Makes the request exactly what the full lane would send, and says where it goes. */
  prepare(): string {
    const { passage, request } = this.#parts;
    const { url } = this.#target;
    const headers: Record<string, string | string[]> = {};
    const flat = [...upstreamRequestHeaders(passage, url.host), "connection", "Upgrade", "upgrade", "websocket"];
    for (let i = 0; i < flat.length; i += 2) {
      const name = (flat[i] ?? "").toLowerCase();
      const before = headers[name];
      const value = flat[i + 1] ?? "";
      headers[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value];
    }
    Object.defineProperty(request, "headers", { value: headers });
    request.url = passage.target;
    return url.href;
  }

  /** Follows the upstream request. Called before http-proxy-3 adds its own listeners, so these come first. */
  follow(upstreamRequest: ClientRequest): void {
    const { passage, socket } = this.#parts;
    if (socket.destroyed) upstreamRequest.destroy();
    socket.once("close", () => upstreamRequest.destroy());
    const watchNoMore = watchEnd(socket);
    upstreamRequest.setTimeout(passage.runtime.settings.server.limits.requestTimeoutMs, () => {
      this.#timedOut = true;
      upstreamRequest.destroy(new Error("Upstream did not answer in time"));
    });
    upstreamRequest.on("upgrade", (answer: IncomingMessage, upstreamSocket: Duplex) => {
      upstreamRequest.setTimeout(0);
      watchNoMore();
      const told = this.#answered(101, answer.rawHeaders, upstreamRequest);
      // http-proxy-3 writes these on: what only the gateway may say does not pass.
      for (const name of Object.keys(answer.headers)) if (isIdentityHeader(name)) delete answer.headers[name];
      if (!told || socket.destroyed) upstreamSocket.destroy();
      else this.#measure(socket, upstreamSocket);
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
  #answered(status: number, rawHeaders: readonly string[], upstreamRequest: ClientRequest): boolean {
    this.#status = status;
    if (this.#parts.settlement.head(status, rawHeaders)) return true;
    this.#parts.refuse(METERING_DOWN);
    upstreamRequest.destroy();
    return false;
  }

  /** An answer that is no upgrade. */
  #passOn(answer: IncomingMessage, upstreamRequest: ClientRequest): void {
    const { passage, request, socket } = this.#parts;
    const status = answer.statusCode ?? 502;
    if (!this.#answered(status, answer.rawHeaders, upstreamRequest)) return;
    const { measurement } = this.#parts.settlement;
    if (measurement !== null) {
      answer.on("data", (chunk: Buffer) => measurement.responseChunk(chunk));
      answer.on("end", () => {
        measurement.trailers(answer.rawTrailers);
        // Before the pipeline ends the answer to the client.
        if (!this.#parts.settlement.end()) socket.destroy();
      });
    }
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    // The server gave the socket away at the upgrade; it is a net.Socket, typed by the stream it also is.
    response.assignSocket(socket as Socket);
    response.writeHead(
      status,
      reasonText(answer.statusMessage),
      clientResponseHeaders(answer.rawHeaders, passage, { status, target: this.#target }),
    );
    pipeline(answer, response, (error) => {
      if (error === undefined || error === null) endPast(socket);
      else socket.destroy();
    });
  }

  /** The upstream request failed. */
  failed(): void {
    if (this.#status !== 0) return;
    this.#status = this.#timedOut ? 504 : 502;
    this.#parts.settlement.endWith(this.#status);
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
    this.#parts.settlement.endWith(this.#status);
    return this.#status;
  }

  /** Bytes that pass both ways, for meters that count them. */
  #measure(socket: Duplex, upstreamSocket: Duplex): void {
    const { measurement } = this.#parts.settlement;
    if (measurement === null) return;
    socket.on("data", (chunk: Buffer) => measurement.requestChunk(chunk));
    upstreamSocket.on("data", (chunk: Buffer) => measurement.responseChunk(chunk));
  }
}

/** What a hasty client sent for the app that did not upgrade is read past: unread, it would hold the socket. */
function endPast(socket: Duplex): void {
  endBehind(socket);
  socket.resume();
}

/**
 * Nobody reads the client's socket until the app has answered, so its leaving would go unnoticed and what it holds stay taken. This
 * lets the socket's buffer fill until its end comes; what a hasty client sends early stays there.
 */
function watchEnd(socket: Duplex): () => void {
  // To listen is to have the stream read ahead.
  const ahead = () => undefined;
  const leave = () => socket.destroy();
  socket.on("readable", ahead);
  socket.on("end", leave);
  return () => {
    socket.off("readable", ahead);
    socket.off("end", leave);
  };
}
