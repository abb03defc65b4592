/** Reading the ledger: sums for quota counters, for usage answers and for reports. Main thread. */
import { wallMs } from "#core/clock.ts";
import { WINDOW_KINDS, type Window, windowAt } from "#core/windows.ts";
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

/**
 * Puts what the ledger knows of the current windows of these meters into the counters. It adds, so only for meters that nobody
 * counts yet. Returns how many counters found no place in the table.
 */
export async function seedCounters(db: Database, counters: CounterTable, meters: Iterable<string>): Promise<number> {
  const windows = [...meters].flatMap((meter) =>
    WINDOW_KINDS.map((kind) => ({ meter, window: windowAt(kind, wallMs()) })),
  );
  // All is read before anything is added: a failure half way adds nothing.
  const sums = await Promise.all(windows.map(({ meter, window }) => unitsByAccount(db, meter, window)));
  let unplaced = 0;
  windows.forEach(({ meter, window }, index) => {
    for (const { account, units } of sums[index] ?? []) {
      if (counters.take(counters.key(account, meter, window), units, null) === "full") unplaced++;
    }
  });
  return unplaced;
}

function unitsByAccount(db: Database, meter: string, window: Window) {
  return db
    .selectFrom("usage_hours")
    .select(({ fn }) => ["account", fn.sum<number>("units").as("units")] as const)
    .where("meter", "=", meter)
    .where("hour", ">=", window.startMs)
    .where("hour", "<", window.endMs)
    .groupBy("account")
    .execute();
}
