/**
 * One reservation on its way from set aside to booked: what it burns, and what its end does to the live counters. Main thread, within
 * the transaction that books it. The counters are first told what was used and then let go of what was reserved: for a moment too
 * high, never too low.
 */
import { wallMs } from "#core/clock.ts";
import { LIFETIME_END_MS } from "#core/windows.ts";
import { grantCounterName } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { CreditBurner, TakenCredits } from "#shared/credit-burner.ts";
import type { Burn, Charge } from "#shared/journal-format.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { creditsFor } from "#shared/units-over.ts";
import type { CounterChange } from "./booking.ts";
import type { Ledger } from "./ledger.ts";
import { type CountersParts, countersOf, isLongOver, type LiveCounter, type Place } from "./live-places.ts";
import type { ReservationRow } from "./reservation-store.ts";
import { burnsOf } from "./seeder.ts";
import type { UnitsTaker } from "./units-taker.ts";

export interface ConfirmingParts {
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly burner: CreditBurner;
  readonly taker: UnitsTaker;
}

export class Confirming {
  /** Credits burnt, by grant. */
  readonly burns: readonly Burn[];
  readonly #parts: ConfirmingParts;
  readonly #row: ReservationRow;
  readonly #units: number;
  /** Found while the store is as it was when the units were reserved: shapes that come later know nothing of them. */
  readonly #held: readonly LiveCounter[];
  readonly #more: readonly TakenCredits[];
  readonly #back: readonly Burn[];
  #changes: readonly CounterChange[] = [];

  /** `units` is what it came to. */
  constructor(parts: ConfirmingParts, row: ReservationRow, account: AccountRecord, units: number) {
    this.#parts = parts;
    this.#row = row;
    this.#units = units;
    const { meter, op, key, user, at_ms: atMs } = row;
    const { counters, ledger, taker } = parts;
    this.#held = heldBy({ counting: ledger.counting, counters }, row);
    const places = taker.places({ account, meter, op, key, user, atMs });
    const reserved = burnsOf(row.burns);
    const more = units - row.units;
    this.#more = more > 0 ? this.#burnMore(places, account, more) : [];
    this.#back = more < 0 ? refunds(places, reserved, -more) : [];
    this.burns = merged([
      ...reserved,
      ...this.#more,
      ...this.#back.map((burn) => ({ ...burn, credits: -burn.credits })),
    ]);
  }

  charge(): Charge {
    const { id, account, key, user, route, meter, op, at_ms: atMs } = this.#row;
    const units = [{ meter, op, units: this.#units }];
    const place = { account, key, user, route, requestId: id };
    return { ...place, atMs, status: 0, first: false, epoch: 0, units, burns: this.burns };
  }

  booked(changes: readonly CounterChange[]): void {
    this.#changes = changes;
  }

  /** The transaction failed: all is as it was. */
  undo(): void {
    for (const taken of this.#more) this.#parts.burner.giveBack(taken);
  }

  committed(): void {
    const { ledger, counters } = this.#parts;
    ledger.tell(this.#changes);
    for (const { counter } of this.#held) counters.giveBack(counter, this.#row.units);
    for (const { grant, credits } of this.#back) giveBackCredits(counters, grant, credits);
  }

  /** Usage beyond what was reserved has happened: credits are burnt as far as there are any. */
  #burnMore(places: readonly Place[], account: AccountRecord, more: number): readonly TakenCredits[] {
    const { burner } = this.#parts;
    return places.flatMap((place) => {
      const wanted = creditsFor(place.quota, this.#used(place), more);
      return wanted === 0 ? [] : burner.burnUpTo(account, wanted, this.#row.at_ms);
    });
  }

  /** With what was reserved. */
  #used({ counter, shape, holder }: Place): number {
    const { counters, ledger } = this.#parts;
    const now = wallMs();
    if (!isLongOver(counter.window, now)) return counters.used(counter);
    const account = ledger.windows.account(this.#row.account);
    return ledger.windows.used(account, shape, holder, counter.window, now).units + this.#row.units;
  }
}

/** Lets go of all that an open reservation holds in the live counters. */
export function giveBackHeld(parts: CountersParts, row: ReservationRow): void {
  // Seeding that failed leaves counters of grants that hold nothing yet.
  if (!parts.counting.isSeen(row.account)) return;
  for (const { counter } of heldBy(parts, row)) parts.counters.giveBack(counter, row.units);
  for (const { grant, credits } of burnsOf(row.burns)) giveBackCredits(parts.counters, grant, credits);
}

function heldBy(
  parts: CountersParts,
  { account, key, user, meter, op, at_ms: atMs }: ReservationRow,
): readonly LiveCounter[] {
  return countersOf(parts, { account, key, user, meter, op, atMs });
}

function giveBackCredits(counters: CounterTable, grant: string, credits: number): void {
  // A counter that is there is found by its name alone.
  const window = { kind: "lifetime", startMs: 0, endMs: LIFETIME_END_MS } as const;
  counters.giveBack(counters.key(grantCounterName(grant), window), credits);
}

/** Credits of units that were not used after all, the last ones first. */
function refunds(places: readonly Place[], reserved: readonly Burn[], fewer: number): readonly Burn[] {
  const perUnit = places.find(({ quota }) => quota?.exceed === "credits")?.quota?.creditsPerUnit ?? 0;
  let back = fewer * perUnit;
  return reserved.toReversed().flatMap(({ grant, credits }) => {
    const part = Math.min(back, credits);
    back -= part;
    return part > 0 ? [{ grant, credits: part }] : [];
  });
}

/** One line for each grant; none for those of which nothing is left. */
function merged(burns: readonly Burn[]): readonly Burn[] {
  const sums = new Map<string, number>();
  for (const { grant, credits } of burns) sums.set(grant, (sums.get(grant) ?? 0) + credits);
  return [...sums].flatMap(([grant, credits]) => (credits > 0 ? [{ grant, credits }] : []));
}
