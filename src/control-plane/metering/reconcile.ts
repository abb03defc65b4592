/**
 * `tollgate reconcile`: the ledger from the journal, the windows from the ledger, the live counters from the windows, each computed
 * anew and beside what is kept. Main thread; reads one snapshot of the store through a connection of its own, and changes nothing.
 */
import SQLite from "better-sqlite3";
import { rfc3339, wallMs } from "#core/clock.ts";
import { connectionOf } from "#control-plane/store/database.ts";
import type { UsageParts } from "./account-usage.ts";
import { type Difference, Found, newPause } from "./reconcile-found.ts";
import { compareJournal, type JournalCompared } from "./reconcile-journal.ts";
import { compareLive, type LiveCompared } from "./reconcile-live.ts";
import { compareWindows, type WindowsCompared } from "./reconcile-windows.ts";

export interface Reconciliation {
  readonly at: string;
  /** Minute rows and grants beside journal segments, reported events and confirmed reservations. */
  readonly journal: JournalCompared;
  /** Sums by window and values of gauges beside the minute rows. */
  readonly windows: WindowsCompared;
  /** Live counters beside the sums, of the accounts seen in this run; null: no gateway runs. */
  readonly live: LiveCompared | null;
  readonly differenceCount: number;
  /** The first 1,000. */
  readonly differences: readonly Difference[];
}

/** Folds what is in the journal, then compares. Takes as long as reading the kept journal and the whole ledger takes. */
export async function reconcile(parts: UsageParts): Promise<Reconciliation> {
  const { db, ledger, counters, inFlight, journalDir } = parts;
  return ledger.keepingJournal(async () => {
    await ledger.fold();
    const nowMs = wallMs();
    const [found, pause] = [new Found(), newPause()];
    const snapshot = new SQLite(connectionOf(db).name, { readonly: true, fileMustExist: true });
    try {
      snapshot.exec("BEGIN");
      const journal = await compareJournal(snapshot, journalDir, nowMs, found, pause);
      const windows = await compareWindows(snapshot, [...ledger.counting.shapes()], nowMs, found, pause);
      const live = inFlight === null ? null : await compareLive({ db, ledger, counters, inFlight }, found, pause);
      const differences = found.differences;
      return { at: rfc3339(nowMs), journal, windows, live, differenceCount: found.count, differences };
    } finally {
      snapshot.close();
    }
  });
}
