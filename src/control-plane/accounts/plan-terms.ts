/**
 * Plans that an account has for a time: when it is over, the plan that comes after is in force. Main thread; a timer's work, and once at a
 * start for those whose time came while nothing ran. Each ends once, however often the clock jumps: ending a term takes it away.
 */
import { rfc3339, wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import { type Account, toAccount } from "./account.ts";
import { AccountWriter } from "./account-change.ts";

const PLAN_ENDED_EVENT = "plan.ended";

/** Accounts in one transaction: some milliseconds. */
const STEP = 200;

export interface PlanTermsParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
}

export class PlanTerms {
  readonly #parts: PlanTermsParts;
  readonly #writer: AccountWriter;

  constructor(parts: PlanTermsParts) {
    this.#parts = parts;
    this.#writer = new AccountWriter(parts.db);
  }

  /** Ends what is over. In force when it resolves; what credits the next plan grants is seen to when the account is seen next. */
  async tick(): Promise<void> {
    for (;;) {
      const ended = await this.#endSome(wallMs());
      if (ended.length > 0) await this.#parts.announce({ kind: "batch", accounts: ended, keys: [] });
      if (ended.length < STEP) return;
    }
  }

  #endSome(nowMs: number): Promise<readonly string[]> {
    return this.#parts.db.transaction().execute(async (trx) => {
      const rows = await trx
        .selectFrom("accounts")
        .selectAll()
        .where("plan_until_ms", "<=", nowMs)
        .orderBy("plan_until_ms")
        .limit(STEP)
        .execute();
      const accounts = rows.map(toAccount);
      const deeds = accounts.flatMap((account) => this.#end(account));
      await this.#parts.audit.writeAll(trx, deeds);
      for (const account of accounts) await this.#tell(trx, account, nowMs);
      return accounts.map(({ id }) => id);
    });
  }

  /** A deleted account's term ends too: it must not come back with a plan whose time is over. */
  #end(account: Account): readonly Deed[] {
    const change = { plan: account.planAfter, planUntilMs: null, planAfter: null };
    const changed = this.#writer.apply(
      { ...account, state: account.state === "deleted" ? "active" : account.state },
      change,
    );
    return changed === null ? [] : [{ ...changed.deed, action: "account.plan_ended" }];
  }

  async #tell(trx: Database, { id, plan, planAfter, planUntilMs }: Account, nowMs: number): Promise<void> {
    const until = rfc3339(planUntilMs ?? nowMs);
    const data = JSON.stringify({ plan, next: planAfter, until });
    const event = { id: newId("evt"), type: PLAN_ENDED_EVENT, account: id, at_ms: nowMs, data };
    await trx
      .insertInto("events")
      .values({ ...event, once: null })
      .execute();
  }
}
