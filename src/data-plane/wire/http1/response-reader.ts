/**
 * Reads response heads (RFC 9112 §4, §5, §6.3) out of the bytes of one connection to an upstream, as strictly as requests: an answer
 * that two readers could take differently is none. Pure. A head equal to the one before is not read anew.
 * The bytes stay where they are: whoever calls keeps all of a head until it is whole.
 */
import { isEventStream } from "#data-plane/wire/event-stream.ts";
import { FieldsReader } from "./fields-reader.ts";
import { CR, FIELD, LF, SP } from "./octets.ts";

/** Fields a head may have. */
const FIELD_COUNT_MAX = 256;
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/; // biome-ignore lint: the control characters are the point
const LENGTH = /^(0|[1-9]\d{0,15})$/;
/** `HTTP/1.1 200`. */
const STATUS_BYTES = 12;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)$/;
const KEEP_ALIVE = /(?:^|[,;\s])timeout=(\d{1,6})(?:$|[,;\s])/i;

/** What the answer's framing is, unless its status or the request's method leave no room for a body. */
export type ResponseFraming =
  | { readonly kind: "length"; readonly bytes: number }
  | { readonly kind: "chunked" }
  /** The body ends with the connection. */
  | { readonly kind: "endless" };

export interface ResponseHead {
  readonly status: number;
  /** As received; empty: none. */
  readonly reason: string;
  /** Names and values in turn, as received, duplicates kept. */
  readonly raw: readonly string[];
  /** `names[i]` is `raw[2 * i]` in lower case. */
  readonly names: readonly string[];
  readonly framing: ResponseFraming;
  readonly isEventStream: boolean;
  /** Lower-case names listed in `Connection`. */
  readonly connectionOptions: ReadonlySet<string>;
  /** The upstream keeps the connection for another request, unless the body ends with it. */
  readonly keepsAlive: boolean;
  /** Seconds the upstream says it keeps an idle connection (`Keep-Alive: timeout=5`); null: it does not say. */
  readonly keepAliveSeconds: number | null;
  /** What was made of it for clients, kept for the next answer whose head is equal. */
  readonly memo: { passed: PassedText | null };
}

/** The fields of a head that pass to a client, as text. */
export interface PassedText {
  /** As they pass: `response-headers.ts`. */
  readonly trailers: boolean;
  readonly limited: boolean;
  /** Status line and field lines. */
  readonly text: string;
  /** The upstream says what time it is. */
  readonly dated: boolean;
}

/** Bytes that are no response head: why, for the log. */
export interface ResponseFault {
  readonly fault: string;
}

interface KnownHead {
  readonly text: string;
  readonly head: ResponseHead;
}

const SYNTAX: ResponseFault = { fault: "not HTTP/1.1" };
const TOO_LARGE: ResponseFault = { fault: "headers too large" };

export class ResponseReader {
  readonly #fields = new FieldsReader(FIELD_COUNT_MAX);
  readonly #bytesMax: number;
  /** Bytes of the status line with its CRLF; 0: it is not whole yet. */
  #lineBytes = 0;
  #status = 0;
  #minor = 1;
  #reason = "";
  #known: KnownHead | null = null;
  #end = 0;

  /** `bytesMax`: largest head, status line and empty line included. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Offset behind the head that was read last. */
  get end(): number {
    return this.#end;
  }

