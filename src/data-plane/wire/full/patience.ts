/**
 * Watches over clients that stop writing (those that stop reading: `connections.ts`, `forward.ts`). Worker thread.
 * With timers of its own: `request.setTimeout` belongs to the socket, so one request's would end or disarm another's,
 * and node's own keep-alive timeout with it.
 */
import type { IncomingMessage } from "node:http";

/** Calls `silent` each time no byte of an incomplete request came for `ms`. Ends by itself with the request or its socket. */
export function watchReading(request: IncomingMessage, ms: number, silent: () => void): void {
  const { socket } = request;
  let before = socket.bytesRead;
  const timer = setInterval(() => {
    if (request.complete || request.destroyed || socket.destroyed) {
      clearInterval(timer);
      return;
    }
    const moved = socket.bytesRead !== before;
    before = socket.bytesRead;
    if (!moved) silent();
  }, ms).unref();
  request.once("close", () => clearInterval(timer));
}

/** Closes the connection when the rest of a refused request has not come after `ms`. */
export function awaitRest(request: IncomingMessage, ms: number): void {
  const timer = setTimeout(() => {
    if (!request.complete) request.socket.destroy();
  }, ms).unref();
  request.once("close", () => clearTimeout(timer));
}
