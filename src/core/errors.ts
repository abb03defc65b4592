/**
 * The one table of error codes: status, title, whose fault it is and whether a retry can help.
 * Pure. A code exists only with its line in `docs/errors.md`; a test holds the two equal.
 * Not here: how a refusal is written to a client (`problem.ts`, `data-plane/wire/refusal-response.ts`).
 */

interface ErrorEntry {
  readonly status: number;
  readonly title: string;
  /** Who has to act: the client, the app behind the gateway, or the operator of the gateway. */
  readonly owner: "client" | "upstream" | "gateway";
  /** `never` the same request fails again, `later` it may pass after a wait, `now` it may pass at once. */
  readonly retry: "never" | "later" | "now";
}

export const ERRORS = {
  malformed_request: { status: 400, title: "Malformed request", owner: "client", retry: "never" },
  credentials_missing: { status: 401, title: "Credentials missing", owner: "client", retry: "never" },
  credentials_invalid: { status: 401, title: "Credentials invalid", owner: "client", retry: "never" },
  token_expired: { status: 401, title: "Token expired", owner: "client", retry: "never" },
  key_revoked: { status: 401, title: "Key revoked", owner: "client", retry: "never" },
  key_expired: { status: 401, title: "Key expired", owner: "client", retry: "never" },
  key_disabled: { status: 401, title: "Key disabled", owner: "client", retry: "never" },
  session_revoked: { status: 401, title: "Session revoked", owner: "client", retry: "never" },
  credits_exhausted: { status: 402, title: "Credits exhausted", owner: "client", retry: "never" },
  permission_denied: { status: 403, title: "Permission denied", owner: "client", retry: "never" },
  feature_not_in_plan: { status: 403, title: "Feature not in plan", owner: "client", retry: "never" },
  account_suspended: { status: 403, title: "Account suspended", owner: "client", retry: "never" },
  tenant_mismatch: { status: 403, title: "Belongs to another account", owner: "client", retry: "never" },
  route_not_found: { status: 404, title: "Route not found", owner: "client", retry: "never" },
  not_found: { status: 404, title: "Not found", owner: "client", retry: "never" },
  method_not_allowed: { status: 405, title: "Method not allowed", owner: "client", retry: "never" },
  request_timeout: { status: 408, title: "Request timeout", owner: "client", retry: "now" },
  conflict: { status: 409, title: "Conflict", owner: "client", retry: "never" },
  body_too_large: { status: 413, title: "Body too large", owner: "client", retry: "never" },
  target_too_long: { status: 414, title: "Request target too long", owner: "client", retry: "never" },
  expectation_failed: { status: 417, title: "Expectation failed", owner: "client", retry: "never" },
  rate_limited: { status: 429, title: "Rate limited", owner: "client", retry: "later" },
  concurrency_exceeded: { status: 429, title: "Too many requests at once", owner: "client", retry: "now" },
  quota_exceeded: { status: 429, title: "Quota exceeded", owner: "client", retry: "later" },
  headers_too_large: { status: 431, title: "Request headers too large", owner: "client", retry: "never" },
  internal_error: { status: 500, title: "Internal error", owner: "gateway", retry: "later" },
  upstream_unreachable: { status: 502, title: "Upstream unreachable", owner: "upstream", retry: "later" },
  upstream_invalid_response: {
    status: 502,
    title: "Upstream sent an invalid response",
    owner: "upstream",
    retry: "later",
  },
  overloaded: { status: 503, title: "Overloaded", owner: "gateway", retry: "later" },
  metering_unavailable: { status: 503, title: "Metering unavailable", owner: "gateway", retry: "later" },
  secret_unavailable: { status: 503, title: "Secret unavailable", owner: "gateway", retry: "later" },
  upstream_timeout: { status: 504, title: "Upstream timeout", owner: "upstream", retry: "later" },
} as const satisfies Readonly<Record<string, ErrorEntry>>;

export type ErrorCode = keyof typeof ERRORS;

/** All codes, in the order of the table. */
// The keys of a const object are exactly its key type.
export const ERROR_CODES = Object.keys(ERRORS) as readonly ErrorCode[];

/** Members of a problem body beyond `type title status detail error request_id`. */
export type ProblemFields = Readonly<Record<string, string | number | boolean | null | object>>;

/** Why a request goes no further. A value, never thrown; `detail` is public and holds nothing internal. */
export interface Refusal {
  readonly code: ErrorCode;
  /** The rule that refused, for the log and the body: `rate:api`, `quota:api_calls`, `route:models`, `header:underscore`. */
  readonly rule: string;
  readonly detail: string;
  /** Overrides the table's status (a quota may answer 402 or 403). */
  readonly status?: number;
  readonly fields?: ProblemFields;
  /** Extra response headers, name and value in turn. */
  readonly headers?: readonly string[];
  /** The connection cannot be trusted any more and is closed after the answer. */
  readonly close?: boolean;
}

/** Shorthand for the common refusal. */
export function refuse(code: ErrorCode, rule: string, detail: string): Refusal {
  return { code, rule, detail };
}

/** Status a refusal is answered with. */
export function statusOf(refusal: Refusal): number {
  return refusal.status ?? ERRORS[refusal.code].status;
}
