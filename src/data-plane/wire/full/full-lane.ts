/**
 * The full lane: node:http in, undici out (`forward.ts`), http-proxy-3 for upgrades (`upgrade.ts`). Worker thread.
 * Reads requests off the wire, asks the gate, and either answers with its refusal or forwards. Decides nothing itself.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { Server as NetServer, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { LimitSettings } from "#config/settings.ts";
import type { Refusal } from "#core/errors.ts";
import { type Exchange, isRefusal, type Passage, routeOf } from "#data-plane/exchange.ts";
import type { FaultListener } from "#data-plane/metering/measurement.ts";
import { CLIENT_CLOSED_STATUS } from "#data-plane/metering/reservation.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import { Peer } from "#data-plane/peer.ts";
import { OTHER_METRIC } from "#data-plane/runtime.ts";
import type { PlainCounter } from "#shared/metrics-table.ts";
import { Forward, type ForwardHost } from "./forward.ts";
import { BROKEN_BODY, CUT_HEAD } from "#data-plane/wire/client-refusals.ts";
import { readHead, type RequestHead, UNKNOWN_EXPECTATION } from "#data-plane/wire/head.ts";
import { SYNTAX, TOO_LARGE } from "#data-plane/wire/http1/request-reader.ts";
import type { LaneParts } from "#data-plane/wire/lane-parts.ts";
import type { LastingOnes } from "#data-plane/wire/lasting.ts";
import type { LocalResponse } from "#data-plane/wire/local-response.ts";
import { refusalResponse } from "#data-plane/wire/refusal-response.ts";
import { abandon, brokenBy, refusedBefore, type RefusedVerdict } from "#data-plane/wire/verdicts.ts";
import { createServer } from "#data-plane/wire/node-http.ts";
import { takesUpgrade, UpgradeLane, upgradeFault } from "./upgrade.ts";
import { Connections } from "./connections.ts";
import { headBytes } from "./head-size.ts";
import { awaitRest, drains, rest } from "./patience.ts";
import { parserRefusal, responseBytes } from "./parser-errors.ts";
import { whenDecided } from "./when-decided.ts";

/** Time a refused client has to send them. */
const DRAIN_MS = 5000;

/** How often node looks for clients whose head is late: often enough that they are gone within a second of their time. */
const CHECK_MS = 250;

export class FullLane implements ForwardHost {
  readonly server: Server;
  readonly #parts: LaneParts;
  readonly #upgrades: UpgradeLane;
  readonly #connections: Connections;
  readonly #unreadableSockets = new WeakSet<Duplex>();
  readonly #peers = new WeakMap<Duplex, Peer>();

