/** Expectations by name, and the bytes of ordinary requests: the vocabulary in which the tables are written. Pure. */
import { requestHead } from "#test/support/raw.ts";
import type { Expectation } from "./seen.ts";
import type { World } from "./world.ts";

type More = Partial<Expectation>;

/** Refused before anything happened: nothing forwarded, nothing charged. */
export function refused(status: number, reason: string | RegExp, more: More = {}): Expectation {
  return { status, forwarded: 0, usage: 0, reason, ...more };
}

/** Ambiguous or broken: 400, and the connection is not trusted any further. */
export function malformed(reason: string | RegExp, more: More = {}): Expectation {
  return refused(400, reason, { close: true, ...more });
}

/** Forwarded once and charged one unit. */
export function passed(more: More = {}): Expectation {
  return { status: 200, forwarded: 1, usage: 1, ...more };
}

/** Forwarded once for nobody in particular, so charged to nobody. */
export function passedAnonymously(more: More = {}): Expectation {
  return { status: 200, forwarded: 1, usage: 0, ...more };
}

/** Answered by the gateway itself. */
export function answered(status: number, more: More = {}): Expectation {
  return { status, forwarded: 0, usage: 0, ...more };
}

export function get(target: string, ...headers: readonly string[]): string {
  return requestHead("GET", target, headers);
}

export function bearer(token: string): string {
  return `Authorization: Bearer ${token}`;
}

/** A request to the metered route that any principal may use. */
export function getPrivate(...headers: readonly string[]): string {
  return get("/private/x", ...headers);
}

/** A request to the metered route that any principal may use, with these bytes behind its head. */
export function post(body: string, ...headers: readonly string[]): string {
  return requestHead("POST", "/private/x", headers) + body;
}

/** What stands in `X-Api-Key` of a request that would be let in, forwarded and charged if it were not for its bytes. */
export function keyOf({ acme }: World): string {
  return `X-Api-Key: ${acme.key}`;
}

/** On the full lane node's parser looks first, and what it refuses is syntax. */
export function orSyntax(rule: string): RegExp {
  return new RegExp(`^(?:${rule}|http:syntax)$`);
}
