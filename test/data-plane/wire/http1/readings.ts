/**
 * What our readers make of the bytes of a connection, as lines that can be compared: requests one after another, or responses to
 * given methods. Follows a lane's way with the readers: what is not whole is kept and read again with more. Judges nothing.
 */
import { isRefusal } from "#data-plane/exchange.ts";
import { type BodyReader, ChunkedBody, EndlessBody, LengthBody } from "#data-plane/wire/http1/body-reader.ts";
import { RequestReader } from "#data-plane/wire/http1/request-reader.ts";
import { type ResponseHead, ResponseReader } from "#data-plane/wire/http1/response-reader.ts";
import { shown } from "./cases.ts";

export const HEAD_BYTES_MAX = 16 * 1024;

/** Reads the pieces of one connection, in their order. */
abstract class Reading {
  readonly events: string[] = [];
  #held = Buffer.alloc(0);
  #body: BodyReader | null = null;
  #content = "";
  #over = false;

  take(piece: Buffer): void {
    if (this.#over) return;
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    let at = 0;
    while (at < bytes.length && !this.#over) {
      const next = this.#body === null ? this.#head(bytes, at) : this.#readBody(this.#body, bytes, at);
      if (next === null) break;
      at = next;
    }
    // What was read is gone: nothing may look back at it.
    this.#held = Buffer.from(bytes.subarray(at));
    piece.fill(0x7e);
  }

  #head(bytes: Buffer, at: number): number | null {
    const read = this.readHead(bytes, at, bytes.length);
    if (read === null) return null;
    if (typeof read === "number") {
      this.#over = true;
      return bytes.length;
    }
    this.#body = read.body;
    if (this.#body === null) this.events.push("whole");
    return read.end;
  }

  #readBody(body: BodyReader, bytes: Buffer, at: number): number {
    const next = body.next(bytes, at, bytes.length);
    this.#content += bytes.toString("latin1", body.from, body.to);
    if (body.broken) {
      this.#tellContent();
      this.events.push("broken body");
      this.#over = true;
    } else if (body.done) {
      this.#tellContent();
      for (const line of fieldLines("trailer", body.trailers)) this.events.push(line);
      this.events.push("whole");
      this.#body = null;
    }
    return next;
  }

  #tellContent(): void {
    if (this.#content !== "") this.events.push(`content ${shown(this.#content)}`);
    this.#content = "";
  }

  /** The connection ends. */
  end(): void {
    if (this.#over) return;
    this.#tellContent();
    if (this.#body instanceof EndlessBody) this.events.push("whole");
    else if (this.#body !== null) this.events.push("cut off in the body");
    else if (this.#held.length > 0) this.events.push("cut off in the head");
  }

  /** null: not whole yet; a number: refused. */
  abstract readHead(bytes: Buffer, at: number, end: number): { body: BodyReader | null; end: number } | number | null;
}

export class RequestReading extends Reading {
  readonly #reader = new RequestReader(HEAD_BYTES_MAX);

  override readHead(bytes: Buffer, at: number, end: number) {
    const start = this.#reader.read(bytes, at, end);
    if (start === null) return null;
    const refusal = "code" in start ? start : isRefusal(start.head) ? start.head : null;
    if (refusal !== null) {
      this.events.push(`refused ${refusal.code} ${refusal.rule}`);
      return -1;
    }
    if ("code" in start || isRefusal(start.head)) throw new Error("A refusal was looked at above");
    const { method, target, httpVersion, head } = start;
    this.events.push(`request ${method} ${shown(target)} ${httpVersion}`, ...fieldLines("field", head.raw));
    const { contentLength, chunked } = head;
    const body = chunked
      ? new ChunkedBody()
      : contentLength === null || contentLength === 0
        ? null
        : new LengthBody(contentLength);
    return { body, end: this.#reader.end };
  }
}

export class ResponseReading extends Reading {
  readonly #reader = new ResponseReader(HEAD_BYTES_MAX);
  readonly #methods: string[];

  /** `methods` of the requests that are answered, in order; then GET. */
  constructor(methods: readonly string[]) {
    super();
    this.#methods = [...methods];
  }

  override readHead(bytes: Buffer, at: number, end: number) {
    const head = this.#reader.read(bytes, at, end);
    if (head === null) return null;
    if ("fault" in head) {
      this.events.push(`no response: ${head.fault}`);
      return -1;
    }
    const { status, reason, raw, keepsAlive } = head;
    const ends = keepsAlive ? "" : " close";
    this.events.push(`response ${status} ${shown(reason)}`.trimEnd() + ends, ...fieldLines("field", raw));
    return { body: this.#bodyOf(head), end: this.#reader.end };
  }

  #bodyOf({ status, framing }: ResponseHead): BodyReader | null {
    if (status < 200) return null;
    const method = this.#methods.shift() ?? "GET";
    if (method === "HEAD" || status === 204 || status === 304) return null;
    if (framing.kind === "chunked") return new ChunkedBody();
    if (framing.kind === "endless") return new EndlessBody();
    return framing.bytes === 0 ? null : new LengthBody(framing.bytes);
  }
}

export function fieldLines(kind: string, raw: readonly string[]): readonly string[] {
  return raw.flatMap((name, index) =>
    index % 2 === 0 ? [`${kind} ${shown(name)}: ${shown(raw[index + 1] ?? "")}`] : [],
  );
}

/** Places at which long bytes are cut. */
const CUTS_MAX = 600;

/** Ways to cut bytes in pieces: whole, octet by octet, in two at every place (of long ones, evenly spread). */
export function* cuts(bytes: Buffer): Generator<readonly Buffer[]> {
  yield [Buffer.from(bytes)];
  yield Array.from(bytes, (octet) => Buffer.from([octet]));
  const step = Math.ceil(bytes.length / CUTS_MAX);
  for (let at = 1; at < bytes.length; at += step)
    yield [Buffer.from(bytes.subarray(0, at)), Buffer.from(bytes.subarray(at))];
}
