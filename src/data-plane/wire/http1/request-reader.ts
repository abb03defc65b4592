/**
 * Reads request heads (RFC 9112 §3, §5) out of the bytes of one connection, strictly: what two readers could take differently is
 * refused. Pure. A client that sends an equal field section again gets the same `RequestHead`, without reading it anew.
 * The bytes stay where they are: whoever calls keeps all of a head until it is whole.
 * Not here: what fields mean (`head.ts`), the target (`route/path.ts`), bodies (`body-reader.ts`).
 */
import type { Refusal } from "#core/errors.ts";
import { follow } from "#data-plane/head-memo.ts";
import { HEADER_COUNT_MAX, readHead, type RequestHead, tooManyFields } from "#data-plane/wire/head.ts";
import { METHODS as NODE_METHODS } from "#data-plane/wire/node-http.ts";
import { FieldsReader } from "./fields-reader.ts";
import { CR, LF, SP, TOKEN, VISIBLE } from "./octets.ts";

/** Methods there are, as node has them; which of them are served is the gate's to say. */
const METHODS: ReadonlySet<string> = new Set(NODE_METHODS);
const COMMON_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"];
/** `HTTP/1.1` or `HTTP/1.0`. */
const VERSION_BYTES = 8;

export type HttpVersion = "1.0" | "1.1";

/** A request whose head has been read. */
export interface RequestStart {
  readonly method: string;
  /** As received: visible ASCII. */
  readonly target: string;
  readonly httpVersion: HttpVersion;
  /** Or what is wrong with its fields. */
  readonly head: RequestHead | Refusal;
}

/** A field section and what it was read as. */
interface KnownSection {
  /** With its empty line. */
  readonly text: string;
  readonly httpVersion: HttpVersion;
  readonly head: RequestHead | Refusal;
}

export const SYNTAX: Refusal = {
  code: "malformed_request",
  rule: "http:syntax",
  detail: "Request is not valid HTTP/1.1",
  close: true,
};

export const LINE_TOO_LONG: Refusal = {
  code: "target_too_long",
  rule: "target:length",
  detail: "Request target is too long",
  close: true,
};

export const TOO_LARGE: Refusal = {
  code: "headers_too_large",
  rule: "limit:headers",
  detail: "Request headers are too large",
  close: true,
};

export class RequestReader {
  readonly #fields = new FieldsReader(HEADER_COUNT_MAX);
  readonly #bytesMax: number;
  /** Bytes of the request line with its CRLF; 0: it is not whole yet. */
  #lineBytes = 0;
  #method = "";
  #target = "";
  #httpVersion: HttpVersion = "1.1";
  #known: KnownSection | null = null;
  #end = 0;

  /** `bytesMax`: largest head, request line and empty line included. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Offset behind the head that was read last. */
  get end(): number {
    return this.#end;
  }

  /** Of the head that is being read; empty: its first line is not whole yet. */
  get method(): string {
    return this.#lineBytes === 0 ? "" : this.#method;
  }

  /** Whether some of a head has been read. */
  get begun(): boolean {
    return this.#lineBytes > 0;
  }

