/**
 * Phase 7, settle: what a request reserved is kept, adjusted and journaled, or given back. Worker thread.
 * Charges are staged, and a `flush` writes all that are staged with one call: many requests share it. Invariant M1: nobody writes the bytes
 * a charge stands for before the flush behind it returned, and found it not lost: the answer's head for constant lines, its last byte
 * for measured ones.
 */
import type { CountWhen } from "#config/settings.ts";
import type { Burn, ChargeFrame } from "#shared/journal-format.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { InFlight } from "#shared/in-flight-table.ts";
import type { LiveLine } from "#data-plane/policy/caller-limits.ts";
import type { CreditBurner, TakenCredits } from "#shared/credit-burner.ts";
import { creditsFor } from "#shared/units-over.ts";
import type { LiveCounter } from "#data-plane/policy/quotas.ts";
import type { JournalWriter } from "./journal-writer.ts";
import type { Reservation } from "./reservation.ts";

const NO_BURNS: readonly Burn[] = [];
const NO_SLOTS: readonly number[] = [];

/** A charge whose record is to be written: that of the lines `from` to before `to`. */
interface Staged {
  readonly reservation: Reservation;
  readonly units: readonly number[];
  readonly from: number;
  readonly to: number;
  /** Slots of the in-flight table it is noted in. */
  readonly noted: readonly number[];
  /** Where its record ends among the staged bytes. */
  end: number;
}

export class Settler {
  readonly #journal: JournalWriter;
  readonly #counters: CounterTable;
  readonly #inFlight: InFlight;
  readonly #burner: CreditBurner;
  #staged: Staged[] = [];

  constructor(journal: JournalWriter, counters: CounterTable, inFlight: InFlight, burner: CreditBurner) {
    this.#journal = journal;
    this.#counters = counters;
    this.#inFlight = inFlight;
    this.#burner = burner;
  }

  /** Whether charges can be written at all just now. */
  get healthy(): boolean {
    return this.#journal.healthy;
  }

  /**
   * Settles by the status the client is about to get; `measured` are the units of the measured lines, null when they are not known
   * yet (`stageMeasured` follows).
   */
  stage(reservation: Reservation, status: number, measured: readonly number[] | null): void {
    if (reservation.over) return;
    const { limits } = reservation;
    const { constants, lines, countWhen } = limits.route;
    if (!counts(countWhen, status)) return this.release(reservation);
    if (measured === null) return this.#stageConstants(reservation, status);
    reservation.over = true;
    const units = lines.map((_, index) =>
      index < constants ? this.#constant(reservation, index, status) : (measured[index - constants] ?? 0),
    );
    for (let index = constants; index < lines.length; index++) this.#adjust(reservation, index, units[index] ?? 0);
    this.#stage(reservation, limits.frames?.all ?? null, status, units, 0, lines.length);
  }

  #stageConstants(reservation: Reservation, status: number): void {
    const { limits, units } = reservation;
    const { constants } = limits.route;
    if (constants === 0) return;
    const final = units.slice(0, constants).map((_, index) => this.#constant(reservation, index, status));
    this.#stage(reservation, limits.frames?.constant ?? null, status, final, 0, constants);
  }

  /** Settles the measured lines. */
  stageMeasured(reservation: Reservation, status: number, measured: readonly number[]): void {
    if (reservation.over) return;
    reservation.over = true;
    const { limits } = reservation;
    const { constants, lines } = limits.route;
    measured.forEach((units, index) => this.#adjust(reservation, constants + index, units));
    this.#stage(reservation, limits.frames?.measured ?? null, status, measured, constants, lines.length);
  }

  /** Writes what is staged. What cannot be written goes back, and its reservation is `lost`. */
  flush(): void {
    const staged = this.#staged;
    if (staged.length === 0) return;
    this.#staged = [];
    const written = this.#journal.flush();
    for (const charge of staged) {
      if (charge.end <= written) this.#written(charge);
      else this.#undo(charge);
    }
    for (const { reservation } of staged) if (reservation.lost) this.#giveUp(reservation);
  }

  /** Gives everything back that is not settled. */
  release(reservation: Reservation): void {
    if (reservation.over) return;
    reservation.over = true;
    const { lines, constants } = reservation.limits.route;
    // What was to be given back was not taken.
    for (let index = reservation.journaled ? constants : 0; index < lines.length; index++)
      this.#giveBack(reservation, index, Math.max(0, reservation.units[index] ?? 0));
  }

  /** Units of a constant line. Units of a gauge are given back when the app did what was asked, at most as many as there are. */
  #constant({ limits, units, slots }: Reservation, index: number, status: number): number {
    const wanted = units[index] ?? 0;
    if (wanted >= 0) return wanted;
    const [first, ...others] = limits.lines[index]?.counters ?? [];
    if (status < 200 || status > 299 || first === undefined) return 0;
    const off = this.#counters.takeOff(first.counter, -wanted);
    if (off === 0) return 0;
    // Added, so that a counter nobody moved before has it too.
    for (const { counter } of others) this.#counters.add(counter, -off);
    for (const { counter } of [first, ...others]) slots[index]?.push(this.#inFlight.addTakenOff(counter.entry, off));
    return -off;
  }

  /** Brings what was reserved for a measured line to what it is. */
  #adjust({ limits, units, slots, credits, atMs }: Reservation, index: number, actual: number): void {
    const line = limits.lines[index];
    if (line === undefined || line.line.op !== "add") return;
    const more = actual - (units[index] ?? 0);
    line.counters.forEach((live, place) => {
      const slot = slots[index]?.[place] ?? -1;
      // Noted before they go and after they come: a death in between leaves units taken rather than given back twice.
      if (more < 0) this.#inFlight.change(slot, actual);
      this.#counters.add(live.counter, more);
      if (more > 0) this.#burnMore(limits.principal, live, more, credits[index] ?? [], atMs);
      if (more > 0) this.#inFlight.change(slot, actual);
    });
    if (more < 0) this.#refund(line, -more, credits[index] ?? []);
  }

