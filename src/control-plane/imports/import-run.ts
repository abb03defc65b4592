/**
 * An import as a whole: all rows or none, in one transaction, in steps between which this thread does other things. Main thread. Others who
 * write wait for its end: some 50 µs for each row.
 */
import { setImmediate } from "node:timers/promises";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { CsvFault, CsvRow, CsvTable } from "./csv-table.ts";

/** What becomes of a row whose external id is there already. */
export type OnConflict = "error" | "skip" | "update";

export interface ImportParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
}

export interface ImportOutcome {
  readonly rows: number;
  readonly created: number;
  readonly updated: number;
  /** Rows that changed nothing. */
  readonly unchanged: number;
}

/** What one row comes to, once it is stored. */
export interface Imported {
  readonly kind: "created" | "updated" | "unchanged";
  readonly deeds: readonly Deed[];
  /** Ids workers know: accounts by ours, users by the external one. */
  readonly changed: string | null;
}

/** What an import does with its rows. */
export interface RowWriter {
  /** What is wrong with a row, beside the store as it is; changes nothing. */
  check(row: CsvRow): readonly CsvFault[];
  /** Stores a row without faults. */
  write(row: CsvRow): Imported;
}

const STEP = 500;

/** Ends a transaction without its changes. */
class TakenBack extends Error {
  readonly faults: readonly CsvFault[];

  constructor(faults: readonly CsvFault[]) {
    super("Import was taken back");
    this.faults = faults;
  }
}

/** In force on the next request when it resolves. Faults: nothing was done. A dry run does the same and takes it back. */
export async function runImport(
  { db, audit, announce }: ImportParts,
  what: "accounts" | "users",
  { rows, faults }: CsvTable,
  writer: RowWriter,
  isDry: boolean,
): Promise<ImportOutcome | readonly CsvFault[]> {
  const counts = { created: 0, updated: 0, unchanged: 0 };
  const changed: string[] = [];
  try {
    await db.transaction().execute(async (trx) => {
      const wrong = [...faults];
      await inSteps(rows, async (step) => wrong.push(...step.flatMap((row) => writer.check(row))));
      if (wrong.length > 0) throw new TakenBack(wrong);
      await inSteps(rows, async (step) => {
        const done = step.map((row) => writer.write(row));
        for (const { kind, changed: id } of done) {
          counts[kind]++;
          if (kind === "updated" && id !== null) changed.push(id);
        }
        await audit.writeAll(
          trx,
          done.flatMap(({ deeds }) => deeds),
        );
      });
      if (isDry) throw new TakenBack([]);
    });
  } catch (error) {
    if (!(error instanceof TakenBack)) throw error;
    if (error.faults.length > 0) return error.faults.toSorted((a, b) => a.row - b.row);
  }
  const none: readonly string[] = [];
  if (!isDry && changed.length > 0)
    await announce({ kind: "batch", keys: none, accounts: none, users: none, [what]: changed });
  return { rows: rows.length, ...counts };
}

async function inSteps(rows: readonly CsvRow[], work: (step: readonly CsvRow[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < rows.length; at += STEP) {
    await work(rows.slice(at, at + STEP));
    await setImmediate();
  }
}
