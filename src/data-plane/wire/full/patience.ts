/**
 * Watches over clients that stop writing (those that stop reading: `connections.ts`, `forward.ts`). Worker thread.
 * With timers of its own: `request.setTimeout` belongs to the socket, so one request's would end or disarm another's,
 * and node's own keep-alive timeout with it.
 */
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { LimitSettings } from "#config/settings.ts";
import type { Refusal } from "#core/errors.ts";
import { BodyPace } from "#data-plane/wire/body-pace.ts";
import { SILENT, SLOW_BODY } from "#data-plane/wire/client-refusals.ts";

const LOOK_MS_MAX = 500;

/** Who waits for a request's body. */
export interface BodyWaiter {
  /** Nothing is read from the client just now. */
  isHeld(): boolean;
  /** The client fell silent, or crawls. Called again at every look until the request or its socket ends. */
  onSlow(refusal: Refusal): void;
}

/** Watches until the request is whole. */
export function watchBody(request: IncomingMessage, limits: LimitSettings, waiter: BodyWaiter): void {
  const { socket } = request;
  const { bodyBytesPerSecond, idleTimeoutMs } = limits;
  let silentSinceMs = performance.now();
  const pace = new BodyPace(bodyBytesPerSecond, idleTimeoutMs, silentSinceMs);
  const first = socket.bytesRead;
  let before = first;
  const look = () => {
    if (request.complete || request.destroyed || socket.destroyed) return clearInterval(timer);
    const now = performance.now();
    const held = waiter.isHeld();
    if (held || socket.bytesRead !== before) silentSinceMs = now;
    before = socket.bytesRead;
    // Framing counts too: node does not tell it from content.
    const isTooSlow = pace.isTooSlow(now, before - first, held);
    if (now - silentSinceMs > idleTimeoutMs) waiter.onSlow(SILENT);
    else if (isTooSlow) waiter.onSlow(SLOW_BODY);
  };
  const timer = setInterval(look, Math.min(LOOK_MS_MAX, idleTimeoutMs / 4)).unref();
  request.once("close", () => clearInterval(timer));
}

/** Reads nothing from a client for so long. */
export function rest(socket: Socket, ms: number): void {
  socket.pause();
  setTimeout(() => socket.resume(), ms).unref();
}

/** Closes the connection when the rest of a refused request has not come after `ms`. */
export function awaitRest(request: IncomingMessage, socket: Socket, ms: number): void {
  const timer = setTimeout(() => {
    if (!request.complete) socket.destroy();
  }, ms).unref();
  request.once("close", () => clearTimeout(timer));
}

/** Unread body bytes node may drain behind a refusal; with more to come the connection is closed. */
const DRAIN_BYTES_MAX = 64 * 1024;

/** Whether a body is small enough to read past; by its head alone, for how much of it has come is chance. */
export function drains({ headers, httpVersion }: IncomingMessage): boolean {
  const { "content-length": length = "0", "transfer-encoding": coding, expect } = headers;
  const waits = expect !== undefined && httpVersion === "1.1";
  return coding === undefined && !waits && Number(length) <= DRAIN_BYTES_MAX;
}
