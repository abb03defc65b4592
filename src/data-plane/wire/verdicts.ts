/** Verdicts that do not come from the gate, and what becomes of one nobody waits for any more. Worker thread; both lanes. */
import { type Refusal, refuse } from "#core/errors.ts";
import type { Verdict } from "#data-plane/exchange.ts";
import { NoAnswerError } from "#data-plane/identity/control-link.ts";
import type { LaneParts } from "./lane-parts.ts";

export type RefusedVerdict = Extract<Verdict, { kind: "refused" }>;

const NO_ANSWER: Refusal = {
  code: "overloaded",
  rule: "control:silent",
  detail: "Callers who are new here cannot be looked up just now",
  fields: { retry_after: 1 },
  headers: ["Retry-After", "1"],
};

/** A bug of the gateway's own ends one request, not the thread; that a caller cannot be looked up is none. */
export function brokenBy(parts: LaneParts, error: unknown): RefusedVerdict {
  if (error instanceof NoAnswerError) return refusedBefore(parts, NO_ANSWER);
  parts.refusals.bug(error);
  return refusedBefore(parts, refuse("internal_error", "gateway:bug", "Something went wrong in the gateway"));
}

/** The verdict on a request that never got to the gate, or broke it. */
export function refusedBefore({ gate }: LaneParts, refusal: Refusal): RefusedVerdict {
  const { runtime } = gate;
  return { kind: "refused", refusal, requestId: runtime.traces.requestId(), runtime, route: null };
}

/** The client left while its verdict was being made: nothing was forwarded, nothing is charged. */
export function abandon({ settler, metrics }: LaneParts, verdict: Verdict): void {
  if (verdict.kind !== "forward") return;
  const { reservation, held } = verdict.passage;
  if (reservation !== null) settler.release(reservation);
  held?.giveBack();
  metrics.count("client_aborts");
}
