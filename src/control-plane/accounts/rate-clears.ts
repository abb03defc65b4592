/**
 * Clearing the rates of an account, so that it starts whole again. Main thread. Nothing is changed in the shared table: a number that the
 * account's record carries becomes part of the names of its entries, so from the next request on it draws from fresh ones, and those
 * before come to nothing by themselves. Kept in memory, as rates are. Quotas are never cleared: what was used was used.
 */
import type { RateKey, RateSettings, Settings } from "#config/settings.ts";
import { EVERY_RATE, type RateClears as Clears } from "#shared/principals.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Account } from "./account.ts";

export class RateClears {
  readonly #audit: AuditLog;
  readonly #announce: Announce;
  readonly #byAccount = new Map<string, Clears>();

  constructor(audit: AuditLog, announce: Announce) {
    this.#audit = audit;
    this.#announce = announce;
  }

  /** null: none were. */
  of(account: string): Clears | null {
    return this.#byAccount.get(account) ?? null;
  }

  /** Clears these rates, or, with null, all and those of the account's keys and members. In force on the next request. */
  async clear({ id, externalId }: Account, rates: readonly string[] | null): Promise<void> {
    const next = new Map(this.#byAccount.get(id));
    for (const name of rates ?? [EVERY_RATE]) next.set(name, (next.get(name) ?? 0) + 1);
    const deed = { action: "account.limits_cleared", target: id, account: id, before: null };
    await this.#audit.record({ ...deed, after: { rates: rates ?? "all" } });
    this.#byAccount.set(id, next);
    await this.#announce({ kind: "account", id, externalId });
  }
}

/** Names of the rates that an account has for itself. */
export function clearableRates({ rates }: Settings): readonly string[] {
  return Object.values(rates)
    .filter(isClearable)
    .map(({ name }) => name);
}

function isClearable({ by }: RateSettings): boolean {
  return by.some(isOfAccount);
}

/** What is counted by address, route or plan alone is everybody's. */
function isOfAccount(key: RateKey): boolean {
  return key !== "ip" && key !== "route" && key !== "plan";
}
