/** Verdicts that do not come from the gate, and what becomes of one nobody waits for any more. Worker thread; both lanes. */
import { type Refusal, refuse } from "#core/errors.ts";
import type { Verdict } from "#data-plane/exchange.ts";
import type { LaneParts } from "./lane-parts.ts";

export type RefusedVerdict = Extract<Verdict, { kind: "refused" }>;

/** A bug of the gateway's own ends one request, not the thread. */
export function brokenBy(parts: LaneParts, error: unknown): RefusedVerdict {
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
