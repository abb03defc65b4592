/** `GET /billing/usage`: what an account has used of each meter in its current window. Main thread. Exact: from the live counters. */
import type { PlanSettings, Settings } from "#config/settings.ts";
import { rfc3339, wallMs } from "#core/clock.ts";
import { windowAt } from "#core/windows.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Ledger } from "./ledger.ts";

export interface MeterUsage {
  readonly meter: string;
  readonly used: number;
  /** null: unlimited. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** null: the plan has no quota on this meter. */
  readonly exceed: "block" | null;
  readonly window: { readonly kind: string; readonly start: string; readonly end: string };
}

export interface UsageParts {
  readonly db: Database;
  readonly counters: CounterTable;
  readonly ledger: Ledger;
}

/** One line for each meter of the file; a meter without a quota is shown for the month. */
export function accountUsage(
  counters: CounterTable,
  settings: Settings,
  account: string,
  plan: PlanSettings,
): readonly MeterUsage[] {
  const now = wallMs();
  return Object.keys(settings.meters).map((meter) => {
    const quota = plan.quotas[meter];
    const window = windowAt(quota?.per ?? "month", now);
    const used = counters.used(counters.key(account, meter, window));
    const limit = quota?.limit ?? null;
    return {
      meter,
      used,
      limit,
      remaining: limit === null ? null : Math.max(0, limit - used),
      exceed: quota?.exceed ?? null,
      window: { kind: window.kind, start: rfc3339(window.startMs), end: rfc3339(window.endMs) },
    };
  });
}
