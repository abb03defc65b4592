/** One change of many accounts (`bulk-run.ts`). Main thread. */
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { CreditGrants, GrantWish } from "#control-plane/credits/grants.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { type AccountChange, AccountWriter } from "#control-plane/accounts/account-change.ts";
import type { AccountLife } from "#control-plane/accounts/account-life.ts";
import type { AccountFilter, AccountList } from "#control-plane/accounts/account-list.ts";
import {
  type BulkKind,
  type BulkOutcome,
  type BulkParts,
  type BulkWish,
  type Done,
  NOTHING_DONE,
  runBulk,
} from "./bulk-run.ts";

export type AccountAct =
  | { readonly kind: "change"; readonly change: (account: Account) => AccountChange }
  | { readonly kind: "delete" }
  | { readonly kind: "grant"; readonly wish: GrantWish };

export type AccountBulkWish = BulkWish<AccountFilter, AccountAct>;

export interface AccountBulkParts extends BulkParts {
  readonly announce: Announce;
  readonly list: AccountList;
  readonly life: AccountLife;
  readonly grants: CreditGrants;
}

export class AccountBulk implements BulkKind<Account, AccountFilter, AccountAct> {
  readonly name = "accounts";
  readonly #parts: AccountBulkParts;
  readonly #writer: AccountWriter;

  constructor(parts: AccountBulkParts) {
    this.#parts = parts;
    this.#writer = new AccountWriter(parts.db);
  }

  /** In force on the next request when it resolves. */
  run(wish: AccountBulkWish): Promise<BulkOutcome> {
    return runBulk(this.#parts, this, wish);
  }

  count(filter: AccountFilter): Promise<number> {
    return this.#parts.list.count(filter);
  }

  within(trx: Database, filter: AccountFilter, count: number): Promise<readonly Account[]> {
    return this.#parts.list.within(trx, filter, count);
  }

  act(account: Account, { act, reason }: AccountBulkWish): Done {
    // Deleted ones are listed only when they are asked for; nothing is done to them.
    if (account.state === "deleted") return NOTHING_DONE;
    switch (act.kind) {
      case "change": {
        const changed = this.#writer.apply(account, act.change(account), reason);
        return changed === null ? NOTHING_DONE : { deeds: [changed.deed], keys: [] };
      }
      case "delete":
        return this.#parts.life.deleteWithin(account, reason);
      case "grant": {
        const deed = this.#parts.grants.giveWithin(account.id, act.wish);
        return deed === null ? NOTHING_DONE : { deeds: [deed], keys: [] };
      }
    }
  }

  async announce(changed: readonly Account[], keys: readonly string[]): Promise<void> {
    await this.#parts.announce({ kind: "batch", accounts: changed.map(({ id }) => id), keys });
  }
}
