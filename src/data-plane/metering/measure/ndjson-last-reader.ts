/** The value at a path of a body of JSON documents, one a line (NDJSON), from the last line that has it. Worker thread. */
import type { JsonPath } from "#core/meter-source.ts";
import type { BodyReader, Reading } from "./body-reader.ts";
import { ByteOrderMark } from "./byte-order-mark.ts";
import { JsonPathScanner } from "./json-path-scanner.ts";
import { LastReading } from "./last-reading.ts";

const LINE_FEED = 0x0a;

/**
 * Lines end with \n or \r\n; blank ones say nothing, those that are no JSON are passed over, and the last needs no end. A line of
 * more than `lineBytesMax` bytes is `over_cap` unless a later one has the value. The body may be endless.
 */
export class NdjsonLastReader implements BodyReader {
  readonly #mark = new ByteOrderMark();
  readonly #scanner: JsonPathScanner;
  readonly #last = new LastReading();

  constructor(path: JsonPath, lineBytesMax: number) {
    this.#scanner = new JsonPathScanner(path, lineBytesMax);
  }

  push(chunk: Uint8Array): void {
    this.#scan(this.#mark.strip(chunk));
  }

  end(): Reading {
    this.#scan(this.#mark.rest());
    this.#endLine();
    return this.#last.reading;
  }

  #scan(bytes: Uint8Array): void {
    let at = 0;
    for (;;) {
      const lineEnd = bytes.indexOf(LINE_FEED, at);
      if (lineEnd === -1) break;
      this.#scanner.scan(bytes, at, lineEnd);
      this.#endLine();
      at = lineEnd + 1;
    }
    this.#scanner.scan(bytes, at, bytes.length);
  }

  #endLine(): void {
    if (!this.#scanner.isBlank) this.#last.add(this.#scanner.end());
    this.#scanner.restart();
  }
}
