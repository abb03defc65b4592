/**
 * Phase 5, admit: rates, concurrency limits, quotas, credits, all or nothing. Worker thread.
 * First everything is looked at (`look.ts`), then everything is taken; what was taken is given back when another thread was faster at
 * a later one. So a request refused by one check consumes nothing of the others, and N requests against L left admit exactly L.
 */
import { monotonicNs, wallMs } from "#core/clock.ts";
import type { Refusal } from "#core/errors.ts";
import type { CreditBurner, TakenCredits } from "#shared/credit-burner.ts";
import type { InFlight } from "#shared/in-flight-table.ts";
import { AccountLatch } from "#shared/account-latch.ts";
import { creditsRefusal, overloadedRefusal, quotaRefusal } from "#shared/quota-refusals.ts";
import { creditsFor, takeLimit } from "#shared/units-over.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { Reservation } from "#data-plane/metering/reservation.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import type { CallerLimits, LimitBook, LimitTables, LiveLine } from "./caller-limits.ts";
import { reservedUnits } from "./estimates.ts";
import { LimitState } from "./limit-headers.ts";
import { concurrencyRefusal, rateRefusal } from "./limit-refusals.ts";
import { type Ask, Look, type ShadowListener } from "./look.ts";
import type { LiveCounter } from "./quotas.ts";
import { instantOf, type LiveRate } from "./rates.ts";
import { HeldSlots } from "./slots.ts";

export interface Admission {
  readonly reservation: Reservation | null;
  /** Concurrency slots; given back when the request is over. null: none. */
  readonly held: HeldSlots | null;
  readonly limitState: LimitState;
}

export interface AdmitParts {
  readonly tables: LimitTables;
  readonly book: LimitBook;
  readonly burner: CreditBurner;
  readonly inFlight: InFlight;
  readonly onShadow: ShadowListener;
}

/** One request as the limits see it. */
export interface Applicant {
  readonly runtime: Runtime;
  readonly route: CompiledRoute;
  readonly principal: Principal | null;
  readonly clientAddress: string;
  readonly requestId: string;
  /** Names and values in turn; for estimates that a header names. */
  readonly rawHeaders: readonly string[];
}

export class Admitter {
  readonly #parts: AdmitParts;
  readonly #look: Look;
  readonly #latch: AccountLatch;

  constructor(parts: AdmitParts) {
    this.#parts = parts;
    this.#look = new Look(parts.tables, parts.burner, parts.onShadow);
    this.#latch = new AccountLatch(parts.tables.slots, parts.inFlight, "money");
  }

  admit(applicant: Applicant): Admission | Refusal {
    const ask = this.#ask(applicant);
    const refusal = this.#look.refusal(ask);
    const outcome = refusal ?? new Taking(this.#parts, this.#look, this.#latch, ask).take();
    if (!("code" in outcome)) return outcome;
    const headers = ask.state.headers();
    return { ...outcome, headers: [...(outcome.headers ?? []), ...headers] };
  }

  #ask({ runtime, route, principal, clientAddress, requestId, rawHeaders }: Applicant): Ask {
    const { book, tables } = this.#parts;
    const atMs = wallMs();
    const at = instantOf(monotonicNs());
    const limits = book.of(runtime, route, principal, atMs);
    const rates = limits.moreRates
      ? [...limits.rates, ...book.ratesByAddress(route, principal, clientAddress)]
      : limits.rates;
    const concurrency =
      limits.concurrency.length === route.concurrency.length
        ? limits.concurrency
        : [...limits.concurrency, ...book.concurrencyByAddress(route, principal, clientAddress)];
    const { settings } = runtime;
    const state = new LimitState({ rates, limits, tables, at, atMs, sets: settings.limitHeaders });
    return {
      settings,
      limits,
      rates,
      concurrency,
      at,
      atMs,
      requestId,
      units: reservedUnits(route, rawHeaders),
      state,
    };
  }
}

/** One request's taking, and its undoing. */
class Taking {
  readonly #parts: AdmitParts;
  readonly #look: Look;
  readonly #latch: AccountLatch;
  readonly #ask: Ask;
  readonly #rates: LiveRate[] = [];
  readonly #slots: number[][] = [];
  readonly #credits: TakenCredits[][] = [];
  #held: HeldSlots | null = null;

  constructor(parts: AdmitParts, look: Look, latch: AccountLatch, ask: Ask) {
    this.#parts = parts;
    this.#look = look;
    this.#latch = latch;
    this.#ask = ask;
  }

