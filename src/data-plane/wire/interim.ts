/**
 * Interim answers (RFC 9110 §15.2) as the upstream wrote them. Worker thread, pure.
 * Not node's `writeEarlyHints`: it throws on `Link` values that are allowed, and drops every other field.
 */
import { isHopByHop, isIdentityHeader } from "./header-names.ts";
import { fieldLines, statusLine } from "#data-plane/wire/http1/writer.ts";

/** What a client that asked for it hears before it sends its body. */
export const CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n";

/** Passed on for one request; more is an upstream gone wrong. */
export const INTERIM_MAX = 16;

/** Passed on: Processing and Early Hints. A 100 is the lane's own to say, 101 never comes here. */
const PASSED: ReadonlySet<number> = new Set([102, 103]);

/** What the client gets of it; null: nothing. `raw` is names and values in turn. HTTP/1.0 knows no interim answers. */
export function interimLines(status: number, raw: readonly string[], httpVersion: string): string | null {
  if (!PASSED.has(status) || httpVersion === "1.0") return null;
  const passed = raw.filter((_, index) => {
    const name = (raw[index - (index % 2)] ?? "").toLowerCase();
    return !isHopByHop(name) && !isIdentityHeader(name) && name !== "content-length";
  });
  return `${statusLine(status)}${fieldLines(passed)}\r\n`;
}
