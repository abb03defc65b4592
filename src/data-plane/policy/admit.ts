/**
 * Phase 5, admit: rates and quotas, all or nothing. Worker thread.
 * First everything is looked at, then everything is taken; what was taken is given back when another thread was faster at a later one.
 * So a request refused by one check consumes nothing of the others, and N requests against L left admit exactly L.
 */
import type { Refusal } from "#core/errors.ts";
import { monotonicNs, wallMs } from "#core/clock.ts";
import { fits } from "#core/limits.ts";
import type { InFlight } from "#shared/in-flight-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { Reservation } from "#data-plane/metering/reservation.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { limitHeaders } from "./limit-headers.ts";
import { overloadedRefusal, quotaRefusal, rateRefusal } from "./limit-refusals.ts";
import type { AppliedQuota, QuotaSelector } from "./quotas.ts";
import type { AppliedRate, RateSelector } from "./rates.ts";

export interface Admission {
  readonly reservation: Reservation | null;
  readonly limitHeaders: readonly string[];
}

/** What is asked of the limits for one request. */
interface Ask {
  readonly rates: readonly AppliedRate[];
  readonly quotas: readonly AppliedQuota[];
  readonly nowNs: bigint;
}

export class Admitter {
  readonly #rates: RateSelector;
  readonly #quotas: QuotaSelector;
  readonly #inFlight: InFlight;
  readonly #onShadow: (refusal: Refusal) => void;

  /** `onShadow` hears what a rule with `shadow: true` would have refused. */
  constructor(rates: RateSelector, quotas: QuotaSelector, inFlight: InFlight, onShadow: (refusal: Refusal) => void) {
    this.#rates = rates;
    this.#quotas = quotas;
    this.#inFlight = inFlight;
    this.#onShadow = onShadow;
  }

  admit(
    runtime: Runtime,
    route: CompiledRoute,
    principal: Principal | null,
    clientAddress: string,
    requestId: string,
  ): Admission | Refusal {
    const atMs = wallMs();
    const ask: Ask = {
      rates: route.rates.map((rate) => this.#rates.apply(rate, route.name, principal, clientAddress)),
      quotas: principal === null ? [] : this.#quotas.apply(principal.account.id, principal.plan, route.units, atMs),
      nowNs: monotonicNs(),
    };
    const refusal = this.#look(ask, runtime, principal, atMs) ?? this.#take(ask, runtime, principal, atMs);
    const headers = limitHeaders(ask.rates, ask.quotas, this.#rates.table, this.#quotas.table, ask.nowNs, atMs);
    if (refusal !== null) return { ...refusal, headers: [...(refusal.headers ?? []), ...headers] };
    return {
      reservation: reservationOf(route, principal, ask.quotas, atMs, requestId, this.#inFlight),
      limitHeaders: headers,
    };
  }

  #look(ask: Ask, runtime: Runtime, principal: Principal | null, atMs: number): Refusal | null {
    for (const rate of ask.rates) {
      const waitNs = this.#rates.table.waitNs(rate.slot, rate.figures.bucket, ask.nowNs);
      if (waitNs === 0n) continue;
      const refusal = rateRefusal(rate, waitNs);
      if (!rate.settings.shadow) return refusal;
      this.#onShadow(refusal);
    }
    for (const applied of ask.quotas) {
      const { quota } = applied;
      if (quota === null) continue;
      const used = this.#quotas.table.used(applied.counter);
      if (fits(used, applied.units, quota.limit)) continue;
      const refusal = quotaRefusal(applied, quota, used, principal, runtime.settings, atMs);
      if (!quota.shadow) return refusal;
      this.#onShadow(refusal);
    }
    return null;
  }

  #take(ask: Ask, runtime: Runtime, principal: Principal | null, atMs: number): Refusal | null {
    const taken: (() => void)[] = [];
    const refusal = this.#takeRates(ask, taken) ?? this.#takeQuotas(ask, taken, runtime, principal, atMs);
    if (refusal !== null) for (const giveBack of taken) giveBack();
    return refusal;
  }

  #takeRates(ask: Ask, taken: (() => void)[]): Refusal | null {
    const { table } = this.#rates;
    for (const rate of ask.rates) {
      const { slot, figures } = rate;
      const outcome = table.take(slot, figures.bucket, ask.nowNs);
      if (outcome === "taken") taken.push(() => table.giveBack(slot, figures.bucket));
      else if (outcome === "full" && !rate.settings.shadow) return overloadedRefusal(`rate:${rate.settings.name}`);
      else if (!rate.settings.shadow) return rateRefusal(rate, table.waitNs(slot, figures.bucket, ask.nowNs));
    }
    return null;
  }

  #takeQuotas(
    ask: Ask,
    taken: (() => void)[],
    runtime: Runtime,
    principal: Principal | null,
    atMs: number,
  ): Refusal | null {
    const { table } = this.#quotas;
    for (const applied of ask.quotas) {
      const { quota, counter, units } = applied;
      const limit = quota === null || quota.shadow ? null : quota.limit;
      const outcome = table.take(counter, units, limit);
      if (outcome === "taken") taken.push(() => table.giveBack(counter, units));
      else if (outcome === "full" || quota === null) return overloadedRefusal(`quota:${applied.meter}`);
      else return quotaRefusal(applied, quota, table.used(counter), principal, runtime.settings, atMs);
    }
    return null;
  }
}

function reservationOf(
  route: CompiledRoute,
  principal: Principal | null,
  quotas: readonly AppliedQuota[],
  atMs: number,
  requestId: string,
  inFlight: InFlight,
): Reservation | null {
  if (principal === null || route.units.length === 0) return null;
  return {
    atMs,
    account: principal.account.id,
    key: principal.keyId ?? "",
    user: principal.user ?? "",
    route: route.name,
    requestId,
    units: route.units,
    countWhen: route.countWhen,
    counters: quotas,
    slots: quotas.map(({ counter, units }) => inFlight.add(counter.entry, units)),
  };
}
