/** Members: who belongs to which account, as what. Main thread; every change is announced before it is answered. */
import { sql } from "kysely";
import { wallMs } from "#core/clock.ts";
import type { OwnLimits } from "#shared/principals.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import { listOf } from "#control-plane/store/json-columns.ts";
import type { User } from "./user.ts";
import { UserRemoval } from "./user-removal.ts";

export interface Member {
  /** `accounts.id`, and the id the operator's own systems know. */
  readonly account: string;
  readonly externalAccount: string | null;
  /** `accounts.plan`. */
  readonly accountPlan: string | null;
  /** `users.id`. */
  readonly user: string;
  readonly externalUser: string;
  readonly email: string | null;
  readonly name: string | null;
  readonly roles: readonly string[];
  readonly limits: OwnLimits | null;
  readonly createdAtMs: number;
  /** null: others put the user in. */
  readonly joinedAtMs: number | null;
}

export interface MemberWish {
  readonly roles?: readonly string[];
  readonly limits?: OwnLimits | null;
}

export interface NewMember {
  readonly roles: readonly string[];
  readonly limits: OwnLimits | null;
  /** Whether the user comes by themself. */
  readonly isJoining: boolean;
}

export interface MembersParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
}

export class Members {
  readonly #parts: MembersParts;
  readonly #removal: UserRemoval;

  constructor(parts: MembersParts) {
    this.#parts = parts;
    this.#removal = new UserRemoval(parts.db);
  }

