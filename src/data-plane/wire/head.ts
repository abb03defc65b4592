/**
 * Phase 1, parse: the strict reading of a request head that node's own parser does not do. Worker thread, pure.
 * node:http lets duplicate singletons, underscore twins and odd transfer codings pass; here they are refused.
 * Not here: the path (`route/path.ts`) and credentials (`identity/credentials.ts`).
 */
import type { Refusal } from "#core/errors.ts";
import type { Exchange } from "#data-plane/exchange.ts";
import { isProtectedHeader, isSingleton } from "./header-names.ts";

const HEADER_COUNT_MAX = 256;
const CONNECTION_OPTIONS_MAX = 32;
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
// Control characters but HTAB (RFC 9110 §5.5).
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/; // biome-ignore lint: the control characters are the point
const HOST = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;

/** What the later phases need of the headers. `names[i]` is the lower-case name of `rawHeaders[2 * i]`. */
export interface RequestHead {
  readonly names: readonly string[];
  /** Host without port and trailing dot, lower case; empty on HTTP/1.0 without one. */
  readonly host: string;
  /** The Host field as the upstream gets it. */
  readonly authority: string;
  /** Bytes of the body; null when chunked or none. */
  readonly contentLength: number | null;
  readonly chunked: boolean;
  /** Lower-case names the client listed in `Connection`; they go no further. */
  readonly connectionOptions: readonly string[];
  readonly upgrade: string | null;
}

/** Whether the request has a body. */
export function hasBody(head: RequestHead): boolean {
  return head.chunked || (head.contentLength !== null && head.contentLength > 0);
}

/** Reads the head, or says what is wrong with it. `rule` of the refusal names the check. */
export function readHead(exchange: Exchange, authorityOfTarget: string | null): RequestHead | Refusal {
  const { rawHeaders } = exchange;
  if (!METHODS.has(exchange.method)) return unknownMethod(exchange.method);
  if (rawHeaders.length > HEADER_COUNT_MAX * 2) {
    return {
      code: "headers_too_large",
      rule: "header:count",
      detail: `More than ${HEADER_COUNT_MAX} header fields`,
      close: true,
    };
  }
  const names: string[] = [];
  const seen = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? "").toLowerCase();
    const value = rawHeaders[i + 1] ?? "";
    const fault = checkField(name, value, seen);
    if (fault !== null) return fault;
    seen.set(name, seen.has(name) ? `${seen.get(name)},${value}` : value);
    names.push(name);
  }
  return readFacts(exchange, names, seen, authorityOfTarget);
}

function unknownMethod(method: string): Refusal {
  return {
    code: "method_not_allowed",
    rule: "method:unknown",
    detail: `Unknown method ${method.slice(0, 20)}`,
    headers: ["Allow", [...METHODS].join(", ")],
    close: true,
  };
}

function checkField(name: string, value: string, seen: ReadonlyMap<string, string>): Refusal | null {
  if (name.includes("_")) return malformed("header:underscore", "Header names with an underscore are refused");
  if (name.includes(".") && isProtectedHeader(name.replaceAll(".", "-"))) {
    return malformed("header:twin", "A header name imitates one of the gateway's own");
  }
  if (CONTROL.test(value)) return malformed("header:control-character", `Control character in header ${name}`);
  if (isSingleton(name) && seen.has(name)) return malformed("header:duplicate", `Header ${name} is given twice`);
  return null;
}

function readFacts(
  exchange: Exchange,
  names: readonly string[],
  seen: ReadonlyMap<string, string>,
  authorityOfTarget: string | null,
): RequestHead | Refusal {
  const framing = readFraming(exchange, seen);
  if ("code" in framing) return framing;
  const authority = authorityOfTarget ?? seen.get("host") ?? "";
  const host = readHost(authority, exchange.httpVersion);
  if (typeof host !== "string") return host;
  const connectionOptions = readConnection(seen.get("connection"));
  if (!Array.isArray(connectionOptions)) return connectionOptions;
  return { names, host, authority, ...framing, connectionOptions, upgrade: seen.get("upgrade") ?? null };
}

/** RFC 9112 §6, strictly: one framing, one length of digits, one coding that is exactly `chunked`. */
function readFraming(
  exchange: Exchange,
  seen: ReadonlyMap<string, string>,
): { readonly contentLength: number | null; readonly chunked: boolean } | Refusal {
  const length = seen.get("content-length");
  const coding = seen.get("transfer-encoding");
  if (coding === undefined && length === undefined) return { contentLength: null, chunked: false };
  if (coding !== undefined && length !== undefined) {
    return malformed("framing:both", "Content-Length and Transfer-Encoding together");
  }
  if (coding !== undefined) {
    const exact = coding.toLowerCase() === "chunked" && exchange.httpVersion === "1.1";
    return exact
      ? { contentLength: null, chunked: true }
      : malformed("framing:coding", "Transfer-Encoding is not exactly chunked");
  }
  if (length === undefined || !/^(0|[1-9]\d{0,15})$/.test(length) || Number(length) > Number.MAX_SAFE_INTEGER) {
    return malformed("framing:length", "Content-Length is not a plain number");
  }
  return { contentLength: Number(length), chunked: false };
}

function readHost(authority: string, httpVersion: string): string | Refusal {
  if (authority === "" && httpVersion === "1.0") return "";
  const match = HOST.exec(authority);
  if (match === null || Number(match[1] ?? 0) > 65_535) return malformed("header:host", "Host is missing or malformed");
  return hostName(authority);
}

/** Lower case, without port and without the dot that makes a name absolute. */
function hostName(authority: string): string {
  const end = authority.startsWith("[") ? authority.indexOf("]") + 1 : authority.indexOf(":");
  const bare = end <= 0 ? authority : authority.slice(0, end);
  return (bare.endsWith(".") ? bare.slice(0, -1) : bare).toLowerCase();
}

/** RFC 9110 §7.6.1: the client may name its own hop-by-hop fields, but none that the gateway vouches for. */
function readConnection(value: string | undefined): string[] | Refusal {
  if (value === undefined) return [];
  const options = value
    .toLowerCase()
    .split(",")
    .map((option) => option.trim())
    .filter((option) => option !== "");
  if (options.length > CONNECTION_OPTIONS_MAX) return malformed("header:connection", "Too many options in Connection");
  const named = options.find((option) => isProtectedHeader(option.replaceAll("_", "-")));
  return named === undefined
    ? options
    : malformed("header:connection", `Connection names the header ${named.slice(0, 64)}`);
}

function malformed(rule: string, detail: string): Refusal {
  return { code: "malformed_request", rule, detail, close: true };
}
