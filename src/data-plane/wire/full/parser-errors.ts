/** Answers to bytes that node's parser refuses: no request exists, so the connection gets one answer and is closed. Worker thread. */
import { wallMs } from "#core/clock.ts";
import { STATUS_CODES } from "node:http";
import type { Refusal } from "#core/errors.ts";
import { CUT_HEAD, SLOW_HEAD } from "#data-plane/wire/client-refusals.ts";
import { dateLine } from "#data-plane/wire/date-line.ts";
import { SYNTAX, TOO_LARGE } from "#data-plane/wire/http1/request-reader.ts";
import type { LocalResponse } from "#data-plane/wire/refusal-response.ts";

/** null: the peer is gone, there is nobody to answer. */
export function parserRefusal(error: Error): Refusal | null {
  const code = "code" in error ? String(error.code) : "";
  if (code === "ECONNRESET" || code === "EPIPE") return null;
  if (code === "HPE_HEADER_OVERFLOW") return TOO_LARGE;
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") return SLOW_HEAD;
  return code === "HPE_INVALID_EOF_STATE" ? CUT_HEAD : SYNTAX;
}

/** A local answer as bytes, for sockets that have no response object (which would say the date). */
export function responseBytes(local: LocalResponse): Buffer {
  let head = `HTTP/1.1 ${local.status} ${STATUS_CODES[local.status] ?? ""}\r\n`;
  for (let i = 0; i < local.headers.length; i += 2) head += `${local.headers[i]}: ${local.headers[i + 1]}\r\n`;
  return Buffer.concat([Buffer.from(`${head}${dateLine(wallMs())}\r\n`, "latin1"), local.body]);
}
