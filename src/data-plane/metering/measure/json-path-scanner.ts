/**
 * Finds the value at a path while a JSON document streams past: every byte is checked against RFC 8259, none is kept but those of
 * a name or value on the path. Worker thread. Not here: byte order marks, or where a document starts and ends (the readers).
 */
import type { JsonPath } from "#core/meter-source.ts";
import { isNumeral, NUMERAL_CHARS_MAX, type QuantityFault } from "#core/quantity.ts";
import { RESOURCE_ID_CHARS_MAX } from "#core/resource-ids.ts";
import type { Reading } from "./body-reader.ts";
import { A, CLASS_OF, PLAIN_IN_STRING, S, TRANSITIONS } from "./json-machine.ts";
import { TextCapture, unescaped } from "./text-capture.ts";

/** Open objects and arrays; one more is `unreadable`. */
const DEPTH_MAX = 512;
/** A UTF-16 unit of a name is at most 6 bytes, as `\u0061`. */
const BYTES_PER_UNIT_MAX = 6;

const MISSING: Reading = { fault: "missing" };
const NOT_A_NUMBER: Reading = { fault: "not_a_number" };
const TOO_LARGE: Reading = { fault: "too_large" };
/** `1e3` is one number in many spellings. */
const WHOLE = /^-?\d+$/;
const NO_BYTES = new Uint8Array(0);

/** A number or the text of one; or an id, which is a whole number as it is written, or any text. */
export type Wanted = "number" | "id";

/** One document after the other, with `restart` between them. */
export class JsonPathScanner {
  readonly #path: JsonPath;
  readonly #capBytes: number;
  readonly #wanted: Wanted;
  readonly #textBytesMax: number;
  readonly #capture = new TextCapture();
  /** By depth, from 1: whether the open container is an object. */
  readonly #isObject = new Uint8Array(DEPTH_MAX + 1);
  /** By depth, from 1: index of the element at hand, in arrays on the path. */
  readonly #indexes: number[] = [];
  #state: number = S.VALUE;
  #fault: QuantityFault = "unreadable";
  #depth = 0;
  /** How many of the open containers, from the outermost, lie on the path. */
  #live = 0;
  /** Whether the next value lies on the path. */
  #hit = true;
  #inName = false;
  #found: Reading | null = null;
  #scannedBytes = 0;

  /** A document of more than `capBytes` bytes is `over_cap`. */
  constructor(path: JsonPath, capBytes: number, wanted: Wanted = "number") {
    this.#path = path;
    this.#capBytes = capBytes;
    this.#wanted = wanted;
    this.#textBytesMax = wanted === "id" ? RESOURCE_ID_CHARS_MAX * BYTES_PER_UNIT_MAX : NUMERAL_CHARS_MAX;
  }

  restart(): void {
    this.#state = S.VALUE;
    this.#fault = "unreadable";
    this.#depth = 0;
    this.#live = 0;
    this.#hit = true;
    this.#inName = false;
    this.#found = null;
    this.#scannedBytes = 0;
    this.#capture.stop();
  }

