/**
 * Phase 5, admit: concurrency limits. Worker thread. A slot is taken for each limit of the route and given back when the request is
 * over, however it ends; `shared/slot-table.ts` holds them, the in-flight table what a dead worker held.
 */
import type { ConcurrencySettings, PlanSettings } from "#config/settings.ts";
import type { InFlight } from "#shared/in-flight-table.ts";
import type { SlotKey } from "#shared/shared-table.ts";
import type { SlotTable } from "#shared/slot-table.ts";

/** A concurrency limit of a route with the figures of every plan. */
export interface CompiledConcurrency {
  readonly settings: ConcurrencySettings;
  readonly byPlan: ReadonlyMap<string, number>;
}

/** A concurrency limit as it applies to one caller on one route. */
export interface LiveConcurrency {
  readonly settings: ConcurrencySettings;
  readonly limit: number;
  readonly key: SlotKey;
}

export function compileConcurrency(settings: ConcurrencySettings, plans: readonly PlanSettings[]): CompiledConcurrency {
  const own = plans.flatMap((plan) => {
    const limit = plan.concurrency[settings.name];
    return limit === undefined ? [] : [[plan.id, limit] as const];
  });
  return { settings, byPlan: new Map(own) };
}

/** Slots a request holds. Given back once, by whoever comes first. */
export class HeldSlots {
  readonly #table: SlotTable;
  readonly #inFlight: InFlight;
  readonly #held: number[] = [];

  constructor(table: SlotTable, inFlight: InFlight) {
    this.#table = table;
    this.#inFlight = inFlight;
  }

  /** `place` as `SlotTable.take` gives it. */
  add(place: number): void {
    this.#held.push(place, this.#inFlight.addSlot(place));
  }

  giveBack(): void {
    while (this.#held.length > 0) {
      const noted = this.#held.pop() ?? -1;
      const place = this.#held.pop() ?? -1;
      // Cleared first: a death in between leaves a slot taken rather than given back twice.
      this.#inFlight.clearOne(noted);
      this.#table.giveBackAt(place);
    }
  }
}
