/**
 * Phase 7, settle: what a request reserved is kept and journaled, or given back. Worker thread.
 * Invariant M1: `settle` returns only after the journal has the record, and nobody writes a response byte before it returns.
 */
import type { CountWhen } from "#config/settings.ts";
import type { Charge, MeterUnits } from "#shared/journal-format.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { InFlight } from "#shared/in-flight-table.ts";
import type { AppliedQuota } from "#data-plane/policy/quotas.ts";
import type { JournalWriter } from "./journal-writer.ts";

/** Status under which a client that left before the answer is settled (as nginx logs it). */
export const CLIENT_CLOSED_STATUS = 499;

/** Units taken from counters for a request under way. */
export interface Reservation {
  readonly atMs: number;
  readonly account: string;
  readonly key: string;
  readonly user: string;
  readonly route: string;
  readonly requestId: string;
  readonly units: readonly MeterUnits[];
  readonly countWhen: CountWhen;
  readonly counters: readonly AppliedQuota[];
  /** Its slots in the in-flight table: should this thread die, the main thread gives the units back. */
  readonly slots: readonly number[];
}

export class Settler {
  readonly #journal: JournalWriter;
  readonly #counters: CounterTable;
  readonly #inFlight: InFlight;

  constructor(journal: JournalWriter, counters: CounterTable, inFlight: InFlight) {
    this.#journal = journal;
    this.#counters = counters;
    this.#inFlight = inFlight;
  }

  /** Whether charges can be written at all just now. */
  get healthy(): boolean {
    return this.#journal.healthy;
  }

  /** Settles once, by the status the client is about to get. False: the charge could not be written, and the units went back. */
  settle(reservation: Reservation, status: number): boolean {
    if (!counts(reservation.countWhen, status)) {
      this.release(reservation);
      return true;
    }
    const { atMs, account, key, user, route, requestId, units } = reservation;
    const charge: Charge = { atMs, status, account, key, user, route, requestId, units };
    this.#inFlight.charging(reservation.slots, this.#journal.position());
    if (this.#journal.append(charge)) {
      this.#inFlight.clear(reservation.slots);
      return true;
    }
    this.release(reservation);
    return false;
  }

  /** Gives everything back. */
  release(reservation: Reservation): void {
    // Cleared first: a death in between leaves units taken rather than given back twice.
    this.#inFlight.clear(reservation.slots);
    for (const { counter, units } of reservation.counters) this.#counters.giveBack(counter, units);
  }
}

function counts(when: CountWhen, status: number): boolean {
  if (when === "always") return true;
  return when === "2xx" ? status >= 200 && status < 300 : status < 500;
}
