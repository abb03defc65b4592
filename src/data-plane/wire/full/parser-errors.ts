/** Answers to bytes that node's parser refuses: no request exists, so the connection gets one answer and is closed. Worker thread. */
import { STATUS_CODES } from "#data-plane/wire/node-http.ts";
import { wallMs } from "#core/clock.ts";
import type { Refusal } from "#core/errors.ts";
import { TARGET_LENGTH_MAX } from "#data-plane/route/path.ts";
import { CUT_HEAD, SLOW_HEAD } from "#data-plane/wire/client-refusals.ts";
import { dateLine } from "#data-plane/wire/date-line.ts";
import { LINE_TOO_LONG, SYNTAX, TOO_LARGE } from "#data-plane/wire/http1/request-reader.ts";
import type { LocalResponse } from "#data-plane/wire/local-response.ts";

/** null: the peer is gone, there is nobody to answer. */
export function parserRefusal(error: Error): Refusal | null {
  const code = "code" in error ? String(error.code) : "";
  if (code === "ECONNRESET" || code === "EPIPE") return null;
  if (code === "HPE_HEADER_OVERFLOW") return isInRequestLine(error) ? LINE_TOO_LONG : TOO_LARGE;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return SLOW_HEAD;
  return code === "HPE_INVALID_EOF_STATE" ? CUT_HEAD : SYNTAX;
}

/**
 * Whether the head became too large within its first line. node does not say, so the bytes it read last are looked at: they begin with a
 * request line that has no end, or none in sight. A line that comes in pieces smaller than a head may be goes undiscovered.
 */
function isInRequestLine(error: Error): boolean {
  const { rawPacket } = error as { rawPacket?: unknown };
  if (!(rawPacket instanceof Uint8Array)) return false;
  const text = Buffer.from(rawPacket.buffer, rawPacket.byteOffset, rawPacket.byteLength).toString("latin1");
  const end = text.indexOf("\n");
  return /^(?:\r\n)?[A-Z-]+ /.test(text) && (end === -1 || end > TARGET_LENGTH_MAX);
}

/** A local answer as bytes, for sockets that have no response object (which would say the date) and are closed behind it. */
export function responseBytes(local: LocalResponse): Buffer {
  let head = `HTTP/1.1 ${local.status} ${STATUS_CODES[local.status] ?? ""}\r\n`;
  for (let i = 0; i < local.headers.length; i += 2) head += `${local.headers[i]}: ${local.headers[i + 1]}\r\n`;
  return Buffer.concat([Buffer.from(`${head}${dateLine(wallMs())}Connection: close\r\n\r\n`, "latin1"), local.body]);
}
