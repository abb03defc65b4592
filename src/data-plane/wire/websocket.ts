/** Which requests are upgrades: WebSocket only, as other protocols are not offered (RFC 9110 §7.8 lets a server ignore them). Pure. */
import type { RequestHead } from "./head.ts";

export function isWebSocket(method: string, head: RequestHead): boolean {
  return method === "GET" && head.upgrade?.toLowerCase() === "websocket" && head.connectionOptions.includes("upgrade");
}
