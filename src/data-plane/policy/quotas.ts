/**
 * Phase 5, admit, second half: quotas. Worker thread. Which counters a charge moves and which of them limit it;
 * the counters are in shared memory (`shared/counter-table.ts`).
 * Every charge moves a counter for each kind of window, whether a plan limits it or not: a change of plan or of the file
 * then finds all usage already counted, without a gap.
 */
import { boundedCache } from "#data-plane/bounded-cache.ts";
import type { PlanSettings, QuotaSettings } from "#config/settings.ts";
import { WINDOW_KINDS, type WindowKind, windowAt } from "#core/windows.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import type { MeterUnits } from "#shared/journal-format.ts";

const COUNTERS_REMEMBERED_MAX = 100_000;

/** A counter a request moves. */
export interface AppliedQuota {
  readonly meter: string;
  readonly units: number;
  readonly counter: CounterKey;
  /** The plan's quota on this counter; null: counted only. */
  readonly quota: QuotaSettings | null;
}

/** Finds the counters of a request. */
export class QuotaSelector {
  readonly table: CounterTable;
  readonly #counters = boundedCache<CounterKey>(COUNTERS_REMEMBERED_MAX);

  constructor(table: CounterTable) {
    this.table = table;
  }

  apply(account: string, plan: PlanSettings, units: readonly MeterUnits[], atMs: number): readonly AppliedQuota[] {
    const applied: AppliedQuota[] = [];
    for (const { meter, units: cost } of units) {
      for (const kind of WINDOW_KINDS) {
        const quota = plan.quotas[meter];
        const own = quota !== undefined && quota.per === kind ? quota : null;
        applied.push({ meter, units: cost, counter: this.#counter(account, meter, kind, atMs), quota: own });
      }
    }
    return applied;
  }

  #counter(account: string, meter: string, kind: WindowKind, atMs: number): CounterKey {
    const text = `${account}|${meter}|${kind}`;
    const known = this.#counters.get(text);
    if (known !== undefined && atMs >= known.window.startMs && atMs < known.window.endMs) return known;
    const counter = this.table.key(account, meter, windowAt(kind, atMs));
    this.#counters.set(text, counter);
    return counter;
  }
}
