/**
 * Headers that an upstream gets in an account's name instead of the client's own. Pure; both planes. Not here: where they are kept, sealed
 * (`control-plane/accounts/upstream-credentials.ts`).
 */

/** Names (lower case) and values in turn by upstream; null: they cannot be opened, and nothing may be sent there. */
export type UpstreamHeaders = Readonly<Record<string, readonly string[] | null>>;

const NAME = /^[a-z0-9-]{1,64}$/;
/** RFC 9110 §5.5, without what is no ASCII. */
const VALUE = /^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/;

/** Framing and routing of messages, hop-by-hop fields, what describes the body, and what only the gateway says. */
const REFUSED: ReadonlySet<string> = new Set([
  "host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "keep-alive", "proxy-connection",
  "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade", "http2-settings", "expect", "range", "accept-encoding",
  "forwarded", "x-real-ip", "x-request-id", "traceparent", "tracestate", "x-original-url", "x-rewrite-url", "x-http-method-override",
  "x-http-method", "x-method-override",
]); // biome-ignore format: a list
const REFUSED_PREFIXES = ["x-tollgate-", "x-forwarded-"];

/** Why a header cannot be sent so; null: it can. `name` is in lower case. */
export function upstreamHeaderFault(name: string): string | null {
  if (!NAME.test(name)) return "Expected a header name of lower-case letters, digits and hyphens, at most 64";
  const isRefused = REFUSED.has(name) || REFUSED_PREFIXES.some((prefix) => name.startsWith(prefix));
  return isRefused ? `Header ${name} is not a credential: the gateway or the connection says it` : null;
}

export function isFieldValue(value: string): boolean {
  return VALUE.test(value);
}
