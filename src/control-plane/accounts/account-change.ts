/** Changes of an account, within a transaction of the caller: what differs is stored, and told to the audit log. Main thread. */
import type { Statement } from "better-sqlite3";
import { rfc3339 } from "#core/clock.ts";
import type { SpendCap } from "#shared/principals.ts";
import type { Deed } from "#control-plane/audit/audit-log.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { Account } from "./account.ts";
import { ConflictError } from "./conflict.ts";

export interface AccountChange {
  /** null: no token leads to it. */
  readonly externalId?: string | null | undefined;
  readonly name?: string | undefined;
  readonly email?: string | null | undefined;
  readonly plan?: string | null | undefined;
  /** Until when it has its plan, and which comes then (null: the default plan). `planUntilMs` null: for good. */
  readonly planUntilMs?: number | null | undefined;
  readonly planAfter?: string | null | undefined;
  readonly trialUntilMs?: number | null | undefined;
  readonly state?: "active" | "suspended" | undefined;
  readonly spendCap?: SpendCap | undefined;
}

/** An account as it is now, and what the audit log is to say. */
interface Changed {
  readonly account: Account;
  readonly deed: Deed;
}

const UPDATE = `UPDATE accounts SET external_id = @externalId, name = @name, email = @email, state = @state, plan = @plan, plan_until_ms = @planUntilMs,
  plan_after = @planAfter, trial_until_ms = @trialUntilMs, spend_cap = @spendCap WHERE id = @id`;

export class AccountWriter {
  readonly #update: Statement<unknown[]>;
  readonly #holder: Statement<unknown[], { readonly id: string; readonly deleted_ms: number | null }>;

  constructor(db: Database) {
    const connection = connectionOf(db);
    this.#update = connection.prepare(UPDATE);
    this.#holder = connection.prepare("SELECT id, deleted_ms FROM accounts WHERE external_id = ?");
  }

  /**
   * Stores what differs; null when nothing does. `reason` is for the audit log alone. Throws `ConflictError` when the account is
   * deleted, or another has the external id. `account` is as the transaction has it.
   */
  apply(account: Account, wanted: AccountChange, reason: string | null = null): Changed | null {
    if (account.state === "deleted") throw new ConflictError(`Account ${account.id} is deleted; restore it first`);
    const { before, after } = differences(account, wanted);
    if (Object.keys(after).length === 0) return null;
    if (typeof after.externalId === "string") this.#refuseTaken(after.externalId);
    const now: Account = { ...account, ...after };
    this.#write(now);
    const facts = { ...factsOf(after), ...(reason === null ? {} : { reason }) };
    const deed = { action: actionOf(after), target: now.id, account: now.id, before: factsOf(before), after: facts };
    return { account: now, deed };
  }

  #refuseTaken(externalId: string): void {
    const holder = this.#holder.get(externalId);
    if (holder === undefined) return;
    const words = holder.deleted_ms === null ? "" : ", which is deleted: restore it to give it another";
    throw new ConflictError(`Account ${holder.id} has the external id ${externalId}${words}`);
  }

  #write({ id, externalId, name, email, state, plan, planUntilMs, planAfter, trialUntilMs, spendCap }: Account): void {
    const isCapped = spendCap.money !== null || Object.keys(spendCap.units).length > 0;
    const cap = isCapped ? JSON.stringify(spendCap) : null;
    this.#update.run({ id, externalId, name, email, state, plan, planUntilMs, planAfter, trialUntilMs, spendCap: cap });
  }
}

/** The members of an account that can be changed, as it has them or is to have them. */
type Part = Partial<Pick<Account, keyof AccountChange & keyof Account>>;

/** The members that are to be others. */
function differences(account: Account, wanted: AccountChange): { readonly before: Part; readonly after: Part } {
  const isOther = (name: string, value: unknown) =>
    value !== undefined && JSON.stringify(value) !== JSON.stringify(account[name as keyof Account]);
  const names = Object.entries(wanted).flatMap(([name, value]) => (isOther(name, value) ? [name] : []));
  const of = (object: object) => Object.fromEntries(Object.entries(object).filter(([name]) => names.includes(name)));
  // Members of AccountChange alone are picked.
  return { before: of(account) as Part, after: of(wanted) as Part };
}

/** As the audit log shows them. */
function factsOf({ planUntilMs, trialUntilMs, ...plain }: Part): Readonly<Record<string, unknown>> {
  const time = (ms: number | null) => (ms === null ? null : rfc3339(ms));
  return {
    ...plain,
    ...(planUntilMs === undefined ? {} : { planUntil: time(planUntilMs) }),
    ...(trialUntilMs === undefined ? {} : { trialUntil: time(trialUntilMs) }),
  };
}

/** The weightiest of what changes. */
function actionOf({ state, externalId, plan, planUntilMs, planAfter, trialUntilMs, spendCap }: Part): string {
  if (state !== undefined) return state === "suspended" ? "account.suspended" : "account.activated";
  if (externalId !== undefined) return "account.external_id_changed";
  if (plan !== undefined || planUntilMs !== undefined || planAfter !== undefined) return "account.plan_changed";
  if (trialUntilMs !== undefined) return "account.trial_changed";
  return spendCap === undefined ? "account.updated" : "account.spend_cap_changed";
}
