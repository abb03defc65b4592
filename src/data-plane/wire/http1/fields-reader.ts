/**
 * Cuts a field section (RFC 9112 §5) into names and values, line by line, as its bytes come in. Pure; for requests, responses and
 * trailers. Strict: every line ends with CRLF, a name is a token right before its colon, a value has no control character but HTAB,
 * no line goes on in the next one, and no HTAB behind a transfer coding: there node's parser, and so many an upstream, reads another
 * coding than `chunked`.
 * The bytes stay where they are: whoever calls keeps all of a section until it is whole, and offsets count from its first byte.
 */
import { COLON, CR, FIELD, HTAB, LF, SP, TOKEN } from "./octets.ts";

/** What is wrong with a section. */
export type FieldsFault = "syntax" | "count";

const CODING = "transfer-encoding";

export class FieldsReader {
  readonly #countMax: number;
  /** Four offsets a field: begin and end of its name, begin and end of its value. */
  #marks = new Int32Array(64);
  #count = 0;
  /** Where the line that is being read begins. */
  #line = 0;
  /** Up to where it has been looked at: a line that comes in many pieces is read once all the same. */
  #seen = 0;
  #part: "name" | "space" | "value" = "name";
  #nameEnd = 0;
  #valueStart = 0;
  #fault: FieldsFault | null = null;

  /** `countMax`: fields a section may have. */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get fault(): FieldsFault | null {
    return this.#fault;
  }

  /** Forgets the section; the next one may begin. */
  reset(): void {
    this.#count = 0;
    this.#fault = null;
    this.#beginLine(0);
  }

  #beginLine(at: number): void {
    this.#line = at;
    this.#seen = at;
    this.#part = "name";
  }

  /**
   * Reads on. `bytes` from `start` to `end` is all of the section that has come so far. Returns the length of the section with its
   * empty line, 0 when it is not whole yet, -1 when it is no section (`fault` says why).
   */
  read(bytes: Uint8Array, start: number, end: number): number {
    for (;;) {
      const from = start + this.#line;
      if (from >= end) return 0;
      if (bytes[from] === CR) {
        if (from + 1 >= end) return 0;
        return bytes[from + 1] === LF ? this.#line + 2 : this.#failed("syntax");
      }
      const next = this.#readLine(bytes, start, end);
      if (next <= 0) return next;
      this.#beginLine(next - start);
    }
  }

  /** Offset in `bytes` behind the line; 0: not whole yet, -1: broken. */
  #readLine(bytes: Uint8Array, start: number, end: number): number {
    let at = start + this.#seen;
    if (this.#part === "name") {
      while (at < end && TOKEN[bytes[at] ?? 0] === 1) at++;
      if (at === end) return this.#waitAt(at - start);
      if (bytes[at] !== COLON || at === start + this.#line) return this.#failed("syntax");
      this.#nameEnd = at++ - start;
      this.#part = "space";
    }
    if (this.#part === "space") {
      while (at < end && (bytes[at] === SP || bytes[at] === HTAB)) at++;
      if (at === end) return this.#waitAt(at - start);
      this.#valueStart = at - start;
      this.#part = "value";
    }
    while (at < end && FIELD[bytes[at] ?? 0] === 1) at++;
    if (at === end || (bytes[at] === CR && at + 1 === end)) return this.#waitAt(at - start);
    if (bytes[at] !== CR || bytes[at + 1] !== LF) return this.#failed("syntax");
    const fault = this.#mark(bytes, start, at);
    return fault === null ? at + 2 : this.#failed(fault);
  }

  #waitAt(seen: number): 0 {
    this.#seen = seen;
    return 0;
  }

  #failed(fault: FieldsFault): -1 {
    this.#fault = fault;
    return -1;
  }

  /** Notes the field whose line ends at `lineEnd`. */
  #mark(bytes: Uint8Array, start: number, lineEnd: number): FieldsFault | null {
    if (this.#count === this.#countMax) return "count";
    let valueEnd = lineEnd;
    let tabs = 0;
    const valueStart = start + this.#valueStart;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === SP || bytes[valueEnd - 1] === HTAB)) {
      if (bytes[--valueEnd] === HTAB) tabs++;
    }
    if (tabs > 0 && this.#isCoding(bytes, start)) return "syntax";
    const at = this.#count++ * 4;
    if (at === this.#marks.length) this.#grow();
    this.#marks[at] = this.#line;
    this.#marks[at + 1] = this.#nameEnd;
    this.#marks[at + 2] = this.#valueStart;
    this.#marks[at + 3] = valueEnd - start;
    return null;
  }

  #isCoding(bytes: Uint8Array, start: number): boolean {
    if (this.#nameEnd - this.#line !== CODING.length) return false;
    const name = Buffer.from(bytes.buffer, bytes.byteOffset + start + this.#line, CODING.length);
    return name.toString("latin1").toLowerCase() === CODING;
  }

  #grow(): void {
    const larger = new Int32Array(this.#marks.length * 2);
    larger.set(this.#marks);
    this.#marks = larger;
  }

  /** Names and values in turn, cut out of the text of the whole section (latin1). */
  cut(text: string): string[] {
    const raw: string[] = [];
    const marks = this.#marks;
    for (let at = 0; at < this.#count * 4; at += 4) {
      raw.push(text.slice(marks[at], marks[at + 1]), text.slice(marks[at + 2], marks[at + 3]));
    }
    return raw;
  }
}
