/** Answers to bytes that node's parser refuses: no request exists, so the connection gets one answer and is closed. Worker thread. */
import { STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import type { Refusal } from "#core/errors.ts";
import type { RefusalLog } from "#data-plane/refusal-log.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { TARGET_LENGTH_MAX } from "#data-plane/route/path.ts";
import { SLOW_HEAD } from "#data-plane/wire/client-refusals.ts";
import { LINE_TOO_LONG, SYNTAX, TOO_LARGE } from "#data-plane/wire/http1/request-reader.ts";
import type { LocalResponse } from "#data-plane/wire/local-response.ts";
import { refusalResponse } from "#data-plane/wire/refusal-response.ts";

/** The bytes of the answer, null when there is nobody to answer. */
export function parserErrorAnswer(error: Error, socket: Duplex, runtime: Runtime, log: RefusalLog): Buffer | null {
  const refusal = refusalOf(error);
  if (refusal === null) return null;
  const requestId = runtime.traces.requestId();
  log.refused(refusal, requestId, "", "", "remoteAddress" in socket ? String(socket.remoteAddress) : "");
  return responseBytes(refusalResponse(refusal, requestId, runtime.settings.errors.format));
}

/** Whether bytes came that are no HTTP, rather than none any more. */
export function isGarbage(error: Error): boolean {
  const code = codeOf(error);
  return code.startsWith("HPE_") && code !== "HPE_INVALID_EOF_STATE";
}

function codeOf(error: Error): string {
  return "code" in error ? String(error.code) : "";
}

/** null: the peer is gone, there is nobody to answer. */
function refusalOf(error: Error): Refusal | null {
  const code = codeOf(error);
  if (code === "ECONNRESET" || code === "EPIPE") return null;
  if (code === "HPE_HEADER_OVERFLOW") return isInRequestLine(error) ? LINE_TOO_LONG : TOO_LARGE;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return SLOW_HEAD;
  return SYNTAX;
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

/** A local answer as bytes, for sockets that have no response object and are closed behind it. */
export function responseBytes(local: LocalResponse): Buffer {
  let head = `HTTP/1.1 ${local.status} ${STATUS_CODES[local.status] ?? ""}\r\n`;
  for (let i = 0; i < local.headers.length; i += 2) head += `${local.headers[i]}: ${local.headers[i + 1]}\r\n`;
  return Buffer.concat([Buffer.from(`${head}Connection: close\r\n\r\n`, "latin1"), local.body]);
}
