/**
 * The full lane: node:http in, undici out (`forward.ts`), http-proxy-3 for upgrades (`upgrade.ts`). Worker thread.
 * Reads requests off the wire, asks the gate, and either answers with its refusal or forwards. Decides nothing itself.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { Server as NetServer } from "node:net";
import type { Duplex } from "node:stream";
import { setImmediate, setTimeout } from "node:timers/promises";
import type { LimitSettings } from "#config/settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Exchange, Passage, Verdict } from "#data-plane/exchange.ts";
import type { Gate } from "#data-plane/gate.ts";
import type { Settler } from "#data-plane/metering/reservation.ts";
import type { RefusalLog } from "#data-plane/refusal-log.ts";
import { OTHER_METRIC } from "#data-plane/runtime.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";
import { Forward, type ForwardHost } from "./forward.ts";
import { refusalResponse } from "./refusal-response.ts";
import { UpgradeLane } from "./upgrade.ts";
import { answerParserError } from "./parser-errors.ts";

/** Unread body bytes node may drain behind a refusal; with more to come the connection is closed. */
const DRAIN_BYTES_MAX = 64 * 1024;

/** While draining, a connection may be idle this long: the next request on it is answered, with `Connection: close`. */
const DRAIN_IDLE_MS = 300;

export interface LaneParts {
  readonly gate: Gate;
  readonly settler: Settler;
  readonly metrics: WorkerMetrics;
  readonly refusals: RefusalLog;
}

export class FullLane implements ForwardHost {
  readonly server: Server;
  readonly #parts: LaneParts;
  readonly #upgrades: UpgradeLane;
  /** Requests under way on each open connection, pipelined ones too. Upgraded connections are `#upgrades`' affair. */
  readonly #underWay = new Map<Duplex, number>();
  #draining = false;

