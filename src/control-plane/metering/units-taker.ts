/**
 * Takes units for work to come on the live counters, under the same limits and by the same comparison as requests: all or nothing,
 * exact while workers do the same. Main thread; what it took dies with the process, and is taken again from the store.
 * A lower rate (`exceed: throttle`) is for requests and slows nothing here; rules in shadow refuse nobody.
 */
import type { Settings } from "#config/settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { fits } from "#core/limits.ts";
import { costBeyondCap } from "#shared/money-cap.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { CreditBurner, TakenCredits } from "#shared/credit-burner.ts";
import type { AccountLatch } from "#shared/account-latch.ts";
import { counterOfQuota, pricedQuotas } from "#shared/quota-limits.ts";
import { creditsRefusal, moneyRefusal, overloadedRefusal, quotaRefusal } from "#shared/quota-refusals.ts";
import { creditsFor, takeLimit } from "#shared/units-over.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import type { Counting } from "./counting.ts";
import { type Place, placesOf, type Usage } from "./live-places.ts";

export interface TakerParts {
  readonly settings: () => Settings;
  readonly counting: Counting;
  readonly counters: CounterTable;
  readonly burner: CreditBurner;
  readonly latch: AccountLatch;
}

/** Units taken, until they are kept or given back. */
export interface TakenUnits {
  readonly places: readonly Place[];
  readonly units: number;
  readonly credits: readonly TakenCredits[];
}

export class UnitsTaker {
  readonly #parts: TakerParts;

  constructor(parts: TakerParts) {
    this.#parts = parts;
  }

  /** The counters that usage stands in now. */
  places(usage: Usage): readonly Place[] {
    const { counting, counters, settings } = this.#parts;
    return placesOf({ counting, counters, settings: settings() }, usage);
  }

  /** `units` 1 or more. */
  take(usage: Usage, units: number): TakenUnits | Refusal {
    const { account } = usage;
    const plan = planOf(this.#parts.settings(), account.plan);
    // One meter's cap is a limit of its own counter.
    const isCapped = account.spendCap.money !== null && pricedQuotas(plan).length > 1;
    if (!isCapped) return this.#look(usage, units) ?? this.#takeAll(usage, units);
    const release = this.#parts.latch.lock(account.id);
    try {
      const taken = this.#look(usage, units) ?? this.#takeAll(usage, units);
      const refusal = "code" in taken ? null : this.#moneyRefusal(usage, units);
      if (refusal === null || "code" in taken) return taken;
      this.giveBack(taken);
      return refusal;
    } finally {
      release();
    }
  }

  giveBack({ places, units, credits }: TakenUnits): void {
    for (const { counter } of places) this.#parts.counters.giveBack(counter, units);
    for (const taken of credits) this.#parts.burner.giveBack(taken);
  }

  /** Looks at all before anything is taken, so that what one limit refuses takes nothing of the others even for a moment. */
  #look(usage: Usage, units: number): Refusal | null {
    const { counters, burner } = this.#parts;
    for (const place of this.places(usage)) {
      const used = counters.used(place.counter);
      if (!fits(used, units, Number.MAX_SAFE_INTEGER)) return tooMuch(usage.meter);
      if (!fits(used, units, takeLimit(place.hard, units))) return quotaRefusal(place, used, this.#asked(usage));
      const wanted = creditsFor(place.quota, used, units);
      const balance = wanted === 0 ? 0 : burner.balance(usage.account, usage.atMs);
      if (!fits(0, wanted, balance)) return creditsRefusal(place, wanted, balance, this.#asked(usage));
    }
    return null;
  }

  #takeAll(usage: Usage, units: number): TakenUnits | Refusal {
    const taken: { places: Place[]; units: number; credits: TakenCredits[] } = { places: [], units, credits: [] };
    for (const place of this.places(usage)) {
      const refusal = this.#takeOne(usage, place, taken);
      if (refusal === null) continue;
      this.giveBack(taken);
      return refusal;
    }
    return taken;
  }

  #takeOne(
    usage: Usage,
    place: Place,
    taken: { readonly places: Place[]; readonly units: number; readonly credits: TakenCredits[] },
  ): Refusal | null {
    const { counters, burner } = this.#parts;
    const outcome = counters.take(place.counter, taken.units, takeLimit(place.hard, taken.units));
    if (outcome === "full") return overloadedRefusal(`quota:${place.counter.window.kind}`);
    if (outcome === "over") return quotaRefusal(place, counters.used(place.counter), this.#asked(usage));
    const { before } = counters;
    taken.places.push(place);
    const wanted = creditsFor(place.quota, before, taken.units);
    if (wanted === 0) return null;
    const credits = burner.burn(usage.account, wanted, usage.atMs);
    if (credits === null) return creditsRefusal(place, wanted, 0, this.#asked(usage));
    taken.credits.push(...credits);
    return null;
  }

  /** Whether the overage of all priced meters together is beyond the customer's cap, with what is taken. */
  #moneyRefusal(usage: Usage, units: number): Refusal | null {
    const { account, meter, atMs } = usage;
    const { counters, settings } = this.#parts;
    const priced = pricedQuotas(planOf(settings(), account.plan));
    const cap = account.spendCap.money;
    if (cap === null || !priced.some((quota) => quota.meter === meter)) return null;
    const uses = priced.map((quota) => {
      const after = counters.used(counterOfQuota(counters, quota, account, atMs));
      return { quota, before: quota.meter === meter ? after - units : after, after };
    });
    const cost = costBeyondCap(cap, uses);
    return cost === null ? null : moneyRefusal(cost, cap, this.#asked(usage));
  }

  #asked({ account, atMs }: Usage) {
    const settings = this.#parts.settings();
    return { settings, limits: { principal: { plan: planOf(settings, account.plan) } }, atMs };
  }
}

/** Not a limit: the end of exact counting. */
export function tooMuch(meter: string): Refusal {
  return refuse("malformed_request", "units:too-large", `Expected units that keep ${meter} below 2^53`);
}