  /** As `RequestReader.read`. */
  read(bytes: Buffer, start: number, end: number): ResponseHead | ResponseFault | null {
    const again = this.#lineBytes === 0 ? this.#readAgain(bytes, start, end) : null;
    if (again !== null) return again;
    if (this.#lineBytes === 0) {
      const length = this.#readLine(bytes, start, end);
      if (length < 0) return SYNTAX;
      if (length === 0) return end - start > this.#bytesMax ? TOO_LARGE : null;
      this.#lineBytes = length;
      this.#fields.reset();
    }
    const from = start + this.#lineBytes;
    const length = this.#fields.read(bytes, from, Math.min(end, from + this.#bytesMax));
    if (length < 0) return this.#fields.fault === "count" ? TOO_LARGE : SYNTAX;
    this.#end = from + length;
    if ((length === 0 ? end : this.#end) - start > this.#bytesMax) return TOO_LARGE;
    if (length === 0) return null;
    this.#lineBytes = 0;
    const head = this.#head(this.#fields.cut(bytes.toString("latin1", from, this.#end)));
    if (!("fault" in head)) this.#known = { text: bytes.toString("latin1", start, this.#end), head };
    return head;
  }

  #readAgain(bytes: Buffer, start: number, end: number): ResponseHead | null {
    const known = this.#known;
    if (known === null) return null;
    const to = start + known.text.length;
    if (to > end || bytes.toString("latin1", start, to) !== known.text) return null;
    this.#end = to;
    return known.head;
  }

  /** RFC 9112 §4: version SP status SP reason CRLF; the second space may be missing where there is no reason. */
  #readLine(bytes: Buffer, start: number, end: number): number {
    if (end - start < STATUS_BYTES + 2)
      return "HTTP/1.".startsWith(bytes.toString("latin1", start, Math.min(end, start + 7))) ? 0 : -1;
    const [, minor, status] = STATUS_LINE.exec(bytes.toString("latin1", start, start + STATUS_BYTES)) ?? [];
    if (status === undefined) return -1;
    const reasonStart = start + STATUS_BYTES;
    if (bytes[reasonStart] !== SP && bytes[reasonStart] !== CR) return -1;
    let at = reasonStart;
    while (at < end && FIELD[bytes[at] ?? 0] === 1) at++;
    if (at + 1 >= end) return at < end && bytes[at] !== CR ? -1 : 0;
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return -1;
    this.#minor = Number(minor);
    this.#status = Number(status);
    this.#reason = at === reasonStart ? "" : bytes.toString("latin1", reasonStart + 1, at);
    return at + 2 - start;
  }

  #head(raw: readonly string[]): ResponseHead | ResponseFault {
    const names: string[] = [];
    let length: string | null = null;
    let coding: string | null = null;
    let connection = "";
    let keepAlive = "";
    let streams = false;
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] ?? "").toLowerCase();
      const value = raw[i + 1] ?? "";
      names.push(name);
      if (name === "content-length") {
        if (length !== null) return { fault: "two lengths" };
        length = value;
      } else if (name === "transfer-encoding") coding = coding === null ? value : `${coding},${value}`;
      else if (name === "connection") connection += `,${value}`;
      else if (name === "keep-alive") keepAlive = value;
      else if (name === "content-type") streams ||= isEventStream(value);
    }
    const framing = framingOf(length, coding, this.#minor);
    if ("fault" in framing) return framing;
    const connectionOptions = optionsOf(connection);
    const keepsAlive = !connectionOptions.has("close") && (this.#minor === 1 || connectionOptions.has("keep-alive"));
    const seconds = KEEP_ALIVE.exec(keepAlive)?.[1];
    return {
      status: this.#status,
      reason: this.#reason,
      raw,
      names,
      framing,
      isEventStream: streams,
      connectionOptions,
      keepsAlive,
      keepAliveSeconds: seconds === undefined ? null : Number(seconds),
      memo: { passed: null },
    };
  }
}

const NO_OPTIONS: ReadonlySet<string> = new Set();

function optionsOf(connection: string): ReadonlySet<string> {
  if (connection === "") return NO_OPTIONS;
  return new Set(
    connection
      .toLowerCase()
      .split(",")
      .map((option) => option.trim()),
  );
}

/** Strictly: one framing, one length of digits, one coding that is exactly `chunked`. */
function framingOf(length: string | null, coding: string | null, minor: number): ResponseFraming | ResponseFault {
  if (length !== null && coding !== null) return { fault: "a length and a transfer coding" };
  if (coding !== null) {
    if (minor === 0 || coding.toLowerCase() !== "chunked")
      return { fault: "a transfer coding that is not exactly chunked" };
    return { kind: "chunked" };
  }
  if (length === null) return { kind: "endless" };
  if (!LENGTH.test(length) || Number(length) > Number.MAX_SAFE_INTEGER)
    return { fault: "a length that is no plain number" };
  return { kind: "length", bytes: Number(length) };
}

/**
 * Whether an answer that another parser took is one for this reader too, as far as its fields and its reason phrase tell: one framing,
 * not too many fields.
 */
export function isSoundAnswer(raw: readonly string[], reason = ""): boolean {
  if (raw.length > FIELD_COUNT_MAX * 2 || CONTROL.test(reason)) return false;
  let length: string | null = null;
  let coding: string | null = null;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]?.toLowerCase();
    const value = raw[i + 1] ?? "";
    if (name === "content-length") {
      if (length !== null) return false;
      length = value;
    } else if (name === "transfer-encoding") coding = coding === null ? value : `${coding},${value}`;
  }
  return !("fault" in framingOf(length, coding, 1));
}
