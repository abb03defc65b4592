/**
 * Phase 1, parse: the strict reading of a header section, the same for both lanes. Worker thread, pure.
 * A lane gives names and values as it cut them out of the bytes; node:http lets duplicate singletons, underscore twins and odd
 * transfer codings pass, here they are refused.
 * Not here: the path (`route/path.ts`), credentials (`identity/credentials.ts`) and the cutting (`http1/`, node:http).
 */
import type { Refusal } from "#core/errors.ts";
import { emptyMemo, type HeadMemo } from "#data-plane/head-memo.ts";
import { isImitated, isProtectedHeader, isSingleton } from "./header-names.ts";

export const HEADER_COUNT_MAX = 256;
const CONNECTION_OPTIONS_MAX = 32;
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** For `Allow`. */
export const ALL_METHODS = [...METHODS].join(", ");
// Control characters but HTAB (RFC 9110 §5.5).
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/; // biome-ignore lint: the control characters are the point
// What a name may have beside letters, digits and hyphens; to some apps all of it is one (CGI's variables).
const ODD = /[^a-z0-9-]/;
const ODD_EACH = /[^a-z0-9-]/g;
const HOST = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?$/;
const LENGTH = /^(0|[1-9]\d{0,15})$/;
const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const NO_OPTIONS: readonly string[] = [];

/** What the later phases need of the header section. A lane may use one for many requests whose sections are equal. */
export interface RequestHead {
  /** Names and values in turn, as received, duplicates kept. */
  readonly raw: readonly string[];
  /** `names[i]` is `raw[2 * i]` in lower case. */
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
  /** The `Upgrade` field; null: none. */
  readonly upgrade: string | null;
  /** The name the client gave its request, in characters that are safe in logs and headers; null: none, or no such one. */
  readonly requestId: string | null;
  /** What the client wants to hear before it sends its body; `other` is nothing anybody knows. */
  readonly expects: "nothing" | "100-continue" | "other";
  /** The client keeps the connection for another request. */
  readonly keepsAlive: boolean;
  readonly memo: HeadMemo;
}

/** Why a request that expects anything but `100-continue` is refused. */
export const UNKNOWN_EXPECTATION: Refusal = {
  code: "expectation_failed",
  rule: "header:expect",
  detail: "The only expectation understood is 100-continue",
  close: true,
};

/** Whether the request has a body. */
export function hasBody(head: RequestHead): boolean {
  return head.chunked || (head.contentLength !== null && head.contentLength > 0);
}

/** Why a method is refused; null when it is not. */
export function methodFault(method: string): Refusal | null {
  if (METHODS.has(method)) return null;
  return {
    code: "method_not_allowed",
    rule: "method:unknown",
    detail: `Unknown method ${method.slice(0, 20)}`,
    headers: ["Allow", ALL_METHODS],
    close: true,
  };
}

/** Reads the section, or says what is wrong with it; `rule` of the refusal names the check. `raw` is names and values in turn. */
export function readHead(raw: readonly string[], httpVersion: string): RequestHead | Refusal {
  if (raw.length > HEADER_COUNT_MAX * 2) return tooManyFields();
  const names: string[] = [];
  const seen = new Map<string, string>();
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? "").toLowerCase();
    const value = raw[i + 1] ?? "";
    const fault = checkField(name, value, seen);
    if (fault !== null) return fault;
    const before = seen.get(name);
    seen.set(name, before === undefined ? value : `${before},${value}`);
    names.push(name);
  }
  return readFacts(raw, names, seen, httpVersion);
}

export function tooManyFields(): Refusal {
  const detail = `More than ${HEADER_COUNT_MAX} header fields`;
  return { code: "headers_too_large", rule: "header:count", detail, close: true };
}

/**
 * The head as an absolute target has it: the target says the host (RFC 9112 §3.2.2), and a Host field that says another one is
 * refused rather than dropped.
 */
export function withAuthority(head: RequestHead, authority: string): RequestHead | Refusal {
  if (head.authority !== "" && head.authority.toLowerCase() !== authority.toLowerCase())
    return malformed("header:host", "Host is not the one of the request target");
  const host = readHost(authority, "1.1");
  return typeof host === "string" ? { ...head, host, authority, memo: emptyMemo() } : host;
}

function checkField(name: string, value: string, seen: ReadonlyMap<string, string>): Refusal | null {
  if (name.includes("_")) return malformed("header:underscore", "Header names with an underscore are refused");
  if (ODD.test(name) && isImitated(name.replace(ODD_EACH, "-"))) {
    return malformed("header:twin", "A header name imitates one of the gateway's own");
  }
  if (CONTROL.test(value)) return malformed("header:control-character", `Control character in header ${name}`);
  if (isSingleton(name) && seen.has(name)) return malformed("header:duplicate", `Header ${name} is given twice`);
  return null;
}

function readFacts(
  raw: readonly string[],
  names: readonly string[],
  seen: ReadonlyMap<string, string>,
  httpVersion: string,
): RequestHead | Refusal {
  const framing = readFraming(seen.get("content-length"), seen.get("transfer-encoding"), httpVersion);
  if ("code" in framing) return framing;
  const authority = seen.get("host") ?? "";
  const host = readHost(authority, httpVersion);
  if (typeof host !== "string") return host;
  const connectionOptions = readConnection(seen.get("connection"));
  if ("code" in connectionOptions) return connectionOptions;
  const upgrade = seen.get("upgrade") ?? null;
  const id = seen.get("x-request-id");
  const requestId = id !== undefined && REQUEST_ID.test(id) ? id : null;
  return {
    raw,
    names,
    host,
    authority,
    ...framing,
    connectionOptions,
    upgrade,
    requestId,
    expects: readExpect(seen.get("expect"), httpVersion),
    keepsAlive:
      !connectionOptions.includes("close") && (httpVersion === "1.1" || connectionOptions.includes("keep-alive")),
    memo: emptyMemo(),
  };
}

/** RFC 9112 §6, strictly: one framing, one length of digits, one coding that is exactly `chunked`. */
function readFraming(
  length: string | undefined,
  coding: string | undefined,
  httpVersion: string,
): { readonly contentLength: number | null; readonly chunked: boolean } | Refusal {
  if (coding === undefined && length === undefined) return { contentLength: null, chunked: false };
  if (coding !== undefined && length !== undefined) {
    return malformed("framing:both", "Content-Length and Transfer-Encoding together");
  }
  if (coding !== undefined) {
    const exact = coding.toLowerCase() === "chunked" && httpVersion === "1.1";
    return exact
      ? { contentLength: null, chunked: true }
      : malformed("framing:coding", "Transfer-Encoding is not exactly chunked");
  }
  if (length === undefined || !LENGTH.test(length) || Number(length) > Number.MAX_SAFE_INTEGER) {
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
function readConnection(value: string | undefined): readonly string[] | Refusal {
  if (value === undefined) return NO_OPTIONS;
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

/** RFC 9110 §10.1.1: of an older client it means nothing. */
function readExpect(value: string | undefined, httpVersion: string): RequestHead["expects"] {
  if (value === undefined || httpVersion === "1.0") return "nothing";
  return value.toLowerCase() === "100-continue" ? "100-continue" : "other";
}

function malformed(rule: string, detail: string): Refusal {
  return { code: "malformed_request", rule, detail, close: true };
}
