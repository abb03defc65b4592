/** Reading the ledger: sums for quota counters, for usage answers and for reports. Main thread. */
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { type Window, type WindowKind, windowAt } from "#core/windows.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Database } from "#control-plane/store/database.ts";

/** A line of `tollgate usage`. */
export interface UsageRow {
  readonly account: string;
  readonly key: string | null;
  readonly route: string;
  readonly meter: string;
  readonly hour: number;
  readonly units: number;
  readonly requests: number;
}

export interface UsageFilter {
  /** null: all accounts. */
  readonly account: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
}

/** Lines of the ledger in order of hour, account, meter, route and key. */
export async function usageRows(db: Database, filter: UsageFilter): Promise<readonly UsageRow[]> {
  let query = db
    .selectFrom("usage_hours")
    .selectAll()
    .where("hour", ">=", filter.fromMs)
    .where("hour", "<", filter.toMs)
    .orderBy("hour")
    .orderBy("account")
    .orderBy("meter")
    .orderBy("route")
    .orderBy("key")
    .limit(filter.limit);
  if (filter.account !== null) query = query.where("account", "=", filter.account);
  return (await query.execute()).map((row) => ({ ...row, key: row.key === "" ? null : row.key }));
}

/** Units of one account and meter in a window. */
export async function unitsIn(db: Database, account: string, meter: string, window: Window): Promise<number> {
  const row = await db
    .selectFrom("usage_hours")
    .select(({ fn }) => fn.sum<number | null>("units").as("units"))
    .where("account", "=", account)
    .where("meter", "=", meter)
    .where("hour", ">=", window.startMs)
    .where("hour", "<", window.endMs)
    .executeTakeFirst();
  return row?.units ?? 0;
}

/** Each kind of window that a plan uses, by meter, as `meter|kind`. */
export function countedWindows(settings: Settings): ReadonlySet<string> {
  const quotas = Object.values(settings.plans).flatMap((plan) => Object.values(plan.quotas));
  return new Set(quotas.map(({ meter, per }) => `${meter}|${per}`));
}

/** Puts what the ledger knows of the current windows into the counters. Only for windows nobody counts in yet: it adds. */
export async function seedCounters(db: Database, counters: CounterTable, windows: ReadonlySet<string>): Promise<void> {
  for (const name of windows) {
    const [meter = "", kind = ""] = name.split("|");
    // The set was made from QuotaSettings, whose `per` is a WindowKind.
    const window = windowAt(kind as WindowKind, wallMs());
    const sums = await db
      .selectFrom("usage_hours")
      .select(({ fn }) => ["account", fn.sum<number>("units").as("units")] as const)
      .where("meter", "=", meter)
      .where("hour", ">=", window.startMs)
      .where("hour", "<", window.endMs)
      .groupBy("account")
      .execute();
    for (const { account, units } of sums) counters.take(counters.key(account, meter, window), units, null);
  }
}
