/**
 * Keeps the live counters of measured gauges equal to the store. Main thread.
 * Workers set such a counter when a value is known, in the order in which requests end; the ledger keeps the value of the request
 * that began last. Where the two differ, and neither has moved between two folds, nothing is on its way any more and the ledger's
 * value is put into the counter. Other counters need none of this: sums and maxima do not depend on the order.
 */
import { wallMs } from "#core/clock.ts";
import { counterName } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { CounterPlace } from "./booking.ts";
import type { UsageWindows } from "./usage-windows.ts";

interface Watched extends CounterPlace {
  /** What the counter and the store had at the last look; null: not looked yet. */
  readonly last: readonly [live: number, booked: number] | null;
}

export class GaugeWatch {
  readonly #counters: CounterTable;
  readonly #windows: UsageWindows;
  readonly #watched = new Map<string, Watched>();

  constructor(counters: CounterTable, windows: UsageWindows) {
    this.#counters = counters;
    this.#windows = windows;
  }

  /** A value was booked. */
  note(place: CounterPlace): void {
    const { account, shape, holder, window } = place;
    this.#watched.set(counterName(account, shape.key, holder, window), { ...place, last: null });
  }

  /** After a fold, on the store's connection. */
  check(): void {
    for (const [name, watched] of this.#watched) {
      const { account, shape, holder, window, last } = watched;
      const key = this.#counters.key(name, window);
      const live = this.#counters.used(key);
      const booked = this.#windows.used(this.#windows.account(account), shape, holder, window, wallMs()).units;
      const isStill = last?.[0] === live && last[1] === booked;
      if (isStill) this.#counters.set(key, booked);
      if (isStill || live === booked) this.#watched.delete(name);
      else this.#watched.set(name, { ...watched, last: [live, booked] });
    }
  }
}
