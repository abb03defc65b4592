/** An account as the store has it. Main thread, pure. Not here: what may be changed of it (`account-change.ts`). */
import type { Selectable } from "kysely";
import type { AccountRecord, SpendCap } from "#shared/principals.ts";
import { anchorOf } from "#control-plane/metering/usage-windows.ts";
import type { AccountsTable } from "#control-plane/store/identity-tables.ts";

export interface Account extends Omit<AccountRecord, "epoch" | "grants"> {
  readonly createdAtMs: number;
  readonly email: string | null;
  readonly deletedAtMs: number | null;
  readonly seenAtMs: number | null;
  /** Until when it has its plan, and which comes then; null: for good. */
  readonly planUntilMs: number | null;
  readonly planAfter: string | null;
  readonly trialUntilMs: number | null;
}

export type AccountRow = Omit<Selectable<AccountsTable>, "anchor_since_ms" | "search">;

const NO_SPEND_CAP: SpendCap = Object.freeze({ units: Object.freeze({}), money: null });

export function toAccount(row: AccountRow): Account {
  return {
    id: row.id,
    externalId: row.external_id,
    name: row.name,
    state: row.deleted_ms === null ? row.state : "deleted",
    plan: row.plan,
    anchorMs: anchorOf(row),
    spendCap: row.spend_cap === null ? NO_SPEND_CAP : spendCapOf(row.spend_cap),
    createdAtMs: row.created_at,
    email: row.email,
    deletedAtMs: row.deleted_ms,
    seenAtMs: row.seen_ms,
    planUntilMs: row.plan_until_ms,
    planAfter: row.plan_after,
    trialUntilMs: row.trial_until_ms,
  };
}

function spendCapOf(json: string): SpendCap {
  // Written by `account-change.ts` from a SpendCap.
  return JSON.parse(json) as SpendCap;
}
