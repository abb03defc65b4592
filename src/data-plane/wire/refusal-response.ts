/**
 * How a refusal looks on the wire: status, headers and body, the same for both lanes and for upgrades. Worker thread, pure.
 * Not here: what becomes of the connection, which whoever writes it says.
 */
import { type Refusal, statusOf } from "#core/errors.ts";
import { errorBody } from "#core/problem.ts";
import type { LocalResponse } from "./local-response.ts";

export function refusalResponse(refusal: Refusal, requestId: string, format: "problem" | "plain"): LocalResponse {
  const { status, contentType, body } = errorBody(refusal, requestId, format);
  const bytes = Buffer.from(body);
  const headers = [
    "Content-Type", contentType, "Content-Length", String(bytes.length), "Cache-Control", "no-store",
    "X-Content-Type-Options", "nosniff", "x-request-id", requestId, ...(refusal.headers ?? []),
  ]; // biome-ignore format: names and values in turn
  if (statusOf(refusal) === 401) headers.push("WWW-Authenticate", challenge(refusal));
  return { status, headers, body: bytes };
}

/** RFC 6750 §3.1. */
function challenge(refusal: Refusal): string {
  if (refusal.code === "credentials_missing") return 'Bearer realm="tollgate"';
  return `Bearer realm="tollgate", error="invalid_token", error_description="${refusal.detail.replaceAll(/["\\]/g, "'")}"`;
}
