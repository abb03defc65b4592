/** The verdict on a request of the fast lane: the gate's, or why there is none. Never throws, never rejects. Worker thread. */
import { type Exchange, isRefusal, type Verdict } from "#data-plane/exchange.ts";
import { UNKNOWN_EXPECTATION } from "#data-plane/wire/head.ts";
import type { LaneParts } from "#data-plane/wire/lane-parts.ts";
import { brokenBy, refusedBefore } from "#data-plane/wire/verdicts.ts";

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
