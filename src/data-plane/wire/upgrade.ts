/**
 * WebSocket upgrades: the same verdict as any request, then http-proxy-3 carries the bytes. Worker thread.
 * The charge is settled before the answer to the upgrade goes out; frames are not read.
 * Any other upgrade is not offered: the request is refused, and no tunnel is opened.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createProxyServer } from "http-proxy-3";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Passage, Verdict } from "#data-plane/exchange.ts";
import { METERING_DOWN } from "#data-plane/gate.ts";
import type { Settler } from "#data-plane/metering/reservation.ts";
import { CLIENT_CLOSED_STATUS } from "#data-plane/metering/reservation.ts";
import type { RefusalLog } from "#data-plane/refusal-log.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import { upstreamRequestHeaders } from "#data-plane/upstream/request-headers.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";
import { hasBody } from "./head.ts";
import { responseBytes } from "./parser-errors.ts";
import { refusalResponse } from "./refusal-response.ts";

interface UpgradeParts {
  readonly settler: Settler;
  readonly metrics: WorkerMetrics;
  readonly refusals: RefusalLog;
}

export class UpgradeLane {
  readonly #parts: UpgradeParts;
  readonly #open = new Set<Duplex>();

  constructor(parts: UpgradeParts) {
    this.#parts = parts;
  }

  /** Ends all open tunnels (the gateway stops). */
  close(): void {
    for (const socket of this.#open) socket.end();
  }

  take(verdict: Verdict, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    if (verdict.kind === "refused")
      return this.#refuse(verdict.refusal, verdict.requestId, verdict.runtime, request, socket);
    const { passage } = verdict;
    const fault = upgradeFault(passage);
    if (fault !== null) {
      if (passage.reservation !== null) this.#parts.settler.release(passage.reservation);
      return this.#refuse(fault, passage.requestId, passage.runtime, request, socket);
    }
    this.#tunnel(passage, request, socket, head);
  }

  #refuse(refusal: Refusal, requestId: string, runtime: Runtime, request: IncomingMessage, socket: Duplex): void {
    this.#parts.refusals.refused(
      refusal,
      requestId,
      request.method ?? "",
      request.url ?? "",
      request.socket.remoteAddress ?? "",
    );
    this.#parts.metrics.refused(refusal.code);
    socket.end(responseBytes(refusalResponse({ ...refusal, close: true }, requestId, runtime.settings.errors.format)));
  }

  #tunnel(passage: Passage, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = passage.route.upstream.pick();
    const started = performance.now();
    const settlement = new Settlement(passage, this.#parts.settler);
    const proxy = createProxyServer({ target: target.url.href, ws: true, xfwd: false });
    this.#parts.metrics.started();
    this.#open.add(socket);
    // 0: nothing has been answered yet.
    let status = 0;
    // http-proxy-3 writes the head of the answer in its own listeners; these come first, so the journal does too.
    proxy.on("proxyReqWs", (upstreamRequest) => {
      const settleOrCut = (answer: number) => {
        status = answer;
        if (settlement.settle(answer)) return;
        this.#refuse(METERING_DOWN, passage.requestId, passage.runtime, request, socket);
        upstreamRequest.destroy();
      };
      upstreamRequest.prependListener("upgrade", () => settleOrCut(101));
      upstreamRequest.prependListener("response", (response: IncomingMessage) =>
        settleOrCut(response.statusCode ?? 502),
      );
    });
    socket.on("close", () => {
      this.#open.delete(socket);
      settlement.settle(CLIENT_CLOSED_STATUS);
      this.#parts.metrics.finished(passage.route.metric, status, (performance.now() - started) / 1000);
    });
    rewrite(request, passage, target);
    proxy.ws(request, socket, head, {}, () => {
      if (status !== 0) return;
      settlement.settle(502);
      this.#refuse(unreachable(passage), passage.requestId, passage.runtime, request, socket);
    });
  }
}

/** Settles a reservation once. */
class Settlement {
  readonly #passage: Passage;
  readonly #settler: Settler;
  #done = false;

  constructor(passage: Passage, settler: Settler) {
    this.#passage = passage;
    this.#settler = settler;
  }

  /** False only when the charge could not be written and the gateway is to refuse then. */
  settle(status: number): boolean {
    const { reservation, runtime } = this.#passage;
    if (this.#done || reservation === null) return true;
    this.#done = true;
    return this.#settler.settle(reservation, status) || runtime.settings.metering.onJournalFailure === "serve";
  }
}

function upgradeFault(passage: Passage): Refusal | null {
  const { head, route } = passage;
  if (route.builtin)
    return refuse("malformed_request", "upgrade:builtin", "The gateway's own endpoints are not upgraded");
  if (head.upgrade?.toLowerCase() !== "websocket")
    return refuse("malformed_request", "upgrade:protocol", "The only upgrade offered is websocket");
  return hasBody(head) ? refuse("malformed_request", "upgrade:body", "An upgrade request has no body") : null;
}

function unreachable(passage: Passage): Refusal {
  return refuse("upstream_unreachable", `upstream:${passage.route.upstream.name}`, "Upstream cannot be reached");
}

/** http-proxy-3 forwards `headers` and `url` of the request: they become exactly what the full lane would send. */
function rewrite(request: IncomingMessage, passage: Passage, target: Target): void {
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
}
