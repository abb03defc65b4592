/** What clients hear when they do not say what they began to say, the same on both lanes. Pure. */
import type { Refusal } from "#core/errors.ts";

export const SLOW_HEAD: Refusal = {
  code: "request_timeout",
  rule: "limit:header-timeout",
  detail: "Request headers took too long",
  close: true,
};

/** The client fell silent inside its body. */
export const SILENT: Refusal = {
  code: "request_timeout",
  rule: "limit:idle-timeout",
  detail: "Request body took too long",
  close: true,
};

/** The connection ended inside a head. */
export const CUT_HEAD: Refusal = {
  code: "malformed_request",
  rule: "http:syntax",
  detail: "Request headers were not completed",
  close: true,
};

export const BROKEN_BODY: Refusal = {
  code: "malformed_request",
  rule: "http:syntax",
  detail: "Request body is not valid HTTP/1.1",
  close: true,
};

/** The body comes so slowly that it would hold its connection for hours. */
export const SLOW_BODY: Refusal = {
  code: "request_timeout",
  rule: "limit:body-rate",
  detail: "Request body came too slowly",
  close: true,
};
