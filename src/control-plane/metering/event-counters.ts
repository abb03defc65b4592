/**
 * The live counters as events that are being booked see and change them. Main thread.
 * Sums that are booked but not told yet are kept beside, so that events of one list follow each other as if each were told at once.
 */
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { LIFETIME_END_MS } from "#core/windows.ts";
import { grantCounterName } from "#shared/counter-shapes.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import type { CreditBurner, TakenCredits } from "#shared/credit-burner.ts";
import type { Burn } from "#shared/journal-format.ts";
import { creditsFor } from "#shared/units-over.ts";
import type { EventRow } from "./event-store.ts";
import type { Ledger } from "./ledger.ts";
import { isLongOver, type Place, placesOf, type Usage } from "./live-places.ts";
import { burnsOf } from "./seeder.ts";

export interface EventCountersParts {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly burner: CreditBurner;
}

export class EventCounters {
  readonly #parts: EventCountersParts;
  /** Units booked and not told, by counter. */
  readonly #untold = new Map<string, number>();
  /** Units that the store had in windows long over when this list first came upon them, by counter. */
  readonly #stored = new Map<string, number>();
  readonly #nowMs = wallMs();
  readonly #burnt: TakenCredits[] = [];
  /** Credits that came back, by grant: the grant has them when the list is committed, the list's own later events before. */
  readonly #back = new Map<string, number>();
  /** Accounts whose grants got credits back. */
  readonly refunded = new Set<string>();
  /** Units taken off at once, which the ledger takes off once more. */
  readonly #takenOff: { readonly counter: CounterKey; readonly units: number }[] = [];

  constructor(parts: EventCountersParts) {
    this.#parts = parts;
  }

  /** The units that really count, and the credits they burn; null: they would bring a counter beyond 2^53 - 1. */
  count(
    usage: Usage,
    units: number,
    before: readonly EventRow[],
  ): { readonly units: number; readonly burns: readonly Burn[] } | null {
    if (usage.op !== "add") return { units, burns: [] };
    const { settings, counters } = this.#parts;
    const places = placesOf({ settings, counters, counting: this.#parts.ledger.counting }, usage);
    if (places.some((place) => this.#used(place, usage) + units > Number.MAX_SAFE_INTEGER)) return null;
    if (units < 0 && this.#isGauge(usage)) return { units: -this.#takeOff(places, usage, -units), burns: [] };
    const burns = units < 0 ? this.#refund(places, usage, -units, before) : this.#burns(places, usage, units);
    this.#remember(places, units);
    return { units, burns };
  }

  /** The transaction failed: all goes back. */
  undo(): void {
    for (const taken of this.#burnt) this.#parts.burner.giveBack(taken);
    this.#putBack();
  }

  /** The transaction is committed: before the ledger tells the live counters, so that none is too low even for a moment. */
  committed(): void {
    this.#putBack();
    for (const [grant, credits] of this.#back) this.#parts.counters.giveBack(this.#grantCounter(grant), credits);
  }

  #putBack(): void {
    for (const { counter, units } of this.#takenOff) this.#parts.counters.add(counter, units);
  }

  #isGauge({ meter }: Usage): boolean {
    return this.#parts.settings.meters[meter]?.aggregate === "last";
  }

  #used(place: Place, usage: Usage): number {
    const untold = this.#untold.get(place.name) ?? 0;
    const isOver = isLongOver(place.counter.window, this.#nowMs);
    return untold + (isOver ? this.#usedThen(place, usage) : this.#parts.counters.used(place.counter));
  }

  /** Of a window that has no live counter any more: from the store, as it was before this list. */
  #usedThen({ name, shape, holder, counter }: Place, { account }: Usage): number {
    const known = this.#stored.get(name);
    if (known !== undefined) return known;
    const { windows } = this.#parts.ledger;
    const { units } = windows.used(windows.account(account.id), shape, holder, counter.window, this.#nowMs);
    this.#stored.set(name, units);
    return units;
  }

  #remember(places: readonly Place[], units: number): void {
    for (const { name } of places) this.#untold.set(name, (this.#untold.get(name) ?? 0) + units);
  }

  #burns(places: readonly Place[], usage: Usage, units: number): readonly Burn[] {
    return places.flatMap((place) => this.#burn(usage, creditsFor(place.quota, this.#used(place, usage), units)));
  }

  /** So many credits, or what there is: of each grant what came back to it in this list, then what it has. */
  #burn({ account, atMs }: Usage, wanted: number): readonly Burn[] {
    const { burner } = this.#parts;
    const burns: Burn[] = [];
    let missing = wanted;
    for (const one of burner.usable(account, atMs)) {
      if (missing === 0) break;
      const again = this.#takeBack(one.grant.id, missing);
      const taken = burner.burnOf(one, missing - again);
      if (taken !== null) this.#burnt.push(taken);
      const credits = again + (taken?.credits ?? 0);
      if (credits > 0) burns.push({ grant: one.grant.id, credits });
      missing -= credits;
    }
    return burns;
  }

  #takeBack(grant: string, most: number): number {
    const there = this.#back.get(grant) ?? 0;
    const part = Math.min(there, most);
    this.#back.set(grant, there - part);
    return part;
  }

  /**
   * Takes units off a gauge, as many as each of its counters has. What this list added is only remembered, so it is taken off there;
   * the rest comes off the counters at once.
   */
  #takeOff(places: readonly Place[], usage: Usage, units: number): number {
    const [first, ...others] = places;
    if (first === undefined) return 0;
    const wanted = Math.max(0, Math.min(units, ...places.map((place) => this.#used(place, usage))));
    const untold = Math.min(wanted, Math.max(0, this.#untold.get(first.name) ?? 0));
    const live = this.#parts.counters.takeOff(first.counter, wanted - untold);
    for (const { counter } of others) this.#parts.counters.giveBack(counter, live);
    for (const { counter } of places) this.#takenOff.push({ counter, units: live });
    this.#remember(places, -untold);
    return untold + live;
  }

  /** Credits burnt for units that were none after all come back, the last ones first. */
  #refund(places: readonly Place[], { account }: Usage, units: number, before: readonly EventRow[]): readonly Burn[] {
    const perUnit = places.find(({ quota }) => quota?.exceed === "credits")?.quota?.creditsPerUnit ?? 0;
    let back = units * perUnit;
    const refunds: Burn[] = [];
    for (const [grant, credits] of burntOf(before).reverse()) {
      const part = Math.min(back, credits);
      if (part <= 0) continue;
      refunds.push({ grant, credits: -part });
      this.#back.set(grant, (this.#back.get(grant) ?? 0) + part);
      back -= part;
    }
    if (refunds.length > 0) this.refunded.add(account.id);
    return refunds;
  }

  #grantCounter(grant: string): CounterKey {
    return this.#parts.counters.key(grantCounterName(grant), { kind: "lifetime", startMs: 0, endMs: LIFETIME_END_MS });
  }
}

/** Credits by grant that events have burnt together, in the order they did. */
function burntOf(rows: readonly EventRow[]): [grant: string, credits: number][] {
  const sums = new Map<string, number>();
  for (const { burns } of rows)
    for (const { grant, credits } of burnsOf(burns)) sums.set(grant, (sums.get(grant) ?? 0) + credits);
  return [...sums];
}
