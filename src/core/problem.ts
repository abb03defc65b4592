/**
 * The body of an error answer, RFC 9457 or the plain form. Pure; used by both planes so that every error looks the same.
 */
import { ERRORS, type Refusal, statusOf } from "./errors.ts";

export interface ErrorBody {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

/** Renders a refusal. `format` is `errors.format` of gateway.yaml. */
export function errorBody(refusal: Refusal, requestId: string, format: "problem" | "plain"): ErrorBody {
  const status = statusOf(refusal);
  const { title } = ERRORS[refusal.code];
  const shared = { rule: refusal.rule, request_id: requestId, ...refusal.fields };
  if (format === "plain") {
    const body = { error: refusal.code, message: refusal.detail, ...shared };
    return { status, contentType: "application/json", body: JSON.stringify(body) };
  }
  const type = `urn:tollgate:error:${refusal.code}`;
  const body = { type, title, status, detail: refusal.detail, error: refusal.code, ...shared };
  return { status, contentType: "application/problem+json", body: JSON.stringify(body) };
}