  /**
   * Reads on. `bytes` from `start` to `end` is all of the head that has come so far. null: it is not whole yet. After a refusal the
   * connection is of no more use.
   */
  read(bytes: Buffer, start: number, end: number): RequestStart | Refusal | null {
    if (this.#lineBytes === 0) {
      const length = this.#readLine(bytes, start, end);
      if (length < 0) return SYNTAX;
      if ((length === 0 ? end - start : length) > this.#bytesMax) return LINE_TOO_LONG;
      if (length === 0) return null;
      this.#lineBytes = length;
      this.#fields.reset();
    }
    const from = start + this.#lineBytes;
    const section = this.#readAgain(bytes, from, end) ?? this.#readSection(bytes, from, end);
    if (section === null) return end - start > this.#bytesMax ? TOO_LARGE : null;
    if ("code" in section) return section;
    this.#end = from + section.text.length;
    if (this.#end - start > this.#bytesMax) return TOO_LARGE;
    this.#lineBytes = 0;
    this.#known = section;
    return { method: this.#method, target: this.#target, httpVersion: this.#httpVersion, head: section.head };
  }

  /** The section read last, when the bytes begin with it again. */
  #readAgain(bytes: Buffer, from: number, end: number): KnownSection | null {
    const known = this.#known;
    if (known === null || known.httpVersion !== this.#httpVersion) return null;
    const to = from + known.text.length;
    return to <= end && bytes.toString("latin1", from, to) === known.text ? known : null;
  }

  #readSection(bytes: Buffer, from: number, end: number): KnownSection | Refusal | null {
    const length = this.#fields.read(bytes, from, Math.min(end, from + this.#bytesMax));
    if (length === 0) return null;
    if (length < 0) return this.#fields.fault === "count" ? tooManyFields() : SYNTAX;
    const text = bytes.toString("latin1", from, from + length);
    const head = readHead(this.#fields.cut(text), this.#httpVersion);
    const before = this.#known?.head;
    if ("memo" in head && before !== undefined && "memo" in before) follow(head.memo, before.memo);
    return { text, httpVersion: this.#httpVersion, head };
  }

  /**
   * RFC 9112 §3: method SP target SP version CRLF, one space each. Returns the line's length with the empty lines that may come before
   * it (§2.2); 0: not whole yet, -1: no request line.
   */
  #readLine(bytes: Buffer, start: number, end: number): number {
    let at = start;
    while (bytes[at] === CR && at < end) {
      if (at + 1 === end) return 0;
      if (bytes[at + 1] !== LF) return -1;
      at += 2;
    }
    const methodStart = at;
    while (at < end && TOKEN[bytes[at] ?? 0] === 1) at++;
    if (at === end) return mayBeMethod(bytes, methodStart, end) ? 0 : -1;
    const method = methodAt(bytes, methodStart, at);
    if (bytes[at] !== SP || method === null) return -1;
    const targetStart = ++at;
    while (at < end && VISIBLE[bytes[at] ?? 0] === 1) at++;
    if (at === end) return 0;
    if (bytes[at] !== SP || at === targetStart) return -1;
    const versionStart = at + 1;
    at = versionStart + VERSION_BYTES;
    if (at + 2 > end) return mayBeVersion(bytes, versionStart, end) ? 0 : -1;
    const httpVersion = versionAt(bytes, versionStart);
    if (httpVersion === null || bytes[at] !== CR || bytes[at + 1] !== LF) return -1;
    this.#httpVersion = httpVersion;
    this.#method = method;
    this.#target = bytes.toString("latin1", targetStart, versionStart - 1);
    return at + 2 - start;
  }
}

/** Whether the octets from `start` on are those of the text. */
function isAt(bytes: Buffer, start: number, text: string): boolean {
  for (let at = 0; at < text.length; at++) if (bytes[start + at] !== text.charCodeAt(at)) return false;
  return true;
}

function versionAt(bytes: Buffer, start: number): HttpVersion | null {
  if (isAt(bytes, start, "HTTP/1.1")) return "1.1";
  return isAt(bytes, start, "HTTP/1.0") ? "1.0" : null;
}

/** Whether what has come of the method can still become one. */
function mayBeMethod(bytes: Buffer, start: number, end: number): boolean {
  const text = bytes.toString("latin1", start, end);
  return NODE_METHODS.some((method) => method.startsWith(text));
}

/** Whether what has come of the version and its line end can still become one. */
function mayBeVersion(bytes: Buffer, start: number, end: number): boolean {
  const text = bytes.toString("latin1", start, end);
  return "HTTP/1.1\r\n".startsWith(text) || "HTTP/1.0\r\n".startsWith(text);
}

/** null: there is no such method. The common ones without making a text of them. */
function methodAt(bytes: Buffer, start: number, end: number): string | null {
  for (const method of COMMON_METHODS) if (method.length === end - start && isAt(bytes, start, method)) return method;
  const method = bytes.toString("latin1", start, end);
  return METHODS.has(method) ? method : null;
}
