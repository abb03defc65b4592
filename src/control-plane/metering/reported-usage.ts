/** Puts together what takes in usage that is reported: events and reservations. Main thread. */
import type { Settings } from "#config/settings.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import { CreditBurner } from "#shared/credit-burner.ts";
import { AccountLatch } from "#shared/account-latch.ts";
import { SlotTable } from "#shared/slot-table.ts";
import type { Accounts } from "#control-plane/accounts/accounts.ts";
import type { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import type { CreditGrants } from "#control-plane/credits/grants.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Ledger } from "./ledger.ts";
import { Reservations } from "./reservations.ts";
import { UnitsTaker } from "./units-taker.ts";
import { UsageEvents } from "./usage-events.ts";

export interface ReportedUsageParts {
  readonly db: Database;
  readonly settings: () => Settings;
  readonly accounts: Accounts;
  readonly keys: ApiKeys;
  readonly ledger: Ledger;
  readonly grants: CreditGrants;
  readonly counters: CounterTable;
  /** Table of slots, for the latches that workers take too. */
  readonly slots: SharedArrayBuffer;
  /** This thread's mark in shared tables. */
  readonly owner: number;
  /** Tells the workers that an account is another now. */
  readonly announce: (account: string) => Promise<void>;
}

/** What this thread takes needs no note: when it dies, so do the tables. */
const NO_NOTES = { add: () => -1, addSlot: () => -1, change: () => undefined, clearOne: () => undefined };

export function reportedUsage(parts: ReportedUsageParts): {
  readonly events: UsageEvents;
  readonly reservations: Reservations;
} {
  const { db, settings, accounts, keys, ledger, counters, announce } = parts;
  const slots = new SlotTable(parts.slots, parts.owner);
  const burner = new CreditBurner(counters, slots, NO_NOTES);
  const latch = new AccountLatch(slots, NO_NOTES, "money");
  const usable = (account: string) => parts.grants.usable(account);
  const notOver = (account: string) => parts.grants.notOver(account);
  const account = (id: string) => accounts.byId(id);
  const taker = new UnitsTaker({ settings, counting: ledger.counting, counters, burner, latch });
  return {
    events: new UsageEvents({ db, settings, accounts, keys, ledger, counters, burner, grants: notOver, announce }),
    reservations: new Reservations({ db, settings, account, ledger, counters, burner, taker, grants: usable }),
  };
}
