/**
 * WebSocket upgrades: the same verdict as any request, then http-proxy-3 carries the bytes (`tunnel.ts`). Worker thread.
 * Other protocols are not offered: their `Upgrade` header is ignored, as RFC 9110 §7.8 lets a server, and the request is a plain one.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createProxyServer } from "http-proxy-3";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Passage, Verdict } from "#data-plane/exchange.ts";
import type { FaultListener } from "#data-plane/metering/measurement.ts";
import { Settlement } from "#data-plane/metering/settlement.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import type { RefusalLog } from "#data-plane/refusal-log.ts";
import type { LastingOnes } from "#data-plane/wire/lasting.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";
import { responseBytes } from "./parser-errors.ts";
import { refusalResponse } from "#data-plane/wire/refusal-response.ts";
import { Tunnel } from "./tunnel.ts";

interface UpgradeParts {
  readonly settler: Settler;
  readonly meterFault: FaultListener;
  readonly metrics: WorkerMetrics;
  readonly refusals: RefusalLog;
  readonly lasting: LastingOnes;
}

/** Whether a request is for the upgrade lane. */
export function takesUpgrade(request: IncomingMessage): boolean {
  return request.method === "GET" && request.headers.upgrade?.toLowerCase() === "websocket";
}

/** What is wrong with an upgrade request before it is anybody's; asked before anything is taken from a limit. */
export function upgradeFault(request: IncomingMessage): Refusal | null {
  const { "content-length": length = "0", "transfer-encoding": coding } = request.headers;
  if (length === "0" && coding === undefined) return null;
  return refuse("malformed_request", "upgrade:body", "An upgrade request has no body");
}

export class UpgradeLane {
  readonly #parts: UpgradeParts;
  readonly #proxy = createProxyServer({ ws: true, xfwd: false });
  readonly #tunnels = new WeakMap<IncomingMessage, Tunnel>();
  readonly #open = new Set<Tunnel>();

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
    // http-proxy-3 throws an error that nobody listens to, and a client's reset is one.
    this.#proxy.on("error", () => undefined);
    this.#proxy.on("proxyReqWs", (upstreamRequest, request) => this.#tunnels.get(request)?.follow(upstreamRequest));
  }

  /** Ends all open tunnels (the gateway stops). */
  close(): void {
    for (const tunnel of this.#open) tunnel.close();
  }

  take(verdict: Verdict, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (verdict.kind === "refused") {
      this.#refuse(verdict.refusal, verdict.requestId, verdict.runtime, request, socket);
      return;
    }
    // Only OPTIONS is, and that is never an upgrade.
    if (verdict.kind === "answered") return void socket.destroy();
    const { passage } = verdict;
    if (socket.destroyed) this.#release(passage);
    else if (passage.route.builtin) {
      const refusal = refuse("malformed_request", "upgrade:builtin", "The gateway's own endpoints are not upgraded");
      this.#refuse(refusal, passage.requestId, passage.runtime, request, socket);
    } else this.#tunnel(passage, request, socket, head);
  }

  /** The client left while its verdict was being made: nothing was forwarded, nothing is charged. */
  #release(passage: Passage): void {
    if (passage.reservation !== null) this.#parts.settler.release(passage.reservation);
    passage.held?.giveBack();
    this.#parts.metrics.count("client_aborts");
  }

  #refuse(refusal: Refusal, requestId: string, runtime: Runtime, request: IncomingMessage, socket: Duplex): void {
    const client = request.socket.remoteAddress ?? "";
    this.#parts.refusals.refused(refusal, requestId, request.method ?? "", request.url ?? "", client);
    this.#parts.metrics.refused(refusal.code);
    if (!socket.writable) return;
    socket.end(responseBytes(refusalResponse(refusal, requestId, runtime.settings.errors.format)));
  }

  #tunnel(passage: Passage, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const { metrics, settler, meterFault, lasting } = this.#parts;
    const settlement = new Settlement(settler, passage, meterFault);
    const refuseWith = (refusal: Refusal) => this.#refuse(refusal, passage.requestId, passage.runtime, request, socket);
    const tunnel = new Tunnel({ passage, request, socket, settlement, refuse: refuseWith });
    const started = performance.now();
    metrics.started("full");
    this.#open.add(tunnel);
    lasting.add(tunnel);
    this.#tunnels.set(request, tunnel);
    socket.once("close", () => {
      this.#open.delete(tunnel);
      lasting.delete(tunnel);
      const status = tunnel.clientGone();
      metrics.finished(passage.route.metric, status, (performance.now() - started) / 1000);
    });
    this.#proxy.ws(request, socket, head, { target: tunnel.prepare() }, () => tunnel.failed());
  }
}
