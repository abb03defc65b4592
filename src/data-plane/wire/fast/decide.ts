/** The verdict on a request of the fast lane: the gate's, or why there is none. Never throws, never rejects. Worker thread. */
import { type Refusal, refuse } from "#core/errors.ts";
import { type Exchange, isRefusal, type Verdict } from "#data-plane/exchange.ts";
import { UNKNOWN_EXPECTATION } from "#data-plane/wire/head.ts";
import type { LaneParts } from "./lane-parts.ts";

export type RefusedVerdict = Extract<Verdict, { kind: "refused" }>;

export function decide(lane: LaneParts, exchange: Exchange): Verdict | Promise<Verdict> {
  const { head } = exchange;
  if (!isRefusal(head) && head.expects === "other") return refusedBefore(lane, UNKNOWN_EXPECTATION);
  try {
    const verdict = lane.gate.enter(exchange);
    return verdict instanceof Promise ? verdict.catch((error: unknown) => brokenBy(lane, error)) : verdict;
  } catch (error) {
    return brokenBy(lane, error);
  }
}

/** A bug of the gateway's own ends one request, not the thread. */
export function brokenBy(lane: LaneParts, error: unknown): RefusedVerdict {
  lane.refusals.bug(error);
  return refusedBefore(lane, refuse("internal_error", "gateway:bug", "Something went wrong in the gateway"));
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
