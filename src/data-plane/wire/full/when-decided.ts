/** A verdict that may be there at once, used at once then. Worker thread. */
import type { Verdict } from "#data-plane/exchange.ts";

/** Hands the verdict on; `fail` hears of what `decide` or `use` threw. */
export function whenDecided(
  decide: () => Verdict | Promise<Verdict>,
  use: (verdict: Verdict) => void,
  fail: (error: unknown) => void,
): void {
  try {
    const verdict = decide();
    if (verdict instanceof Promise) void verdict.then(use).catch(fail);
    else use(verdict);
  } catch (error) {
    fail(error);
  }
}