  /** Usage beyond the estimate has happened: credits are burnt as far as there are any. The units are in the counter already. */
  #burnMore(
    principal: Reservation["limits"]["principal"],
    live: LiveCounter,
    more: number,
    taken: TakenCredits[],
    atMs: number,
  ): void {
    const wanted = creditsFor(live.quota, this.#counters.before, more);
    if (wanted === 0 || principal === null) return;
    // The reservation's own list: what is added here is journaled with the rest.
    taken.push(...this.#burner.burnUpTo(principal.account, wanted, atMs));
  }

  /** Credits taken for units that were not used after all, the last ones first. */
  #refund(line: LiveLine, fewer: number, taken: readonly TakenCredits[]): void {
    const perUnit = line.counters.find(({ quota }) => quota?.exceed === "credits")?.quota?.creditsPerUnit ?? 0;
    let back = fewer * perUnit;
    for (const one of taken.toReversed()) {
      const part = Math.min(back, one.credits);
      if (part > 0) this.#burner.reduce(one, part);
      back -= part;
    }
  }

  /** Stages the record of the lines `from` to before `to`. */
  #stage(
    reservation: Reservation,
    frame: ChargeFrame | null,
    status: number,
    units: readonly number[],
    from: number,
    to: number,
  ): void {
    if (frame === null) return;
    const { slots, credits } = reservation;
    const noted: number[] = [];
    let burns = NO_BURNS;
    for (let index = from; index < to; index++) {
      for (const slot of slots[index] ?? NO_SLOTS) noted.push(slot);
      const taken = credits[index];
      if (taken === undefined || taken.length === 0) continue;
      for (const { slot } of taken) noted.push(slot);
      burns = [...burns, ...burnsOf(taken)];
    }
    const charge = { reservation, units, from, to, noted, end: 0 };
    const first = !reservation.journaled;
    if (this.#stageRecord(charge, frame, first, status, burns)) return;
    // No room beside the others: they are written first. Alone it must fit.
    this.flush();
    if (this.#stageRecord(charge, frame, first, status, burns)) return;
    this.#undo(charge);
    this.#giveUp(reservation);
  }

  #stageRecord(charge: Staged, frame: ChargeFrame, first: boolean, status: number, burns: readonly Burn[]): boolean {
    const { reservation, units, noted } = charge;
    this.#inFlight.charging(noted, this.#journal.position());
    charge.end = this.#journal.stage(reservation, frame, first, status, units, burns);
    if (charge.end === -1) return false;
    reservation.journaled = true;
    this.#staged.push(charge);
    return true;
  }

  /** The record is in the journal. What is no sum is put into the counters only now. */
  #written({ reservation, units, from, to, noted }: Staged): void {
    this.#inFlight.clear(noted);
    for (let index = from; index < to; index++) {
      const line = reservation.limits.lines[index];
      if (line === undefined || line.line.op === "add") continue;
      const value = units[index - from] ?? 0;
      for (const { counter } of line.counters) {
        if (line.line.op === "max") this.#counters.raise(counter, value);
        else this.#counters.set(counter, value);
      }
    }
  }

  /** The record could not be written. */
  #undo({ reservation, units, from, to }: Staged): void {
    reservation.lost = true;
    for (let index = from; index < to; index++) this.#giveBack(reservation, index, units[index - from] ?? 0);
  }

  /** What is still reserved for a request that lost a charge goes back too. */
  #giveUp(reservation: Reservation): void {
    if (reservation.over) return;
    reservation.over = true;
    const { constants, lines } = reservation.limits.route;
    for (let index = constants; index < lines.length; index++)
      this.#giveBack(reservation, index, reservation.units[index] ?? 0);
  }

  #giveBack({ limits, slots, credits }: Reservation, index: number, units: number): void {
    const line = limits.lines[index];
    if (line === undefined || line.line.op !== "add") return;
    // Cleared first: a death in between leaves units taken rather than given back twice.
    this.#inFlight.clear(slots[index] ?? []);
    if (units !== 0) for (const { counter } of line.counters) this.#counters.giveBack(counter, units);
    for (const taken of credits[index] ?? []) this.#burner.giveBack(taken);
  }
}

function burnsOf(taken: readonly TakenCredits[]): readonly Burn[] {
  return taken.filter(({ credits }) => credits > 0).map(({ grant, credits }) => ({ grant, credits }));
}

/** Whether an answer of this status is charged. */
export function counts(when: CountWhen, status: number): boolean {
  if (when === "always") return true;
  return when === "2xx" ? status >= 200 && status < 300 : status < 500;
}