  /** The next bytes of the document: `bytes` from `from` up to, not including, `to`. */
  scan(bytes: Uint8Array, from: number, to: number): void {
    if (this.#state === S.FAILED) return;
    const end = Math.min(to, from + this.#capBytes - this.#scannedBytes);
    this.#scannedBytes += end - from;
    this.#capture.resume(from);
    this.#state = this.#run(bytes, from, end);
    this.#capture.pause(bytes, end);
    // Judged after the bytes within the cap, so that the verdict does not hang on where chunks end.
    if (end < to && this.#state !== S.FAILED) {
      this.#state = S.FAILED;
      this.#fault = "over_cap";
    }
  }

  /** Whether the document has held nothing but blanks so far. */
  get isBlank(): boolean {
    return this.#state === S.VALUE && this.#depth === 0;
  }

  /**
   * The value's numeral, when the document is complete and well formed. Of members with the same name the last one counts, as in
   * `JSON.parse`; null counts as nothing found, and so does a document of blanks. A text that is a decimal number is one.
   */
  end(): Reading {
    if (this.isBlank) return MISSING;
    // Only the end says that a number which is the whole document is complete.
    const next = TRANSITIONS[(this.#state << 5) | (CLASS_OF[0x20] ?? 0)];
    if (this.#depth === 0 && next === A.NUMBER_END) this.#state = this.#act(next, NO_BYTES, 0);
    if (this.#state === S.DONE) return this.#found ?? MISSING;
    return { fault: this.#fault };
  }

  /** The hot loop: most bytes only move from state to state. Returns the state behind the last byte. */
  #run(bytes: Uint8Array, from: number, to: number): number {
    let state = this.#state;
    let at = from;
    while (at < to && state !== S.FAILED) {
      if (state === S.STRING) {
        while (at < to && PLAIN_IN_STRING[bytes[at] ?? 0] === 1) at++;
        if (at === to) break;
      }
      const row = state << 5;
      const next = TRANSITIONS[row | (CLASS_OF[bytes[at] ?? 0] ?? 0)] ?? S.FAILED;
      if (next >= A.OBJECT_START) {
        state = this.#act(next, bytes, at);
        if (next !== A.NUMBER_END) at++;
      } else {
        at++;
        // Digits and blanks come in runs.
        if (next === state) while (at < to && TRANSITIONS[row | (CLASS_OF[bytes[at] ?? 0] ?? 0)] === next) at++;
        state = next;
      }
    }
    return state;
  }

  /** Does what the byte at `at` calls for; returns the next state. */
  #act(action: number, bytes: Uint8Array, at: number): number {
    switch (action) {
      case A.OBJECT_START:
        return this.#open(1);
      case A.ARRAY_START:
        return this.#open(0);
      case A.OBJECT_END:
        return this.#close(1);
      case A.ARRAY_END:
        return this.#close(0);
      case A.COMMA:
        return this.#nextMember();
      case A.NAME_START:
        return this.#startName(at);
      case A.STRING_START:
        return this.#startString(at);
      case A.STRING_END:
        return this.#inName ? this.#endName(bytes, at) : this.#endString(bytes, at);
      case A.NUMBER_END:
        return this.#endNumber(bytes, at);
      case A.LITERAL_END:
        return this.#afterValue();
      default:
        return this.#startScalar(action - A.SCALAR_START, at);
    }
  }

  /** A value starts. Whether it is the one looked for. */
  #startValue(): boolean {
    if (!this.#hit) return false;
    this.#found = null; // whatever an earlier member of the same name held
    return this.#depth === this.#path.length;
  }

  #open(isObject: 0 | 1): number {
    if (this.#startValue()) this.#found = NOT_A_NUMBER;
    if (this.#depth === DEPTH_MAX) return S.FAILED;
    const depth = ++this.#depth;
    this.#isObject[depth] = isObject;
    if (this.#hit) this.#live = depth; // past the path's end too, where no step is left to match
    if (isObject === 1) return S.NAME_OR_END;
    this.#hit = this.#live === depth && this.#path[depth - 1] === 0;
    if (this.#live === depth) this.#indexes[depth] = 0;
    return S.ELEMENT_OR_END;
  }

  #close(isObject: 0 | 1): number {
    if (this.#isObject[this.#depth] !== isObject) return S.FAILED;
    this.#depth--;
    if (this.#live > this.#depth) this.#live = this.#depth;
    return this.#afterValue();
  }

  #afterValue(): number {
    return this.#depth === 0 ? S.DONE : S.AFTER;
  }

  #nextMember(): number {
    const depth = this.#depth;
    if (this.#isObject[depth] === 1) return S.NAME;
    this.#hit = false;
    if (this.#live === depth) {
      const index = (this.#indexes[depth] ?? 0) + 1;
      this.#indexes[depth] = index;
      this.#hit = this.#path[depth - 1] === index;
    }
    return S.VALUE;
  }

  #startName(at: number): number {
    this.#inName = true;
    if (this.#live !== this.#depth) return S.STRING;
    const wanted = this.#path[this.#depth - 1];
    if (typeof wanted === "string") this.#capture.start(at + 1, wanted.length * BYTES_PER_UNIT_MAX);
    return S.STRING;
  }

  #endName(bytes: Uint8Array, at: number): number {
    this.#inName = false;
    const wanted = this.#live === this.#depth ? this.#path[this.#depth - 1] : undefined;
    this.#hit = typeof wanted === "string" && this.#capture.finishIs(bytes, at, wanted);
    return S.COLON;
  }

  #startString(at: number): number {
    if (this.#startValue()) this.#capture.start(at + 1, this.#textBytesMax);
    return S.STRING;
  }

  #endString(bytes: Uint8Array, at: number): number {
    if (this.#isTarget()) {
      const literal = this.#capture.finish(bytes, at);
      const text = literal === null ? "" : unescaped(literal);
      this.#found = this.#wanted === "id" || isNumeral(text) ? { text } : NOT_A_NUMBER;
    }
    return this.#afterValue();
  }

  /** `state` is where a number or a literal goes on behind its first byte. */
  #startScalar(state: number, at: number): number {
    if (!this.#startValue()) return state;
    if (state === S.T || state === S.F) this.#found = NOT_A_NUMBER;
    else if (state !== S.N) this.#capture.start(at, NUMERAL_CHARS_MAX);
    return state;
  }

  #endNumber(bytes: Uint8Array, at: number): number {
    if (this.#isTarget()) {
      const text = this.#capture.finish(bytes, at);
      this.#found = text === null ? TOO_LARGE : this.#wanted === "number" || WHOLE.test(text) ? { text } : NOT_A_NUMBER;
    }
    return this.#afterValue();
  }

  /** Whether the scalar at hand is the value looked for. */
  #isTarget(): boolean {
    return this.#hit && this.#depth === this.#path.length;
  }
}
