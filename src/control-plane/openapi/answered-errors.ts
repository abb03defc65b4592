/**
 * Which error codes an operation can answer, from who may call it and what it takes. Main thread, pure.
 * Those of HTTP itself, that any request may meet before it is one (408, 414, 431, …), are left out.
 */
import { ERROR_CODES, type ErrorCode } from "#core/errors.ts";
import type { ServedOperation } from "./document.ts";

const CALLER: readonly ErrorCode[] = [
  "credentials_missing",
  "credentials_invalid",
  "token_expired",
  "key_revoked",
  "key_expired",
  "key_disabled",
  "session_revoked",
  "permission_denied",
  "account_suspended",
  "tenant_mismatch",
  "rate_limited",
];
const ANY: readonly ErrorCode[] = ["malformed_request", "internal_error", "overloaded"];

/** In the order of the table of errors. */
export function answeredErrors({ operation, access }: ServedOperation): readonly ErrorCode[] {
  const { method, params, querystring, bodies, errors } = operation;
  const takesBody = Object.keys(bodies).length > 0;
  const names = [querystring, ...Object.values(bodies)].some((schema) => namesSomething(schema));
  const codes = new Set<ErrorCode>([
    ...ANY,
    ...errors,
    ...(access.auth === "caller" ? CALLER : []),
    ...(access.demands.rates.length > 0 ? (["rate_limited"] as const) : []),
    ...(access.demands.require.features.length > 0 ? (["feature_not_in_plan"] as const) : []),
    ...(access.auth === "operator" ? (["credentials_invalid"] as const) : []),
    ...(params !== null || names ? (["not_found"] as const) : []),
    ...(takesBody ? (["body_too_large"] as const) : []),
    ...(method !== "GET" && (takesBody || params !== null) ? (["conflict"] as const) : []),
  ]);
  return ERROR_CODES.filter((code) => codes.has(code));
}

/** Ids in queries and bodies may be of nothing there is. */
function namesSomething(schema: unknown): boolean {
  const isObject = typeof schema === "object" && schema !== null && "properties" in schema;
  return isObject && JSON.stringify(Object.keys(schema.properties ?? {})).includes('"account"');
}
