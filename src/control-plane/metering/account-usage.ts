/** `GET /billing/usage`: what an account has used of each meter in its current window. Main thread. Exact: from the live counters. */
import type { PlanSettings, Settings } from "#config/settings.ts";
import { rfc3339, wallMs } from "#core/clock.ts";
import { windowAt } from "#core/windows.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Ledger } from "./ledger.ts";
import { unitsIn } from "./usage.ts";

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

/** One line for each meter of the file. A meter without a quota is summed over the month, from the ledger. */
export async function accountUsage(
  parts: UsageParts,
  settings: Settings,
  account: string,
  plan: PlanSettings,
): Promise<readonly MeterUsage[]> {
  await parts.ledger.fold();
  const now = wallMs();
  return Promise.all(
    Object.keys(settings.meters).map(async (meter) => {
      const quota = plan.quotas[meter];
      const window = windowAt(quota?.per ?? "month", now);
      const used =
        quota === undefined
          ? await unitsIn(parts.db, account, meter, window)
          : parts.counters.used(parts.counters.key(account, meter, window));
      const limit = quota?.limit ?? null;
      return {
        meter,
        used,
        limit,
        remaining: limit === null ? null : Math.max(0, limit - used),
        exceed: quota?.exceed ?? null,
        window: { kind: window.kind, start: rfc3339(window.startMs), end: rfc3339(window.endMs) },
      };
    }),
  );
}
