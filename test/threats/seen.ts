/** What can be expected of a request and how it is observed, on both sides of the gateway and in its log. Decides nothing. */
import type { RawAnswer } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import type { Tally, World } from "./world.ts";

type Texts = Readonly<Record<string, string>>;

export interface Expectation {
  /** Of the last final answer; null: there was none. */
  readonly status: number | null;
  /** Whether the gateway closes the connection; left out: not looked at. */
  readonly close?: boolean;
  /** Requests the upstream saw; `never whole`: heads at most, and no request to its end. */
  readonly forwarded: number | "never whole";
  /** Units charged, over all accounts and meters. */
  readonly usage: number;
  /** Outbound fetches of key sets. */
  readonly fetches?: number;
  /** The rule that refused, from the gateway's log line of this request. */
  readonly reason?: string | RegExp;
  /** Headers as the upstream received them, names in lower case. */
  readonly upstream?: { readonly equals?: Texts; readonly absent?: readonly string[] };
  /** Headers of the answer. */
  readonly response?: { readonly equals?: Texts; readonly absent?: readonly string[] };
  /** Texts that must stand nowhere in the answer, head or body. */
  readonly body?: { readonly lacks: readonly string[] };
}

export interface Seen {
  readonly answer: RawAnswer;
  readonly before: Tally;
  readonly after: Tally;
  readonly world: World;
}

/** The observations that `wanted` asks for, under its own names. */
export async function lookAt(seen: Seen, wanted: Expectation): Promise<Record<string, unknown>> {
  const { answer, before, after } = seen;
  const last = answer.responses.findLast(({ status }) => status >= 200);
  return {
    status: last?.status ?? null,
    forwarded: forwarded(seen, wanted.forwarded),
    usage: after.usage - before.usage,
    ...(wanted.close === undefined ? {} : { close: answer.closed }),
    ...(wanted.fetches === undefined ? {} : { fetches: after.fetches - before.fetches }),
    ...(wanted.reason === undefined ? {} : { reason: await reasonOf(seen) }),
    ...(wanted.upstream === undefined ? {} : upstreamHeaders(seen, wanted.upstream)),
    ...(wanted.response === undefined ? {} : responseHeaders(seen, wanted.response)),
    ...(wanted.body === undefined ? {} : { leaks: wanted.body.lacks.filter((text) => answer.text.includes(text)) }),
  };
}

function forwarded({ before, after }: Seen, wanted: Expectation["forwarded"]): Expectation["forwarded"] {
  if (wanted !== "never whole") return after.forwarded - before.forwarded;
  const whole = after.whole - before.whole;
  return whole === 0 ? "never whole" : whole;
}

/** The log is written behind the answer's back, so it is waited for. */
async function reasonOf({ answer, world }: Seen): Promise<unknown> {
  const response = answer.responses.at(-1);
  // Only refusals are logged: what was let through has no line to wait for.
  if (response === undefined || response.status < 400) return null;
  const requestId = response.header("x-request-id");
  const line = await until(`log of ${requestId}`, () =>
    world.gateway.logs().find((one) => one.request_id === requestId),
  );
  return line.reason ?? null;
}

function upstreamHeaders({ world }: Seen, wanted: NonNullable<Expectation["upstream"]>): Record<string, unknown> {
  const headers = world.upstream.requests.at(-1)?.headers ?? {};
  return {
    upstream: pick(wanted.equals, (name) => headers[name]),
    upstreamHas: (wanted.absent ?? []).filter((name) => Object.hasOwn(headers, name)),
  };
}

function responseHeaders({ answer }: Seen, wanted: NonNullable<Expectation["response"]>): Record<string, unknown> {
  const response = answer.responses.at(-1);
  return {
    response: pick(wanted.equals, (name) => response?.header(name) ?? undefined),
    responseHas: (wanted.absent ?? []).filter((name) => (response?.header(name) ?? null) !== null),
  };
}

function pick(wanted: Texts = {}, value: (name: string) => string | undefined): Record<string, string | null> {
  return Object.fromEntries(Object.keys(wanted).map((name) => [name, value(name) ?? null]));
}
