/**
 * Writes heads and chunks of HTTP/1.1 as latin1 text. Pure. Values come from readers that let no line end through, and from the
 * gateway itself; `fieldLines` looks at each all the same, as the last place where a line end could become another message.
 */
import { STATUS_CODES } from "#data-plane/wire/node-http.ts";

// What may stand in a field line: tokens, and no control character but HTAB.
const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Lines of fields, names and values in turn, each with its end. Throws for what would be no field. */
export function fieldLines(fields: readonly string[]): string {
  let lines = "";
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] ?? "";
    const value = fields[i + 1] ?? "";
    if (!NAME.test(name) || !VALUE.test(value)) throw new Error(`No header field: ${JSON.stringify([name, value])}`);
    lines += `${name}: ${value}\r\n`;
  }
  return lines;
}

/** Status line with its end. */
export function statusLine(status: number, reason = STATUS_CODES[status] ?? ""): string {
  return `HTTP/1.1 ${status} ${reason}\r\n`;
}

/** What stands before the content of a chunk; `\r\n` stands behind it. */
export function chunkHead(bytes: number): string {
  return `${bytes.toString(16)}\r\n`;
}

/** The end of a chunked body. */
export function lastChunk(trailers: readonly string[]): string {
  return trailers.length === 0 ? "0\r\n\r\n" : `0\r\n${fieldLines(trailers)}\r\n`;
}

/**
 * The same text in one piece. Text that was put together is a tree of its pieces to V8, and is walked again each time it becomes bytes:
 * too dear for what is sent many times.
 */
export function flat(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
