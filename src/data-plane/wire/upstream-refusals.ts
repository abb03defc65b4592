/** What clients hear when an upstream does not answer as it should, the same on both lanes. Pure; public words only, no address of an upstream. */
import { type Refusal, refuse } from "#core/errors.ts";

/** No connection came free in time, or too many wait for one already. */
export const BUSY: Refusal = {
  ...refuse("overloaded", "upstream:queue", "All connections to the upstream are busy"),
  fields: { retry_after: 1 },
  headers: ["Retry-After", "1"],
  status: 503,
};

/** `upstream` is its name. */
export function unreachable(upstream: string): Refusal {
  return { ...refuse("upstream_unreachable", `upstream:${upstream}`, "Upstream cannot be reached"), status: 502 };
}

export function invalidAnswer(upstream: string): Refusal {
  const detail = "Upstream sent an answer that is not HTTP";
  return { ...refuse("upstream_invalid_response", `upstream:${upstream}`, detail), status: 502 };
}

export function tooManyInterim(): Refusal {
  return refuse("upstream_invalid_response", "upstream:interim", "Upstream sent too many interim answers");
}

export function timedOut(upstream: string): Refusal {
  return { ...refuse("upstream_timeout", `upstream:${upstream}`, "Upstream did not answer in time"), status: 504 };
}