  constructor(parts: LaneParts, limits: LimitSettings) {
    this.#parts = parts;
    this.#upgrades = new UpgradeLane(parts);
    this.server = createServer(
      {
        maxHeaderSize: limits.headerBytesMax,
        headersTimeout: limits.headerTimeoutMs,
        requestTimeout: 0,
        keepAliveTimeout: limits.idleTimeoutMs,
        connectionsCheckingInterval: 1000,
        insecureHTTPParser: false,
        requireHostHeader: true,
      },
      (request, response) => this.#handle(request, response),
    );
    this.server.maxHeadersCount = 0;
    this.server.on("checkContinue", (request, response) =>
      this.#handle(request, response, () => response.writeContinue()),
    );
    this.server.on("checkExpectation", (request, response) => this.#refuseExpectation(request, response));
    this.server.on("upgrade", (request, socket, head) => this.#upgrade(request, socket, head));
    this.server.on("connection", (socket) => {
      this.#underWay.set(socket, 0);
      socket.on("close", () => this.#underWay.delete(socket));
    });
    this.server.on("clientError", (error, socket) =>
      answerParserError(error, socket, parts.gate.runtime, parts.refusals),
    );
  }

  get settler(): Settler {
    return this.#parts.settler;
  }

  /** Finishes what is under way, closes idle connections, takes no new ones; resolves when all are closed. */
  async drain(): Promise<void> {
    this.#draining = true;
    // http's own close() would cut idle connections on which a request may be on its way; net's only stops listening.
    const closed = new Promise<void>((resolve) => NetServer.prototype.close.call(this.server, () => resolve()));
    this.#upgrades.close();
    for (const socket of this.#underWay.keys()) void this.#closeIdle(socket);
    await closed;
  }

  /** Not by http's closeIdleConnections(): that looks once, and a connection whose last answer ends later would stay open. */
  async #closeIdle(socket: Duplex): Promise<void> {
    await setTimeout(DRAIN_IDLE_MS);
    // Timers run before sockets are read: a request that has arrived by now is let in first.
    await setImmediate();
    if (this.#underWay.get(socket) === 0) socket.destroy();
  }

  #count(socket: Duplex, change: 1 | -1): void {
    const before = this.#underWay.get(socket);
    if (before === undefined) return;
    this.#underWay.set(socket, before + change);
    if (this.#draining && before + change === 0) void this.#closeIdle(socket);
  }

  #handle(request: IncomingMessage, response: ServerResponse, beforeBody?: () => void): void {
    const started = performance.now();
    const { metrics } = this.#parts;
    metrics.started();
    let metric = OTHER_METRIC;
    const { socket } = request;
    this.#count(socket, 1);
    response.on("close", () => {
      metrics.finished(metric, response.statusCode, (performance.now() - started) / 1000);
      this.#count(socket, -1);
    });
    if (this.#draining) response.shouldKeepAlive = false;
    whenDecided(
      () => this.#parts.gate.enter(exchangeOf(request)),
      (verdict) => {
        const route = verdict.kind === "forward" ? verdict.passage.route : verdict.route;
        if (route !== null) metric = route.metric;
        if (verdict.kind === "refused") this.#answer(request, response, verdict);
        else if (response.destroyed) this.#abandon(verdict.passage);
        else {
          beforeBody?.();
          new Forward(this, verdict.passage, request, response).start();
        }
      },
      (error) => this.#answer(request, response, this.#failure(error)),
    );
  }

  /** The client left while its verdict was being made: nothing was forwarded, nothing is charged. */
  #abandon(passage: Passage): void {
    if (passage.reservation !== null) this.#parts.settler.release(passage.reservation);
    this.clientAborted();
  }

  #failure(error: unknown): Extract<Verdict, { kind: "refused" }> {
    const { runtime } = this.#parts.gate;
    this.#parts.refusals.bug(error);
    return {
      kind: "refused",
      refusal: refuse("internal_error", "gateway:bug", "Something went wrong in the gateway"),
      requestId: runtime.traces.requestId(),
      runtime,
      route: null,
    };
  }

  #refuseExpectation(request: IncomingMessage, response: ServerResponse): void {
    const { runtime } = this.#parts.gate;
    const refusal: Refusal = {
      ...refuse("expectation_failed", "header:expect", "The only expectation understood is 100-continue"),
      close: true,
    };
    this.#parts.metrics.started();
    response.on("close", () => this.#parts.metrics.finished(OTHER_METRIC, 417, 0));
    this.#answer(request, response, {
      kind: "refused",
      refusal,
      requestId: runtime.traces.requestId(),
      runtime,
      route: null,
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse, verdict: Extract<Verdict, { kind: "refused" }>): void {
    const { refusal, requestId, runtime } = verdict;
    this.#parts.refusals.refused(
      refusal,
      requestId,
      request.method ?? "",
      request.url ?? "",
      request.socket.remoteAddress ?? "",
    );
    this.#parts.metrics.refused(refusal.code);
    if (response.destroyed) return;
    const close = refusal.close === true || !drains(request);
    const local = refusalResponse({ ...refusal, close }, requestId, runtime.settings.errors.format);
    response.writeHead(local.status, [...local.headers]);
    response.end(request.method === "HEAD" ? undefined : local.body);
  }

  refuse(passage: Passage, response: ServerResponse, refusal: Refusal): void {
    const { requestId, runtime, route } = passage;
    const headers = [...(refusal.headers ?? []), ...passage.limitHeaders];
    this.#answer(response.req, response, {
      kind: "refused",
      refusal: { ...refusal, headers },
      requestId,
      runtime,
      route,
    });
  }

  clientAborted(): void {
    this.#parts.metrics.count("client_aborts");
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#underWay.delete(socket);
    whenDecided(
      () => this.#parts.gate.enter(exchangeOf(request)),
      (verdict) => this.#upgrades.take(verdict, request, socket, head),
      (error) => this.#upgrades.take(this.#failure(error), request, socket, head),
    );
  }
}

/** Whether what is left of the body is small enough to read past. */
function drains(request: IncomingMessage): boolean {
  if (request.complete) return true;
  const length = Number(request.headers["content-length"] ?? 0);
  return (
    request.headers["transfer-encoding"] === undefined &&
    request.headers.expect === undefined &&
    length <= DRAIN_BYTES_MAX
  );
}

function exchangeOf(request: IncomingMessage): Exchange {
  return {
    method: request.method ?? "",
    target: request.url ?? "",
    httpVersion: request.httpVersion,
    rawHeaders: request.rawHeaders,
    peerAddress: request.socket.remoteAddress ?? "",
    encrypted: "encrypted" in request.socket,
  };
}

/** Hands the verdict on, at once when it is there at once. */
function whenDecided(
  decide: () => Verdict | Promise<Verdict>,
  use: (verdict: Verdict) => void,
  fail: (error: unknown) => void,
): void {
  try {
    const verdict = decide();
    if (verdict instanceof Promise) void verdict.then(use).catch(fail);
    else use(verdict);
  } catch (error) {
    fail(error);
  }
}
