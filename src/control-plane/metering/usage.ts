/** Reading the ledger for reports: lines of `tollgate usage`. Main thread. Not here: windows (`usage-windows.ts`). */
import { sql } from "kysely";
import { MINUTE_MS } from "#core/windows.ts";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type { Database } from "#control-plane/store/database.ts";
import { saturated } from "./tally.ts";
import type { UsageGrain } from "./usage-grains.ts";

const GRAIN_MS: Readonly<Record<UsageGrain, number>> = {
  minute: MINUTE_MS,
  hour: 60 * MINUTE_MS,
  day: 1440 * MINUTE_MS,
};

/** A line of `tollgate usage`. */
export interface UsageRow {
  /** Start of the minute, hour or day, milliseconds since 1970. */
  readonly atMs: number;
  readonly account: string;
  readonly key: string | null;
  readonly route: string;
  readonly meter: string;
  /** The sum; the largest value of a meter that keeps it, the last of a gauge that is measured. */
  readonly units: number;
  readonly requests: number;
}

export interface UsageFilter {
  /** null: all accounts. */
  readonly account: string | null;
  readonly fromMs: number;
  readonly toMs: number;
  readonly by: UsageGrain;
  readonly limit: number;
}

interface Row extends Omit<UsageRow, "key" | "units"> {
  readonly key: string;
  readonly op: UsageOp;
  readonly high: number;
  readonly low: number;
  readonly one: number;
}

/** Lines of the ledger in order of time, account, meter, route and key. */
export async function usageRows(db: Database, filter: UsageFilter): Promise<readonly UsageRow[]> {
  // As text: a bound number is a REAL, and would not divide to a whole one.
  const grainMs = sql.lit(GRAIN_MS[filter.by]);
  const ofAccount = filter.account === null ? sql`` : sql`AND account = ${filter.account}`;
  // Sums in two halves, as SQLite fails beyond 2^63. `units` beside a single max() is from the row that has it.
  const { rows } = await sql<Row>`
    SELECT minute / ${grainMs} * ${grainMs} AS "atMs", account, key, route, meter, op, sum(requests) AS requests,
      sum(units / 4294967296) AS high, sum(units % 4294967296) AS low, units AS one,
      max(CASE op WHEN 'set' THEN at_ms ELSE units END) AS rank
    FROM usage WHERE minute >= ${filter.fromMs} AND minute < ${filter.toMs} ${ofAccount}
    GROUP BY 1, account, meter, route, key, op ORDER BY 1, account, meter, route, key, op LIMIT ${filter.limit}`.execute(
    db,
  );
  return rows.map(({ atMs, account, key, route, meter, requests, op, high, low, one }) => {
    const units = op === "add" ? saturated(high * 2 ** 32 + low) : one;
    return { atMs, account, key: key === "" ? null : key, route, meter, units, requests };
  });
}
