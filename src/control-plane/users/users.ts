/** Users: found, listed, made ahead of their first token, changed and deleted. Main thread; every change is announced before it is answered. */
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Database } from "#control-plane/store/database.ts";
import { toUser, type User } from "./user.ts";
import { listUsers, type UserFilter, type UserPlace } from "./user-list.ts";
import { removeUser } from "./user-removal.ts";

export interface NewUser {
  readonly externalId: string;
  /** In lower case. */
  readonly email: string | null;
  readonly name: string | null;
}

export interface UserChange {
  readonly name?: string | null;
  /** In lower case. */
  readonly email?: string | null;
  readonly state?: "active" | "suspended";
  /** Tokens issued up to then are refused; milliseconds since 1970. null: none are. */
  readonly notBeforeMs?: number | null;
}

export interface UsersParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
}

const COLUMNS = { name: "name", email: "email", state: "state", notBeforeMs: "not_before_ms" } as const;

export class Users {
  readonly #parts: UsersParts;

  constructor(parts: UsersParts) {
    this.#parts = parts;
  }

  async byId(id: string): Promise<User | null> {
    const row = await this.#parts.db.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
    return row === undefined ? null : toUser(row);
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

  /** A page behind that place; null: the first. */
  list(filter: UserFilter, count: number, after: UserPlace | null): Promise<readonly User[]> {
    return listUsers(this.#parts.db, filter, count, after);
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
    await refuseTaken(trx, email, null);
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
    const row = await trx.selectFrom("users").selectAll().where("id", "=", id).executeTakeFirst();
    if (row === undefined || row.state === "deleted") return null;
    const user = toUser(row);
    const names = membersOf(COLUMNS).filter((name) => wanted[name] !== undefined && wanted[name] !== user[name]);
    if (names.length === 0) return user;
    if (names.includes("email")) await refuseTaken(trx, wanted.email ?? null, id);
    const set = Object.fromEntries(names.map((name) => [COLUMNS[name], wanted[name]]));
    await trx.updateTable("users").set(set).where("id", "=", id).execute();
    const of = (values: UserChange) => Object.fromEntries(names.map((name) => [name, values[name]]));
    const deed = { action: actionOf(wanted, names), target: id, account: null };
    await this.#parts.audit.write(trx, { ...deed, before: of(user as UserChange), after: of(wanted) });
    return { ...user, ...of(wanted) };
  }

  /**
   * For good: their tokens are refused, the e-mail is free, the keys they made are revoked (and those these made), memberships and open
   * invitations of theirs are over. null when there is no such user; deleting twice is once.
   */
  async remove(id: string): Promise<User | null> {
    const { db, audit, announce } = this.#parts;
    const removed = await db.transaction().execute((trx) => removeUser(trx, audit, id));
    if (removed === null) return null;
    const { user, keys } = removed;
    await announce({ kind: "user", id, externalId: user.externalId });
    for (const key of keys) await announce({ kind: "key", id: key });
    return user;
  }
}

async function refuseTaken(trx: Database, email: string | null, exceptOf: string | null): Promise<void> {
  if (email === null) return;
  const holder = await trx.selectFrom("users").select("id").where("email", "=", email).executeTakeFirst();
  if (holder !== undefined && holder.id !== exceptOf) throw new ConflictError("Another user has this e-mail");
}

/** The weightiest of what changes. */
function actionOf({ state }: UserChange, names: readonly string[]): string {
  if (names.includes("state")) return state === "suspended" ? "user.suspended" : "user.activated";
  return names.includes("notBeforeMs") ? "user.cut_off_changed" : "user.updated";
}

function membersOf<T extends object>(object: T): readonly (keyof T)[] {
  // The keys of a const object are exactly its key type.
  return Object.keys(object) as (keyof T)[];
}
