/**
 * The headers a client gets of an upstream's answer. Worker thread, pure. The upstream's fields in their order and spelling,
 * minus hop-by-hop and what only the gateway may say; lines are never merged. Then what the gateway says.
 */
import type { Passage } from "#data-plane/exchange.ts";
import { type Origin, publicLocation } from "./location.ts";
import { isHopByHop, isIdentityHeader } from "#data-plane/wire/header-names.ts";

/** Which answer it is, and whose. */
export interface AnswerOrigin {
  readonly status: number;
  readonly target: Origin;
}

/** `raw` is names and values in turn; so is the result. */
export function clientResponseHeaders(
  raw: readonly string[],
  passage: Passage,
  { status, target }: AnswerOrigin,
): string[] {
  const limitHeaders = passage.limitState.headers();
  const trailers = canHaveTrailers(raw, passage, status);
  const headers = passedHeaders(raw, status, { trailers, limited: passage.limitState.limited, target });
  headers.push("x-request-id", passage.requestId, ...limitHeaders);
  return headers;
}

export interface PassOptions {
  /** `Trailer` passes: there is room for trailers. */
  readonly trailers: boolean;
  /** The gateway tells of its own limits, so the upstream's are left out. */
  readonly limited: boolean;
  readonly target: Origin;
}

/** The upstream's own fields that pass. */
export function passedHeaders(raw: readonly string[], status: number, options: PassOptions): string[] {
  const { trailers, limited, target } = options;
  const named = connectionOptions(raw);
  const headers: string[] = [];
  for (let i = 0; i < raw.length; i += 2) {
    const spelled = raw[i] ?? "";
    const name = spelled.toLowerCase();
    if (isHopByHop(name) && !(name === "trailer" && trailers)) continue;
    if ((named.has(name) && name !== "content-length") || isIdentityHeader(name) || name === "x-request-id") continue;
    if (limited && isLimitHeader(name)) continue;
    // Such an answer has no body, and may not say how long it is (RFC 9110 §8.6).
    if (status === 204 && name === "content-length") continue;
    const value = raw[i + 1] ?? "";
    headers.push(spelled, name === "location" ? publicLocation(value, target) : value);
  }
  return headers;
}

/** Trailers that pass: as for headers, nothing that only the gateway may say. Names and values in turn. */
export function passedTrailers(raw: readonly string[]): readonly string[] {
  return raw.filter((_, index) => !isIdentityHeader((raw[index - (index % 2)] ?? "").toLowerCase()));
}

/** Only a chunked answer has room for trailers (RFC 9112 §7.1.2); node refuses to announce them on any other. */
export function canHaveTrailers(raw: readonly string[], passage: Passage, status: number): boolean {
  const { method, httpVersion } = passage.exchange;
  if (method === "HEAD" || httpVersion !== "1.1" || status === 204 || status === 304) return false;
  return !raw.some((text, index) => index % 2 === 0 && text.toLowerCase() === "content-length");
}

function connectionOptions(raw: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>();
  for (let i = 0; i < raw.length; i += 2) {
    if ((raw[i] ?? "").toLowerCase() !== "connection") continue;
    for (const option of (raw[i + 1] ?? "").toLowerCase().split(",")) named.add(option.trim());
  }
  return named;
}

function isLimitHeader(name: string): boolean {
  return name.startsWith("ratelimit") || name.startsWith("x-ratelimit");
}

/** The upstream's reason phrase; none at all when it has what RFC 9112 §4 does not allow (undici reads it as UTF-8). */
export function reasonText(reason = ""): string {
  return /^[\t\x20-\x7e\x80-\xff]*$/.test(reason) ? reason : "";
}
