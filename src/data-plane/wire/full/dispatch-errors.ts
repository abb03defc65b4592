/** What undici says of calls that failed, in the gateway's words. Worker thread, pure. */
import { errors } from "undici";
import type { Refusal } from "#core/errors.ts";
import { invalidAnswer, timedOut, unreachable } from "#data-plane/wire/upstream-refusals.ts";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

/** Nothing at all was answered, as far as undici tells. */
export function isConnectionLost(error: unknown): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error)) && !isUnwanted(error);
}

/** An interim answer that undici takes for an answer to nothing, though RFC 9110 §15.2.1 allows it: 100, or a 101. */
function isUnwanted(error: unknown): boolean {
  return error instanceof errors.SocketError && (error.message === "bad response" || error.message === "bad upgrade");
}

/** undici has three kinds of error for bytes that are no answer, and more for answers that nobody asked for. */
function isNotHttp(error: unknown): boolean {
  const code = codeOf(error);
  return (
    isUnwanted(error) ||
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError ||
    code.startsWith("HPE_") ||
    code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" ||
    code === "ERR_ASSERTION"
  );
}

/** What the client hears. `name`: the upstream's. */
export function refusalOf(error: unknown, name: string): Refusal {
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return timedOut(name);
  return isNotHttp(error) ? invalidAnswer(name) : unreachable(name);
}
