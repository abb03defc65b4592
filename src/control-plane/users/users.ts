/** Users: found, listed, made ahead of their first token, changed and deleted. Main thread; every change is announced before it is answered. */
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Database } from "#control-plane/store/database.ts";
import { toUser, type User } from "./user.ts";
import { type UserChange, UserWriter } from "./user-change.ts";
import { listUsers, type UserPage } from "./user-list.ts";
import { UserRemoval } from "./user-removal.ts";

export interface NewUser {
  readonly externalId: string;
  /** In lower case. */
  readonly email: string | null;
  readonly name: string | null;
}

export interface UsersParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
}

export class Users {
  readonly #parts: UsersParts;
  readonly #writer: UserWriter;
  readonly #removal: UserRemoval;

  constructor(parts: UsersParts) {
    this.#parts = parts;
    this.#writer = new UserWriter(parts.db);
    this.#removal = new UserRemoval(parts.db);
  }

  byId(id: string): Promise<User | null> {
    return findUser(this.#parts.db, id);
  }

  async byExternalId(externalId: string): Promise<User | null> {
    const { db } = this.#parts;
    const row = await db.selectFrom("users").selectAll().where("external_id", "=", externalId).executeTakeFirst();
    return row === undefined ? null : toUser(row);
  }

  /** By our id or the external one. */
  async find(idOrExternalId: string): Promise<User | null> {
    return (await this.byId(idOrExternalId)) ?? (await this.byExternalId(idOrExternalId));
  }

  list(page: UserPage): Promise<readonly User[]> {
    return listUsers(this.#parts.db, page);
  }

  /** Throws `ConflictError` when the external id or the e-mail is taken. */
  async create(wanted: NewUser): Promise<User> {
    const { db } = this.#parts;
    return db.transaction().execute((trx) => this.createIn(trx, wanted));
  }

  /** As `create`, in a transaction of the caller's. Nobody knows a new user, so nothing is announced. */
  async createIn(trx: Database, { externalId, email, name }: NewUser): Promise<User> {
    const known = await trx.selectFrom("users").select("id").where("external_id", "=", externalId).executeTakeFirst();
    if (known !== undefined) throw new ConflictError(`A user with the external id ${externalId} exists`);
    this.#writer.refuseTaken(email, null);
    const id = newId("user");
    const row = { external_id: externalId, email, name, state: "active" as const, created_ms: wallMs() };
    await trx
      .insertInto("users")
      .values({ id, ...row })
      .execute();
    const deed = { action: "user.created", target: id, account: null, before: null };
    await this.#parts.audit.write(trx, { ...deed, after: { externalId, email, name } });
    return toUser({ id, ...row, not_before_ms: null, seen_ms: null });
  }

  /** null when there is no such user, or a deleted one. In force on the next request. Throws `ConflictError` when the e-mail is taken. */
  async change(id: string, wanted: UserChange): Promise<User | null> {
    const { db, announce } = this.#parts;
    const user = await db.transaction().execute((trx) => this.#store(trx, id, wanted));
    if (user !== null) await announce({ kind: "user", id, externalId: user.externalId });
    return user;
  }

  /** As `change`, in a transaction of the caller's, who announces. */
  async #store(trx: Database, id: string, wanted: UserChange): Promise<User | null> {
    const user = await findUser(trx, id);
    if (user === null || user.state === "deleted") return null;
    const changed = this.#writer.apply(user, wanted);
    if (changed === null) return user;
    await this.#parts.audit.write(trx, changed.deed);
    return changed.user;
  }

  /**
   * For good: their tokens are refused, the e-mail is free, the keys they made are revoked (and those these made), memberships and open
   * invitations of theirs are over. null when there is no such user; deleting twice is once.
   */
  async remove(id: string): Promise<User | null> {
    const { db, audit, announce } = this.#parts;
    const keys: string[] = [];
    const user = await db.transaction().execute(async (trx) => {
      const found = await findUser(trx, id);
      if (found === null || found.state === "deleted") return found;
      const removed = this.#removal.removeWithin(found, null);
      keys.push(...removed.keys);
      await audit.writeAll(trx, removed.deeds);
      return { ...found, state: "deleted" as const, email: null };
    });
    if (user !== null) await announce({ kind: "batch", accounts: [], keys, users: [user.externalId] });
    return user;
  }
}

async function findUser(db: Database, id: string): Promise<User | null> {
  const row = await db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
  return row === undefined ? null : toUser(row);
}
