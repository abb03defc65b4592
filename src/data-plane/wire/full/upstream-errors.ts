/** What undici's errors mean: a connection that was lost, an answer that is none, a time that ran out. Worker thread, pure. */
import { errors } from "undici";
import type { Refusal } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { invalidAnswer, timedOut, unreachable } from "#data-plane/wire/upstream-refusals.ts";

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
}

export function isConnectionLost(error: unknown): boolean {
  return ["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"].includes(codeOf(error));
}

/** undici has three kinds of error for bytes that are no answer, and an assertion for a 101 that nobody asked for. */
function isNotHttp(error: unknown): boolean {
  const code = codeOf(error);
  return (
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError ||
    code.startsWith("HPE_") ||
    code === "UND_ERR_RES_CONTENT_LENGTH_MISMATCH" ||
    code === "ERR_ASSERTION"
  );
}

export function refusalOf(error: unknown, passage: Passage): Refusal {
  const { name } = passage.route.upstream;
  if (error instanceof errors.HeadersTimeoutError || error instanceof errors.BodyTimeoutError) return timedOut(name);
  return isNotHttp(error) ? invalidAnswer(name) : unreachable(name);
}
