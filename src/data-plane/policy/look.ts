/**
 * Phase 5, admit: looking at every limit before anything is taken, so that a request one of them refuses takes nothing of the others
 * even for a moment. Worker thread. Takes nothing. Rules with `shadow: true` are told of here and refuse nobody.
 */
import type { Settings } from "#config/settings.ts";
import type { Refusal } from "#core/errors.ts";
import { fits } from "#core/limits.ts";
import type { UsageOp } from "#shared/counter-shapes.ts";
import { costBeyondCap } from "#shared/money-cap.ts";
import type { CreditBurner } from "#shared/credit-burner.ts";
import { creditsRefusal, moneyRefusal, quotaRefusal } from "#shared/quota-refusals.ts";
import { creditsFor, takeLimit } from "#shared/units-over.ts";
import type { Concerned } from "#data-plane/refusal-log.ts";
import type { CallerLimits, LimitTables, LiveLine, MoneyCap } from "./caller-limits.ts";
import type { LimitState } from "./limit-headers.ts";
import { concurrencyRefusal, rateRefusal } from "./limit-refusals.ts";
import type { LiveCounter } from "./quotas.ts";
import type { Instant, LiveRate } from "./rates.ts";
import type { LiveConcurrency } from "./slots.ts";

/** Hears what a rule with `shadow: true` would have refused, and whom. */
export type ShadowListener = (refusal: Refusal, of: Concerned) => void;

/** What is asked of the limits for one request. */
export interface Ask {
  readonly settings: Settings;
  readonly limits: CallerLimits;
  readonly rates: readonly LiveRate[];
  readonly concurrency: readonly LiveConcurrency[];
  readonly at: Instant;
  readonly atMs: number;
  readonly requestId: string;
  /** Units by line: constants, and estimates of what is measured. */
  readonly units: readonly number[];
  readonly state: LimitState;
}

export class Look {
  readonly #tables: LimitTables;
  readonly #burner: CreditBurner;
  readonly #onShadow: ShadowListener;

  constructor(tables: LimitTables, burner: CreditBurner, onShadow: ShadowListener) {
    this.#tables = tables;
    this.#burner = burner;
    this.#onShadow = onShadow;
  }

  /** The first rule that refuses. */
  refusal(ask: Ask): Refusal | null {
    for (const rate of ask.rates) {
      const refusal = this.#rate(rate, ask);
      if (refusal !== null) return refusal;
    }
    for (const live of ask.concurrency) {
      if (fits(this.#tables.slots.held(live.key), 1, live.limit)) continue;
      const refusal = this.#shadowed(concurrencyRefusal(live), live.settings.shadow, ask);
      if (refusal !== null) return refusal;
    }
    const { lines, moneyCap } = ask.limits;
    for (const [index, line] of lines.entries()) {
      const refusal = this.#line(line, ask.units[index] ?? 0, ask);
      if (refusal !== null) return refusal;
    }
    return moneyCap === null ? null : this.moneyRefusal(ask, moneyCap, false);
  }

  #shadowed(refusal: Refusal, shadow: boolean, ask: Ask): Refusal | null {
    if (!shadow) return refusal;
    this.#onShadow(refusal, concerned(ask));
    return null;
  }

  #rate(rate: LiveRate, ask: Ask): Refusal | null {
    const waitNs = rate.waitNs(ask.at);
    return waitNs === 0n ? null : this.#shadowed(rateRefusal(rate, waitNs), rate.shadow, ask);
  }

  #line({ line, counters }: LiveLine, units: number, ask: Ask): Refusal | null {
    if (units < 0) return null;
    for (const live of counters) {
      const { quota } = live;
      if (quota === null || quota.limit === null) continue;
      const used = this.#usedOf(line.op, live);
      const refusal = this.#quota(live, used, units, ask);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  /** A maximum is compared by itself, not on top of what there is, unless it is beyond the limit already. */
  #usedOf(op: UsageOp, { counter, hard }: LiveCounter): number {
    const used = this.#tables.counters.used(counter);
    return op === "max" && fits(0, used, hard) ? 0 : used;
  }

  #quota(live: LiveCounter, used: number, units: number, ask: Ask): Refusal | null {
    const { quota, hard, throttle } = live;
    if (quota === null) return null;
    if (quota.shadow && quota.limit !== null) {
      if (!fits(used, units, takeLimit(quota.limit + quota.grace, units)))
        this.#onShadow(quotaRefusal(live, used, ask, quota), concerned(ask));
    }
    // Of a plan's quota in shadow nothing is left here but the holder's own.
    if (!fits(used, units, takeLimit(hard, units))) return quotaRefusal(live, used, ask);
    if (quota.shadow) return null;
    if (throttle !== null && this.isThrottled(live, used, units)) return this.#rate(throttle, ask);
    const wanted = creditsFor(quota, used, Math.max(1, units));
    if (wanted === 0) return null;
    const { principal } = ask.limits;
    const balance = principal === null ? 0 : this.#burner.balance(principal.account, ask.atMs);
    return fits(0, wanted, balance) ? null : creditsRefusal(live, wanted, balance, ask);
  }

  isThrottled({ quota }: LiveCounter, used: number, units: number): boolean {
    return (
      quota?.throttle !== undefined &&
      quota.throttle !== null &&
      !fits(used, Math.max(1, units), quota.throttle.fromUnits)
    );
  }

  /**
   * Whether this request brings the overage of all priced meters beyond the cap. What is still within a limit costs nothing and passes,
   * also when measured usage went beyond the cap before. `areTaken`: the request's units are in the counters already.
   */
  moneyRefusal(ask: Ask, { cap, priced }: MoneyCap, areTaken: boolean): Refusal | null {
    const uses = priced.map(({ counter, quota }) => {
      const line = ask.limits.lines.findIndex(({ line: { meter } }) => meter.name === quota.meter);
      const units = line === -1 ? 0 : Math.max(0, ask.units[line] ?? 0);
      const before = this.#tables.counters.used(counter) - (areTaken ? units : 0);
      // What is measured and reserves nothing costs one unit at least.
      return { quota, before, after: before + (line === -1 ? 0 : Math.max(1, units)) };
    });
    const cost = costBeyondCap(cap, uses);
    return cost === null ? null : moneyRefusal(cost, cap, ask);
  }
}

function concerned({ requestId, limits }: Ask): Concerned {
  return { requestId, route: limits.route.name, account: limits.principal?.account.id ?? null };
}
