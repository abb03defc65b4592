/** One change of many users (`bulk-run.ts`). Main thread. */
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Sessions } from "#control-plane/users/sessions.ts";
import type { User } from "#control-plane/users/user.ts";
import { type UserChange, UserWriter } from "#control-plane/users/user-change.ts";
import { countUsers, listUsers, type UserFilter } from "#control-plane/users/user-list.ts";
import { UserRemoval } from "#control-plane/users/user-removal.ts";
import {
  type BulkKind,
  type BulkOutcome,
  type BulkParts,
  type BulkWish,
  type Done,
  NOTHING_DONE,
  runBulk,
} from "./bulk-run.ts";

export type UserAct =
  | { readonly kind: "change"; readonly change: UserChange }
  | { readonly kind: "delete" }
  | { readonly kind: "revokeSessions" };

export type UserBulkWish = BulkWish<UserFilter, UserAct>;

export interface UserBulkParts extends BulkParts {
  readonly announce: Announce;
  readonly sessions: Sessions;
}

export class UserBulk implements BulkKind<User, UserFilter, UserAct> {
  readonly name = "users";
  readonly #parts: UserBulkParts;
  readonly #writer: UserWriter;
  readonly #removal: UserRemoval;

  constructor(parts: UserBulkParts) {
    this.#parts = parts;
    this.#writer = new UserWriter(parts.db);
    this.#removal = new UserRemoval(parts.db);
  }

  /** In force on the next request when it resolves. */
  async run(wish: UserBulkWish): Promise<BulkOutcome> {
    if (wish.act.kind === "revokeSessions") await this.#parts.sessions.hearAll();
    return runBulk(this.#parts, this, wish);
  }

  count(filter: UserFilter): Promise<number> {
    return countUsers(this.#parts.db, filter);
  }

  within(trx: Database, filter: UserFilter, count: number): Promise<readonly User[]> {
    return listUsers(trx, { filter, sort: "created", count, after: null });
  }

  act(user: User, { act, reason }: UserBulkWish): Done {
    // Deleted ones are listed only when they are asked for; nothing is done to them.
    if (user.state === "deleted") return NOTHING_DONE;
    switch (act.kind) {
      case "change": {
        const changed = this.#writer.apply(user, act.change, reason);
        return changed === null ? NOTHING_DONE : { deeds: [changed.deed], keys: [] };
      }
      case "delete":
        return this.#removal.removeWithin(user, reason);
      case "revokeSessions":
        return { deeds: [this.#parts.sessions.revokeWithin(user, reason).deed], keys: [] };
    }
  }

  async announce(changed: readonly User[], keys: readonly string[]): Promise<void> {
    await this.#parts.announce({
      kind: "batch",
      accounts: [],
      keys,
      users: changed.map(({ externalId }) => externalId),
    });
  }
}