  constructor(parts: LaneParts, limits: LimitSettings) {
    this.#parts = parts;
    this.#connections = new Connections(parts.room);
    this.#upgrades = new UpgradeLane(parts);
    this.server = createServer(
      {
        maxHeaderSize: limits.headerBytesMax,
        headersTimeout: limits.headerTimeoutMs,
        requestTimeout: 0,
        keepAliveTimeout: limits.idleTimeoutMs,
        connectionsCheckingInterval: CHECK_MS,
        insecureHTTPParser: false,
        // `head.ts` looks at it, and says so.
        requireHostHeader: false,
        shouldUpgradeCallback: takesUpgrade,
      },
      (request, response) => this.#handle(request, response),
    );
    this.server.maxHeadersCount = 0;
    // node tells known expectations from others less strictly than `head.ts`, which decides.
    this.server.on("checkContinue", (request, response) => this.#handle(request, response));
    this.server.on("checkExpectation", (request, response) => this.#handle(request, response));
    this.server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    // Refused by the gate, like any method that is not served; without a listener node would just cut the connection.
    this.server.on("connect", (request, socket, head) => this.#upgrade(request, socket, head));
    this.server.on("connection", (socket) => this.#connections.opened(socket));
    this.server.on("clientError", (error, socket) => this.#unreadable(error, socket));
    this.#connections.sweepEvery(limits.requestTimeoutMs);
  }

  /** Serves a connection that another lane accepted; the bytes are the first of a request. */
  takeOver(socket: Socket, bytes: Buffer): void {
    socket.unshift(bytes);
    this.server.emit("connection", socket);
    // One that another lane paused does not begin to flow by itself.
    socket.resume();
  }

  /** Limits of a reloaded configuration; they hold for connections made from now on. */
  useLimits(limits: LimitSettings): void {
    // node reads it for each connection, but its types do not know it.
    Object.assign(this.server, { maxHeaderSize: limits.headerBytesMax });
    this.server.headersTimeout = limits.headerTimeoutMs;
    this.server.keepAliveTimeout = limits.idleTimeoutMs;
    this.#connections.sweepEvery(limits.requestTimeoutMs);
  }

  /** node tells again of each further chunk on such a connection: only the first is an event. */
  #unreadable(error: Error, socket: Duplex): void {
    if (this.#unreadableSockets.has(socket)) return;
    this.#unreadableSockets.add(socket);
    const refusal = parserRefusal(error);
    // A client that ends in the middle of a request has left.
    if (refusal === null || !socket.writable || (refusal === CUT_HEAD && this.#connections.isBusy(socket)))
      socket.destroy();
    else this.#connections.endWith(socket, () => this.#answerToNoRequest({ ...refusal, close: true }, socket));
  }

  /** The bytes of the answer to what is no request, which counts as one all the same. */
  #answerToNoRequest(refusal: Refusal, socket: Duplex): Buffer {
    const { metrics, refusals } = this.#parts;
    const { requestId, runtime } = refusedBefore(this.#parts, refusal);
    const client = "remoteAddress" in socket ? String(socket.remoteAddress) : "";
    const local = refusalResponse(refusal, requestId, runtime.settings.errors.format);
    refusals.refused(refusal, requestId, "", "", client);
    metrics.refused(refusal.code);
    metrics.started("full");
    metrics.finished(OTHER_METRIC, local.status, 0);
    return responseBytes(local);
  }

  get settler(): Settler {
    return this.#parts.settler;
  }

  get meterFault(): FaultListener {
    return this.#parts.meterFault;
  }

  get lasting(): LastingOnes {
    return this.#parts.lasting;
  }

  /** Finishes what is under way, closes idle connections, takes no new ones; resolves when all are closed. */
  async drain(): Promise<void> {
    // http's own close() would cut idle connections on which a request may be on its way; net's only stops listening.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.server, () => resolve()));
    this.drainConnections();
    await closed;
  }

  /** Finishes what is under way on connections that were taken over, and closes them. */
  drainConnections(): void {
    this.#upgrades.close();
    this.#connections.drain();
  }

  #exchangeOf(request: IncomingMessage): Exchange {
    const { socket, method = "", url = "", httpVersion } = request;
    const peer = this.#peers.get(socket) ?? new Peer(socket.remoteAddress ?? "", "encrypted" in socket);
    this.#peers.set(socket, peer);
    return { method, target: url, httpVersion, head: this.#headOf(request), peer };
  }

  #headOf({ method = "", url = "", httpVersion, rawHeaders }: IncomingMessage): RequestHead | Refusal {
    // node reads 0.9 and 2.0 as well, and answers them as 1.1.
    if (httpVersion !== "1.1" && httpVersion !== "1.0") return SYNTAX;
    const { headerBytesMax } = this.#parts.gate.runtime.settings.server.limits;
    return headBytes(method, url, rawHeaders) > headerBytesMax ? TOO_LARGE : readHead(rawHeaders, httpVersion);
  }

  #handle(request: IncomingMessage, response: ServerResponse): void {
    this.#connections.began(response, () => this.#start(request, response));
  }

  #start(request: IncomingMessage, response: ServerResponse): void {
    const exchange = this.#exchangeOf(request);
    const { head } = exchange;
    const expects = isRefusal(head) ? "nothing" : head.expects;
    const started = performance.now();
    const { metrics } = this.#parts;
    metrics.started("full");
    let metric = OTHER_METRIC;
    let isDecided = false;
    const finished = () => {
      const status = response.headersSent ? response.statusCode : CLIENT_CLOSED_STATUS;
      metrics.finished(metric, status, (performance.now() - started) / 1000);
    };
    response.on("close", () => {
      if (isDecided) finished();
      this.#connections.ended(response);
    });
    // node takes `Proxy-Connection` for `Connection`.
    if (this.#connections.draining || isRefusal(head) || !head.keepsAlive) response.shouldKeepAlive = false;
    whenDecided(
      () => (expects === "other" ? refusedBefore(this.#parts, UNKNOWN_EXPECTATION) : this.#parts.gate.enter(exchange)),
      (verdict) => {
        metric = routeOf(verdict)?.metric ?? metric;
        isDecided = true;
        // Its client left meanwhile; it counts on its route all the same.
        if (response.closed) finished();
        if (verdict.kind === "answered") this.#say(request, response, verdict.response);
        else if (verdict.kind === "refused") this.#answer(request, response, verdict);
        else if (response.destroyed) abandon(this.#parts, verdict);
        else this.#forward(verdict.passage, request, response);
      },
      (error) => {
        if (response.closed && !isDecided) finished();
        isDecided = true;
        this.#answer(request, response, brokenBy(this.#parts, error));
      },
    );
  }

  #forward(passage: Passage, request: IncomingMessage, response: ServerResponse): void {
    if (passage.head.expects === "100-continue") response.writeContinue();
    const forward = new Forward(this, passage, request, response);
    forward.start();
    this.#connections.watchBody(response, () => forward.cutBody(BROKEN_BODY));
  }

  #answer(request: IncomingMessage, response: ServerResponse, verdict: RefusedVerdict, wasForwarded = false): void {
    const { refusal, requestId, runtime } = verdict;
    this.#parts.refusals.refused(
      refusal,
      requestId,
      request.method ?? "",
      request.url ?? "",
      request.socket.remoteAddress ?? "",
    );
    this.#parts.metrics.refused(refusal.code);
    if (refusal.code === "overloaded") this.#overloaded(response);
    const local = refusalResponse(refusal, requestId, runtime.settings.errors.format);
    const isRead = wasForwarded && request.complete;
    this.#say(request, response, local, refusal.close === true || !(isRead || drains(request)));
  }

  #say(request: IncomingMessage, response: ServerResponse, local: LocalResponse, closes = !drains(request)): void {
    if (response.destroyed) return;
    if (!request.complete) {
      // Its body may have been on its way to an upstream that took only some of it.
      request.unpipe().resume();
      // One that closes does so by itself.
      if (!closes) awaitRest(request, request.socket, DRAIN_MS);
    }
    response.writeHead(local.status, closes ? [...local.headers, "Connection", "close"] : [...local.headers]);
    response.end(request.method === "HEAD" ? undefined : local.body);
  }

  /** Where time is short, a client whose request was refused for want of room is not read for a while. */
  #overloaded(response: ServerResponse): void {
    const restMs = this.#parts.saturation.restMs();
    if (restMs === 0) return;
    this.#parts.metrics.count("connections_rested");
    const { socket } = response.req;
    // node resumes the socket when the answer is written.
    response.once("close", () => rest(socket, restMs));
  }

  refuse(passage: Passage, response: ServerResponse, refusal: Refusal): void {
    const { requestId, runtime, route } = passage;
    const headers = [...(refusal.headers ?? []), ...passage.limitState.headers()];
    const verdict = { kind: "refused", refusal: { ...refusal, headers }, requestId, runtime, route } as const;
    this.#answer(response.req, response, verdict, true);
  }

  count(counter: PlainCounter): void {
    this.#parts.metrics.count(counter);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    // node took its own listener away: an unheard error would end the thread.
    socket.on("error", () => socket.destroy());
    this.#connections.handOver(socket, () => this.#takeUpgrade(request, socket, head));
  }

  #takeUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const fault = upgradeFault(request);
    whenDecided(
      () => (fault === null ? this.#parts.gate.enter(this.#exchangeOf(request)) : refusedBefore(this.#parts, fault)),
      (verdict) => this.#upgrades.take(verdict, request, socket, head),
      (error) => this.#upgrades.take(brokenBy(this.#parts, error), request, socket, head),
    );
  }
}
