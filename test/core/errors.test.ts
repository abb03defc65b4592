/** The table of error codes against the contract (DESIGN.md §9), and bodies that hold what they must and nothing else. */
import { expect, test } from "vitest";
import { ERROR_CODES, ERRORS, refuse, statusOf } from "#core/errors.ts";
import { errorBody } from "#core/problem.ts";

/** As the contract lists them; codes of parts that are not built yet too. */
const CONTRACT: Readonly<Record<number, readonly string[]>> = {
  400: ["malformed_request"],
  401: ["credentials_missing", "credentials_invalid", "token_expired", "key_revoked", "key_expired"],
  402: ["payment_required", "credits_exhausted"],
  403: ["permission_denied", "feature_not_in_plan", "account_suspended", "tenant_mismatch"],
  404: ["route_not_found"],
  405: ["method_not_allowed"],
  413: ["body_too_large"],
  429: ["rate_limited", "quota_exceeded", "concurrency_exceeded"],
  431: ["headers_too_large"],
  500: ["internal_error"],
  502: ["upstream_unreachable", "upstream_invalid_response"],
  503: ["overloaded", "no_healthy_target", "metering_unavailable"],
  504: ["upstream_timeout"],
};

/** Where the contract is silent, as RFC 9110 §15 has them. */
const BEYOND: Readonly<Record<number, readonly string[]>> = {
  401: ["key_disabled", "session_revoked"],
  404: ["not_found"],
  408: ["request_timeout"],
  409: ["conflict"],
  414: ["target_too_long"],
  417: ["expectation_failed"],
  503: ["secret_unavailable"],
};

test("every code has the status the contract or RFC 9110 gives it", () => {
  const statuses = new Map<string, number>();
  for (const table of [CONTRACT, BEYOND]) {
    for (const [status, codes] of Object.entries(table)) for (const code of codes) statuses.set(code, Number(status));
  }
  for (const code of ERROR_CODES) expect([code, ERRORS[code].status]).toEqual([code, statuses.get(code)]);
});

test("who is at fault follows from the status", () => {
  for (const code of ERROR_CODES) {
    const { status, owner } = ERRORS[code];
    const owners = status < 500 ? ["client"] : status === 502 || status === 504 ? ["upstream"] : ["gateway"];
    expect([code, owners.includes(owner)]).toEqual([code, true]);
  }
});

test("what may pass after a wait is retryable, what the caller has to change is not", () => {
  const later = ERROR_CODES.filter((code) => ERRORS[code].retry !== "never");
  const expected = ERROR_CODES.filter((code) => ERRORS[code].status >= 500 || [408, 429].includes(ERRORS[code].status));
  expect(later).toEqual(expected);
});

test("titles are short sentences without a full stop", () => {
  for (const code of ERROR_CODES) expect(ERRORS[code].title).toMatch(/^[A-Z][A-Za-z ]{3,40}$/);
});

test("a refusal may override the status of its code", () => {
  const refusal = refuse("quota_exceeded", "quota:calls", "Used 10 of 10");
  expect([statusOf(refusal), statusOf({ ...refusal, status: 402 })]).toEqual([429, 402]);
});

const REFUSAL = {
  ...refuse("quota_exceeded", "quota:calls", 'Used 10 of 10 "calls"'),
  fields: { meter: "calls", used: 10, limit: 10, window: { kind: "month" } },
};

test("a problem has the members of RFC 9457 and of the contract, in their order", () => {
  const { status, contentType, body } = errorBody(REFUSAL, "req_1", "problem");
  expect([status, contentType]).toEqual([429, "application/problem+json"]);
  expect(Object.entries(JSON.parse(body))).toEqual([
    ["type", "urn:tollgate:error:quota_exceeded"],
    ["title", "Quota exceeded"],
    ["status", 429],
    ["detail", 'Used 10 of 10 "calls"'],
    ["error", "quota_exceeded"],
    ["rule", "quota:calls"],
    ["request_id", "req_1"],
    ["meter", "calls"],
    ["used", 10],
    ["limit", 10],
    ["window", { kind: "month" }],
  ]);
});

test("the plain form says the same with error and message", () => {
  const { status, contentType, body } = errorBody({ ...REFUSAL, status: 402 }, "req_1", "plain");
  expect([status, contentType]).toEqual([402, "application/json"]);
  expect(JSON.parse(body)).toEqual({
    error: "quota_exceeded",
    message: 'Used 10 of 10 "calls"',
    rule: "quota:calls",
    request_id: "req_1",
    ...REFUSAL.fields,
  });
});