  /** A page in the order they came, behind that place. */
  async ofAccount(
    account: string,
    count: number,
    { createdAtMs, user }: Pick<Member, "createdAtMs" | "user">,
  ): Promise<readonly Member[]> {
    const query = members(this.#parts.db)
      .where("members.account", "=", account)
      .where(sql<boolean>`(members.created_ms, members.user) > (${createdAtMs}, ${user})`);
    const rows = await query.orderBy("members.created_ms").orderBy("members.user").limit(count).execute();
    return rows.map(toMember);
  }

  async ofUser(user: string): Promise<readonly Member[]> {
    const query = members(this.#parts.db).where("members.user", "=", user);
    return (await query.orderBy("members.created_ms").orderBy("members.account").execute()).map(toMember);
  }

  /** null: the user is none of the account's. */
  find(account: string, user: string): Promise<Member | null> {
    return findMember(this.#parts.db, account, user);
  }

  /** Puts a user in, or back in. Throws `ConflictError` when they are a member. */
  async add(account: string, user: User, wish: NewMember): Promise<Member> {
    const { db } = this.#parts;
    const member = await db.transaction().execute((trx) => this.addIn(trx, account, user.id, wish));
    await this.#announce(member);
    return member;
  }

  /** As `add`, in a transaction of the caller's, who announces the user. */
  async addIn(trx: Database, account: string, user: string, { roles, limits, isJoining }: NewMember): Promise<Member> {
    if ((await findMember(trx, account, user)) !== null) throw new ConflictError("The user is a member already");
    const nowMs = wallMs();
    const facts = { roles: JSON.stringify(roles), limits: limits === null ? null : JSON.stringify(limits) };
    const row = { ...facts, created_ms: nowMs, joined_ms: isJoining ? nowMs : null, removed_ms: null };
    await trx
      .insertInto("members")
      .values({ account, user, ...row })
      .onConflict((conflict) => conflict.columns(["account", "user"]).doUpdateSet(row))
      .execute();
    const deed = { action: "member.added", target: user, account, before: null };
    await this.#parts.audit.write(trx, { ...deed, after: { user, roles, ...(limits === null ? {} : { limits }) } });
    return memberOr(await findMember(trx, account, user));
  }

  /** null: the user is none of the account's. `rules`: of the account's own people; null: an operator acts. */
  async change(account: string, user: string, wish: MemberWish, rules: MemberRules | null): Promise<Member | null> {
    const { db, audit } = this.#parts;
    const member = await db.transaction().execute(async (trx) => {
      const before = await findMember(trx, account, user);
      if (before === null) return null;
      rules?.permit(before);
      const after = {
        roles: wish.roles ?? before.roles,
        limits: wish.limits === undefined ? before.limits : wish.limits,
      };
      const kept = { roles: before.roles, limits: before.limits };
      if (JSON.stringify(after) === JSON.stringify(kept)) return before;
      const set = { roles: JSON.stringify(after.roles), limits: after.limits && JSON.stringify(after.limits) };
      await trx.updateTable("members").set(set).where("account", "=", account).where("user", "=", user).execute();
      await audit.write(trx, { action: "member.changed", target: user, account, before: kept, after });
      await keepManager(trx, before, rules?.manages ?? null);
      return { ...before, ...after };
    });
    if (member !== null) await this.#announce(member);
    return member;
  }

  /** As `change`. Invitations of theirs to the account are over too. */
  async remove(account: string, user: string, rules: MemberRules | null): Promise<Member | null> {
    const { db, audit } = this.#parts;
    const member = await db.transaction().execute(async (trx) => {
      const before = await findMember(trx, account, user);
      if (before === null) return null;
      rules?.permit(before);
      const set = { removed_ms: wallMs() };
      await trx.updateTable("members").set(set).where("account", "=", account).where("user", "=", user).execute();
      const invitations = this.#removal.revokeInvitationsWithin(account, before.externalUser);
      const deed = { action: "member.removed", target: user, account, after: null };
      await audit.writeAll(trx, [...invitations, { ...deed, before: { user, roles: before.roles } }]);
      await keepManager(trx, before, rules?.manages ?? null);
      return before;
    });
    if (member !== null) await this.#announce(member);
    return member;
  }

  async #announce({ user, externalUser }: Member): Promise<void> {
    await this.#parts.announce({ kind: "user", id: user, externalId: externalUser });
  }
}

/** Whether somebody with these roles may manage members. */
export type Manages = (roles: readonly string[]) => boolean;

export interface MemberRules {
  /** Throws to refuse; asked within the transaction, so that nobody becomes more between question and deed. */
  readonly permit: (member: Member) => void;
  /** See `keepManager`. */
  readonly manages: Manages;
}

/** Throws `ConflictError`, and so undoes the change of a member that was as `before`, when it leaves nobody who may manage members. */
async function keepManager(trx: Database, before: Member, manages: Manages | null): Promise<void> {
  if (manages === null || !manages(before.roles)) return;
  const left = await members(trx).where("members.account", "=", before.account).execute();
  if (left.some(({ roles }) => manages(listOf(roles)))) return;
  throw new ConflictError("The account would have no member left who may manage members");
}

function memberOr(member: Member | null): Member {
  if (member === null) throw new Error("A member vanished while it was made");
  return member;
}

function members(db: Database) {
  return db
    .selectFrom("members")
    .innerJoin("users", "users.id", "members.user")
    .innerJoin("accounts", "accounts.id", "members.account")
    .select([
      "members.account",
      "accounts.external_id as external_account",
      "accounts.plan as account_plan",
      "members.user",
      "users.external_id as external_user",
      "users.email",
      "users.name",
      "members.roles",
      "members.limits",
      "members.created_ms",
      "members.joined_ms",
    ])
    .where("members.removed_ms", "is", null);
}

async function findMember(db: Database, account: string, user: string): Promise<Member | null> {
  const query = members(db).where("members.account", "=", account).where("members.user", "=", user);
  const row = await query.executeTakeFirst();
  return row === undefined ? null : toMember(row);
}

type Row = Awaited<ReturnType<ReturnType<typeof members>["executeTakeFirstOrThrow"]>>;

function toMember(row: Row): Member {
  return {
    account: row.account,
    externalAccount: row.external_account,
    accountPlan: row.account_plan,
    user: row.user,
    externalUser: row.external_user,
    email: row.email,
    name: row.name,
    roles: listOf(row.roles),
    // Written by this class from an OwnLimits.
    limits: row.limits === null ? null : (JSON.parse(row.limits) as OwnLimits),
    createdAtMs: row.created_ms,
    joinedAtMs: row.joined_ms,
  };
}
