/**
 * The value at a path of the JSON in server-sent events, from the last event that has it: the token usage of a streamed
 * completion, say. Worker thread. Events are read as in the HTML Standard, "Interpreting an event stream".
 */
import type { JsonPath } from "#core/meter-source.ts";
import type { BodyReader, Reading } from "./body-reader.ts";
import { ByteOrderMark } from "./byte-order-mark.ts";
import { JsonPathScanner } from "./json-path-scanner.ts";
import { LastReading } from "./last-reading.ts";

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const DATA = Buffer.from("data", "latin1");
const LINE_BREAK = Uint8Array.of(LINE_FEED);

/** Where in a line: its field's name; just behind the colon of `data`; in the value of `data`; in a line that does not matter. */
type Place = "name" | "colon" | "value" | "other";

/**
 * Events of every type count; those whose data is no JSON, such as `[DONE]`, are passed over. An event of more than
 * `eventBytesMax` bytes of data is `over_cap` unless a later one has the value. The stream may be endless.
 *
 * One thing differs from the standard, on purpose: an event that the stream's end cuts short counts if its JSON is complete,
 * since the client has it too, and some servers leave out the last blank line.
 */
export class SseLastReader implements BodyReader {
  readonly #mark = new ByteOrderMark();
  readonly #scanner: JsonPathScanner;
  readonly #last = new LastReading();
  #place: Place = "name";
  /** Bytes of `data` that the line's name has matched so far. */
  #matched = 0;
  /** Whether the last byte was a \r: a \n behind it belongs to it. */
  #afterReturn = false;
  /** Whether the event has a line of data already. */
  #hasData = false;

  constructor(path: JsonPath, eventBytesMax: number) {
    this.#scanner = new JsonPathScanner(path, eventBytesMax);
  }

  push(chunk: Uint8Array): void {
    this.#read(this.#mark.strip(chunk));
  }

  end(): Reading {
    this.#read(this.#mark.rest());
    this.#dispatch();
    return this.#last.reading;
  }

  #read(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const byte = bytes[at] ?? 0;
      if (byte === LINE_FEED || byte === CARRIAGE_RETURN) {
        if (!this.#afterReturn || byte !== LINE_FEED) this.#endLine();
        this.#afterReturn = byte === CARRIAGE_RETURN;
        at++;
      } else {
        this.#afterReturn = false;
        at = this.#readLine(bytes, at);
      }
    }
  }

  /** Reads on in a line, at least one byte of it; returns the index behind. */
  #readLine(bytes: Uint8Array, at: number): number {
    if (this.#place === "name") return this.#readName(bytes[at] ?? 0, at);
    if (this.#place === "colon") {
      this.#place = "value";
      if (bytes[at] === SPACE) return at + 1;
    }
    const lineEnd = endOfLine(bytes, at);
    if (this.#place === "value") this.#scanner.scan(bytes, at, lineEnd);
    return lineEnd;
  }

  #readName(byte: number, at: number): number {
    if (this.#matched < DATA.length && byte === DATA[this.#matched]) this.#matched++;
    else if (this.#matched === DATA.length && byte === COLON) this.#startData();
    else this.#place = "other";
    return at + 1;
  }

  #startData(): void {
    this.#place = "colon";
    if (this.#hasData) this.#scanner.scan(LINE_BREAK, 0, 1);
    this.#hasData = true;
  }

  #endLine(): void {
    if (this.#place === "name" && this.#matched === 0) this.#dispatch();
    else if (this.#place === "name" && this.#matched === DATA.length) this.#startData(); // a line `data` has an empty value
    this.#place = "name";
    this.#matched = 0;
  }

  #dispatch(): void {
    if (!this.#hasData) return;
    if (!this.#scanner.isBlank) this.#last.add(this.#scanner.end());
    this.#scanner.restart();
    this.#hasData = false;
  }
}

function endOfLine(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== LINE_FEED && bytes[at] !== CARRIAGE_RETURN) at++;
  return at;
}
