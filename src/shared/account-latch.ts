/**
 * One decision at a time for an account, where one needs several counters that cannot be changed together by compare-and-swap: a spend
 * cap in money over several meters, credits out of several grants. Both planes; held for some microseconds, by a slot of the shared
 * slot table that is given back when its holder dies.
 */
import type { InFlight } from "./in-flight-table.ts";
import type { SlotTable } from "./slot-table.ts";

/** Far longer than anybody holds it; then its holder is dead and about to be buried. */
const SPINS_MAX = 1_000_000;

export class AccountLatch {
  readonly #slots: SlotTable;
  readonly #inFlight: Pick<InFlight, "addSlot" | "clearOne">;
  readonly #what: string;

  /** Latches of the same account for something else (`what`) do not wait for each other. */
  constructor(slots: SlotTable, inFlight: Pick<InFlight, "addSlot" | "clearOne">, what: "money" | "credits") {
    this.#slots = slots;
    this.#inFlight = inFlight;
    this.#what = what;
  }

  /** Waits for the account's latch; the function returned lets it go. */
  lock(account: string): () => void {
    const key = this.#slots.key(`${this.#what}|${account}`);
    let place = -1;
    for (let spins = 0; spins < SPINS_MAX && place === -1; spins++) place = this.#slots.take(key, 1);
    if (place < 0) return () => undefined;
    const noted = this.#inFlight.addSlot(place);
    return () => {
      this.#inFlight.clearOne(noted);
      this.#slots.giveBackAt(place);
    };
  }
}