  take(): Admission | Refusal {
    const { limits, state } = this.#ask;
    const refusal = this.#takeRates(this.#ask.rates) ?? this.#takeSlots() ?? this.#takeQuotas(limits);
    if (refusal !== null) {
      this.#undo();
      return refusal;
    }
    return { reservation: limits.frames === null ? null : this.#reservation(), held: this.#held, limitState: state };
  }

  #reservation(): Reservation {
    const { limits, atMs, requestId, units } = this.#ask;
    return {
      atMs,
      epoch: limits.epoch,
      requestId,
      limits,
      units,
      slots: this.#slots,
      credits: this.#credits,
      journaled: false,
      over: false,
      lost: false,
    };
  }

  #undo(): void {
    const { at, limits, units } = this.#ask;
    for (const rate of this.#rates) rate.giveBack(at);
    this.#held?.giveBack();
    this.#credits.flat().forEach((taken) => this.#parts.burner.giveBack(taken));
    this.#slots.forEach((slots, index) => {
      slots.forEach((slot, place) => {
        const counter = limits.lines[index]?.counters[place]?.counter;
        this.#parts.inFlight.clearOne(slot);
        if (counter !== undefined) this.#parts.tables.counters.giveBack(counter, units[index] ?? 0);
      });
    });
  }

  #takeRates(rates: readonly LiveRate[]): Refusal | null {
    const { at } = this.#ask;
    for (const rate of rates) {
      const outcome = rate.take(at);
      if (outcome === "taken") this.#rates.push(rate);
      else if (!rate.shadow)
        return outcome === "full" ? overloadedRefusal(`rate:${rate.name}`) : rateRefusal(rate, rate.waitNs(at));
    }
    return null;
  }

  #takeSlots(): Refusal | null {
    const { slots } = this.#parts.tables;
    for (const live of this.#ask.concurrency) {
      const place = slots.take(live.key, live.settings.shadow ? null : live.limit);
      if (place === -1) return concurrencyRefusal(live);
      if (place === -2 && !live.settings.shadow) return overloadedRefusal(`concurrency:${live.settings.name}`);
      if (place < 0) continue;
      this.#held ??= new HeldSlots(slots, this.#parts.inFlight);
      this.#held.add(place);
    }
    return null;
  }

  /** A cap on money over several meters is one decision over several counters: one at a time for each account. */
  #takeQuotas(limits: CallerLimits): Refusal | null {
    const { moneyCap, principal } = limits;
    if (moneyCap === null || principal === null) return this.#takeLines(limits.lines);
    const release = this.#latch.lock(principal.account.id);
    try {
      return this.#takeLines(limits.lines) ?? this.#look.moneyRefusal(this.#ask, moneyCap, true);
    } finally {
      release();
    }
  }

  #takeLines(lines: readonly LiveLine[]): Refusal | null {
    for (const [index, { line, counters }] of lines.entries()) {
      const units = this.#ask.units[index] ?? 0;
      const slots: number[] = [];
      const credits: TakenCredits[] = [];
      this.#slots.push(slots);
      this.#credits.push(credits);
      // Values of other kinds are put into their counters when they are known; what is given back is given back then.
      if (line.op !== "add" || units < 0) continue;
      for (const live of counters) {
        const refusal = this.#takeCounter(live, units, slots, credits);
        if (refusal !== null) return refusal;
      }
    }
    return null;
  }

  #takeCounter(live: LiveCounter, units: number, slots: number[], credits: TakenCredits[]): Refusal | null {
    const { tables, inFlight, burner } = this.#parts;
    const { counters } = tables;
    const outcome = counters.take(live.counter, units, takeLimit(live.hard, units));
    if (outcome === "full") return overloadedRefusal(`quota:${live.counter.window.kind}`);
    if (outcome === "over") return quotaRefusal(live, counters.used(live.counter), this.#ask);
    const { before } = counters;
    slots.push(inFlight.add(live.counter.entry, units));
    const { quota } = live;
    if (quota === null) return null;
    if (live.throttle !== null && this.#look.isThrottled(live, before, units)) {
      const refusal = this.#takeRates([live.throttle]);
      if (refusal !== null) return refusal;
    }
    const wanted = creditsFor(quota, before, units);
    if (wanted === 0) return null;
    const { principal } = this.#ask.limits;
    const taken = principal === null ? null : burner.burn(principal.account, wanted, this.#ask.atMs);
    if (taken === null) return creditsRefusal(live, wanted, 0, this.#ask);
    credits.push(...taken);
    return null;
  }
}
