/** The value at a path of a body that is one JSON document. Worker thread. Cost: one pass, a fixed amount of memory. */
import type { JsonPath } from "#core/meter-source.ts";
import type { BodyReader, Reading } from "./body-reader.ts";
import { ByteOrderMark } from "./byte-order-mark.ts";
import { JsonPathScanner, type Wanted } from "./json-path-scanner.ts";

/**
 * `missing`: the path leads to nothing or to null, or the body is empty. `not_a_number`: to something else than a number or the
 * text of one. `over_cap`: the body has more than `capBytes` bytes. `unreadable`: malformed, cut short, or over 512 levels deep.
 */
export class JsonPathReader implements BodyReader {
  readonly #mark = new ByteOrderMark();
  readonly #scanner: JsonPathScanner;

  /** `wanted` as of `JsonPathScanner`. */
  constructor(path: JsonPath, capBytes: number, wanted: Wanted = "number") {
    this.#scanner = new JsonPathScanner(path, capBytes, wanted);
  }

  push(chunk: Uint8Array): void {
    this.#scan(this.#mark.strip(chunk));
  }

  end(): Reading {
    this.#scan(this.#mark.rest());
    return this.#scanner.end();
  }

  #scan(bytes: Uint8Array): void {
    this.#scanner.scan(bytes, 0, bytes.length);
  }
}
