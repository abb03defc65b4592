/**
 * What one user has used, by account and meter, from the ledger's minute rows. Main thread. By the index `usage_user`, a day at a time, in
 * steps between which other work is done: some 10 µs for each row of the user's, and nothing for those of others.
 * Not here: folding the journal first, and who may see it (`api/`).
 */
import { setImmediate } from "node:timers/promises";
import { sql } from "kysely";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type { Database } from "#control-plane/store/database.ts";
import { NOTHING, type Tally, tallied } from "./tally.ts";

const DAY_MS = 86_400_000;

export interface UserUsageAsk {
  /** `users.external_id`, as the ledger has it. */
  readonly user: string;
  /** Minutes that begin from `fromMs` on and before `toMs`. */
  readonly fromMs: number;
  readonly toMs: number;
}

export interface UserUsage {
  /** `accounts.id`. */
  readonly account: string;
  readonly meter: string;
  /** The sum; the largest value of a meter that keeps it, the last of a gauge that is measured. */
  readonly units: number;
  readonly requests: number;
}

interface Row {
  readonly account: string;
  readonly meter: string;
  readonly minute: number;
  readonly op: UsageOp;
  readonly units: number;
  readonly requests: number;
  readonly at_ms: number;
}

/** Of one account and meter so far. Of a meter that changed how it adds up, what it did last. */
interface Line {
  readonly account: string;
  readonly meter: string;
  readonly op: UsageOp;
  readonly tally: Tally;
  readonly requests: number;
}

/** In order of account and meter. */
export async function userUsage(db: Database, ask: UserUsageAsk): Promise<readonly UserUsage[]> {
  const lines = new Map<string, Line>();
  for (let from = await firstMinute(db, ask); from !== null; ) {
    const toMs = Math.min(from + DAY_MS, ask.toMs);
    for (const row of await rowsOf(db, { ...ask, fromMs: from, toMs })) {
      const name = JSON.stringify([row.account, row.meter]);
      lines.set(name, withRow(lines.get(name) ?? null, row));
    }
    await setImmediate();
    from = await firstMinute(db, { ...ask, fromMs: toMs });
  }
  return [...lines.values()]
    .map(({ account, meter, tally, requests }) => ({ account, meter, units: tally.units, requests }))
    .toSorted((one, other) => compare(one.account, other.account) || compare(one.meter, other.meter));
}

/** Days without usage are not walked over. null: there is none. */
async function firstMinute(db: Database, { user, fromMs, toMs }: UserUsageAsk): Promise<number | null> {
  const { rows } = await sql<{ first: number | null }>`SELECT min(minute) AS first FROM usage INDEXED BY usage_user
    WHERE user = ${user} AND user <> '' AND minute >= ${fromMs} AND minute < ${toMs}`.execute(db);
  return rows[0]?.first ?? null;
}

async function rowsOf(db: Database, { user, fromMs, toMs }: UserUsageAsk): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`SELECT account, meter, minute, op, units, requests, at_ms
    FROM usage INDEXED BY usage_user
    WHERE user = ${user} AND user <> '' AND minute >= ${fromMs} AND minute < ${toMs} ORDER BY minute`.execute(db);
  return rows;
}

/** Rows come in order of time. */
function withRow(line: Line | null, { account, meter, op, units, requests, at_ms }: Row): Line {
  const before = line?.op === op ? line.tally : NOTHING;
  return { account, meter, op, tally: tallied(op, before, units, at_ms), requests: (line?.requests ?? 0) + requests };
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
