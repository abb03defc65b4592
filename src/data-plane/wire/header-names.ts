/**
 * Which header names the gateway treats in a special way. Pure; names are lower case.
 */

/** RFC 9110 §7.6.1 and what senders still use: never forwarded. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer",
  "transfer-encoding", "upgrade", "http2-settings", "expect",
]); // biome-ignore format: a list

/** Fields that mean something only once; a second line is refused rather than guessed at. */
const SINGLETONS: ReadonlySet<string> = new Set([
  "host", "authorization", "content-type", "content-length", "content-encoding", "transfer-encoding", "range",
  "idempotency-key", "stripe-signature", "x-api-key", "x-request-id", "expect", "upgrade", "from", "referer",
  "user-agent", "max-forwards", "if-modified-since", "if-unmodified-since", "traceparent",
]); // biome-ignore format: a list

/** Headers by which proxies say who the client is; the gateway writes its own. */
const FORWARDED: ReadonlySet<string> = new Set([
  "forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-prefix",
  "x-forwarded-server", "x-forwarded-uri", "x-real-ip", "true-client-ip", "cf-connecting-ip", "x-client-ip",
]); // biome-ignore format: a list

/** Headers that some frameworks let override path or method: the upstream must see what was matched, nothing else. */
const OVERRIDES: ReadonlySet<string> = new Set([
  "x-original-url", "x-rewrite-url", "x-http-method-override", "x-http-method", "x-method-override",
]); // biome-ignore format: a list

const IDENTITY_PREFIXES = [
  "x-tollgate-",
  "x-consumer-",
  "x-user-",
  "x-credential-",
  "x-authenticated-",
  "x-anonymous-consumer",
];

export function isHopByHop(name: string): boolean {
  return HOP_BY_HOP.has(name);
}

export function isSingleton(name: string): boolean {
  return SINGLETONS.has(name);
}

/** Headers that say who the caller is. `x-user-agent` (gRPC-web) says what, not who. */
export function isIdentityHeader(name: string): boolean {
  return (
    name.startsWith("x-") && name !== "x-user-agent" && IDENTITY_PREFIXES.some((prefix) => name.startsWith(prefix))
  );
}

/** Client copies of these never reach an upstream. */
export function isStripped(name: string): boolean {
  return (
    isHopByHop(name) || isIdentityHeader(name) || FORWARDED.has(name) || OVERRIDES.has(name) || name === "x-request-id"
  );
}

/** Headers a client must not name in `Connection`: framing, routing, credentials and all that the gateway vouches for. */
export function isProtectedHeader(name: string): boolean {
  return (
    isIdentityHeader(name) || FORWARDED.has(name) || name === "host" || name === "authorization" || name === "content-length" ||
    name === "content-type" || name === "cookie" || name === "x-api-key" || name === "x-request-id"
  ); // biome-ignore format: one line a group
}

/** Headers whose twins, written with other signs for their hyphens, an app could take for them. */
export function isImitated(name: string): boolean {
  return isProtectedHeader(name) || name === "transfer-encoding";
}
