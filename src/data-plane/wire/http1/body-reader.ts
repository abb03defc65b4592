/**
 * Cuts a message body (RFC 9112 §6, §7.1) out of the bytes of a connection, piece by piece, whatever the pieces they come in. Pure.
 * Pull style: `next` takes what it can and says where content lies; nothing is copied.
 */
import { FieldsReader } from "./fields-reader.ts";
import { BACKSLASH, CR, EQUALS, FIELD, HEX, LF, QUOTE, SEMICOLON, TOKEN } from "./octets.ts";

/** Chunk extensions are read past; so many bytes of them in one body. */
const EXTENSION_BYTES_MAX = 4096;
const TRAILER_COUNT_MAX = 64;
const TRAILER_BYTES_MAX = 16 * 1024;
/** Digits of a chunk size, zeros in front included. */
const SIZE_DIGITS_MAX = 16;
const NO_TRAILERS: readonly string[] = [];
/** Names that say how a message is framed: behind its body they can only mislead (RFC 9110 §6.5.1). */
const FRAMING: ReadonlySet<string> = new Set(["content-length", "transfer-encoding"]);

export interface BodyReader {
  /** All of it has been read. */
  readonly done: boolean;
  /** The bytes are no such body; nothing more is read. */
  readonly broken: boolean;
  /** After `next`: content lies from here to before there, in the bytes it was given. Equal: there was none. */
  readonly from: number;
  readonly to: number;
  /** Trailer names and values in turn, when it is done. */
  readonly trailers: readonly string[];
  /** Reads on from `at`, at most to the end of one piece of content; returns the offset of the first byte not taken. */
  next(bytes: Buffer, at: number, end: number): number;
}

/** So many bytes. */
export class LengthBody implements BodyReader {
  readonly broken = false;
  readonly trailers = NO_TRAILERS;
  from = 0;
  to = 0;
  #left: number;

  constructor(length: number) {
    this.#left = length;
  }

  get done(): boolean {
    return this.#left === 0;
  }

  next(_bytes: Buffer, at: number, end: number): number {
    this.from = at;
    this.to = Math.min(end, at + this.#left);
    this.#left -= this.to - at;
    return this.to;
  }
}

/** All until the connection ends; only its end says whether it is whole. */
export class EndlessBody implements BodyReader {
  readonly done = false;
  readonly broken = false;
  readonly trailers = NO_TRAILERS;
  from = 0;
  to = 0;

  next(_bytes: Buffer, at: number, end: number): number {
    this.from = at;
    this.to = end;
    return end;
  }
}

/**
 * What a chunked body is in the middle of. An extension (RFC 9112 §7.1.1) begins with its semicolon and has a name of one octet at
 * least; its value is a token or a quoted text.
 */
type ChunkedPart =
  | "size"
  | "extension-begin"
  | "extension-name"
  | "extension-value"
  | "extension-quoted"
  | "extension-escaped"
  | "extension-end"
  | "size-lf"
  | "content"
  | "content-cr"
  | "content-lf"
  | "trailers";

export class ChunkedBody implements BodyReader {
  done = false;
  broken = false;
  from = 0;
  to = 0;
  trailers: readonly string[] = NO_TRAILERS;
  #part: ChunkedPart = "size";
  #size = 0;
  #digits = 0;
  #left = 0;
  #extensionBytes = 0;
  readonly #fields = new FieldsReader(TRAILER_COUNT_MAX);
  /** Trailer bytes of earlier reads; null: none. */
  #held: Buffer | null = null;

  next(bytes: Buffer, start: number, end: number): number {
    let at = start;
    this.from = this.to = at;
    while (at < end && !this.done && !this.broken) {
      if (this.#part === "content") return this.#content(at, end);
      if (this.#part === "trailers") return this.#trailers(bytes, at, end);
      this.#framing(bytes[at] ?? 0);
      at++;
    }
    return at;
  }

  #content(at: number, end: number): number {
    this.from = at;
    this.to = Math.min(end, at + this.#left);
    this.#left -= this.to - at;
    if (this.#left === 0) this.#part = "content-cr";
    return this.to;
  }

  /** One octet of what stands around the content. */
  #framing(octet: number): void {
    switch (this.#part) {
      case "size":
        return this.#sizeOctet(octet);
      case "size-lf":
        return octet === LF ? this.#sizeRead() : this.#break();
      case "content-cr":
        return octet === CR ? this.#goTo("content-lf") : this.#break();
      case "content-lf":
        return octet === LF ? this.#goTo("size") : this.#break();
      default:
        return ++this.#extensionBytes > EXTENSION_BYTES_MAX ? this.#break() : this.#extensionOctet(octet);
    }
  }

  #goTo(part: ChunkedPart): void {
    this.#part = part;
  }

  #break(): void {
    this.broken = true;
  }

  #sizeOctet(octet: number): void {
    const digit = HEX[octet] ?? -1;
    if (digit !== -1) {
      this.#size = this.#size * 16 + digit;
      if (++this.#digits > SIZE_DIGITS_MAX || this.#size > Number.MAX_SAFE_INTEGER) this.#break();
    } else if (this.#digits === 0) this.#break();
    else if (octet === CR) this.#goTo("size-lf");
    else if (octet === SEMICOLON) this.#goTo("extension-begin");
    else this.#break();
  }

  /** Extensions are read past, but strictly: what could hide a line end or a second size is refused. */
  #extensionOctet(octet: number): void {
    const isToken = TOKEN[octet] === 1;
    switch (this.#part) {
      case "extension-begin":
        return isToken ? this.#goTo("extension-name") : this.#break();
      case "extension-name":
        if (isToken) return;
        return octet === EQUALS ? this.#goTo("extension-value") : this.#extensionOver(octet);
      case "extension-value":
        if (isToken) return;
        return octet === QUOTE ? this.#goTo("extension-quoted") : this.#extensionOver(octet);
      case "extension-quoted":
        if (octet === QUOTE) return this.#goTo("extension-end");
        if (octet === BACKSLASH) return this.#goTo("extension-escaped");
        return FIELD[octet] === 1 ? undefined : this.#break();
      case "extension-escaped":
        return FIELD[octet] === 1 ? this.#goTo("extension-quoted") : this.#break();
      default:
        return this.#extensionOver(octet);
    }
  }

  #extensionOver(octet: number): void {
    if (octet === CR) this.#goTo("size-lf");
    else if (octet === SEMICOLON) this.#goTo("extension-begin");
    else this.#break();
  }

  #sizeRead(): void {
    this.#left = this.#size;
    this.#size = 0;
    this.#digits = 0;
    this.#part = this.#left === 0 ? "trailers" : "content";
  }

  #trailers(bytes: Buffer, at: number, end: number): number {
    const held = this.#held;
    const all = held === null ? bytes.subarray(at, end) : Buffer.concat([held, bytes.subarray(at, end)]);
    const length = this.#fields.read(all, 0, Math.min(all.length, TRAILER_BYTES_MAX));
    if (length < 0 || (length === 0 && all.length >= TRAILER_BYTES_MAX)) {
      this.broken = true;
      return at;
    }
    if (length === 0) {
      this.#held = held === null ? Buffer.from(all) : all;
      return end;
    }
    this.trailers = length === 2 ? NO_TRAILERS : this.#fields.cut(all.toString("latin1", 0, length));
    this.broken = this.trailers.some((text, index) => index % 2 === 0 && FRAMING.has(text.toLowerCase()));
    this.done = !this.broken;
    return at + length - (held?.length ?? 0);
  }
}
