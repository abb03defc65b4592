/**
 * Interim answers (RFC 9110 §15.2) as the upstream wrote them. Worker thread.
 * Not node's `writeEarlyHints`: it throws on `Link` values that are allowed, and drops every other field.
 */
import { type ServerResponse, STATUS_CODES } from "node:http";
import { isHopByHop, isIdentityHeader } from "./header-names.ts";

/** Passed on: Processing and Early Hints. A 100 is the lane's own to say, 101 never comes here. */
const PASSED: ReadonlySet<number> = new Set([102, 103]);

/** `raw` is names and values in turn. Writes nothing behind the final answer's head, or while an earlier pipelined answer is due. */
export function writeInterim(response: ServerResponse, status: number, raw: readonly string[]): void {
  const { socket } = response;
  // HTTP/1.0 knows no interim answers.
  if (!PASSED.has(status) || socket === null || response.headersSent || response.req.httpVersion === "1.0") return;
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n`;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? "").toLowerCase();
    if (isHopByHop(name) || isIdentityHeader(name) || name === "content-length") continue;
    head += `${raw[i]}: ${raw[i + 1]}\r\n`;
  }
  socket.write(`${head}\r\n`, "latin1");
}
