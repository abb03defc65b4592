/**
 * The first sight of a token: the account it names, its user and their membership, made in one transaction where they are new. Main thread.
 * Two at once make one of each. Nothing is made for users or accounts that are let in no more.
 */
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import type { Settings } from "#config/settings.ts";
import type { TokenUser, UserRecord } from "#shared/principals.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { type Accounts, isReserved } from "#control-plane/accounts/accounts.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import { isReservedUser } from "./user.ts";
import { userRecord } from "./user-records.ts";

export interface FirstSightParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly accounts: Accounts;
  readonly settings: () => Settings;
  readonly announce: Announce;
}

interface Owner {
  /** null: there is none, and can be none. */
  readonly account: Account | null;
  /** null: the token names none. */
  readonly user: UserRecord | null;
}

export class FirstSight {
  readonly #parts: FirstSightParts;

  constructor(parts: FirstSightParts) {
    this.#parts = parts;
  }

  /** `externalAccount`: the account's id in the operator's own systems. */
  async ofToken(externalAccount: string, named: TokenUser | null): Promise<Owner> {
    const isForeign = isReserved(externalAccount) || (named !== null && isReservedUser(named.externalId));
    if (isForeign) return { account: null, user: null };
    const known = await this.#known(externalAccount, named);
    const owner = isWhole(known, named) ? known : await this.#make(externalAccount, named);
    if (named !== null && owner.user?.state === "active") await this.#introduce(named);
    return owner;
  }

  /**
   * A user whom others put in by the id alone: the first token says who they are, as it would of one whom nobody knew. Otherwise whoever
   * may add members could keep anybody from ever having an e-mail.
   */
  async #introduce(named: TokenUser): Promise<void> {
    const { db, audit } = this.#parts;
    if ((named.email === null && named.name === null) || (await unsaid(db, named)) === null) return;
    await db.transaction().execute(async (trx) => {
      const id = await unsaid(trx, named);
      if (id === null) return;
      const after = { email: (await isTaken(trx, named.email)) ? null : named.email, name: named.name };
      if (after.email === null && after.name === null) return;
      await trx.updateTable("users").set(after).where("id", "=", id).execute();
      const before = { email: null, name: null };
      await audit.write(trx, { action: "user.updated", target: id, account: null, before, after });
    });
  }

  async #known(externalAccount: string, named: TokenUser | null): Promise<Owner> {
    const account = await this.#parts.accounts.byExternalId(externalAccount);
    return { account, user: named === null ? null : await userRecord(this.#parts.db, named.externalId) };
  }

  async #make(externalAccount: string, named: TokenUser | null): Promise<Owner> {
    const { db, accounts, announce } = this.#parts;
    const { account, joined } = await db.transaction().execute(async (trx) => {
      const { account: found, isNew } = await accounts.ensure(trx, externalAccount);
      return { account: found, joined: named === null ? null : await this.#member(trx, found.id, named, isNew) };
    });
    // Workers may know the user as one who is not in this account.
    if (named !== null && joined !== null) await announce({ kind: "user", id: joined, externalId: named.externalId });
    return { account, user: named === null ? null : await userRecord(db, named.externalId) };
  }

  /** The id of a user who was known and is new in the account; null: neither, or both are new. */
  async #member(trx: Database, account: string, named: TokenUser, isFirst: boolean): Promise<string | null> {
    const { externalId } = named;
    const known = await trx.selectFrom("users").select("id").where("external_id", "=", externalId).executeTakeFirst();
    const isNew = await this.#join(trx, account, known?.id ?? (await this.#makeUser(trx, named)), isFirst);
    return isNew ? (known?.id ?? null) : null;
  }

  /** The id of the user. An e-mail that another user has stays theirs: what a token says of one may be anybody's claim. */
  async #makeUser(trx: Database, { externalId, email, name }: TokenUser): Promise<string> {
    const id = newId("user");
    const facts = { email: (await isTaken(trx, email)) ? null : email, name };
    await trx
      .insertInto("users")
      .values({ id, external_id: externalId, ...facts, state: "active", created_ms: wallMs() })
      .execute();
    const after = { externalId, ...facts };
    await this.#parts.audit.write(trx, { action: "user.created", target: id, account: null, before: null, after });
    return id;
  }

  /** false: the user is in it, or was. */
  async #join(trx: Database, account: string, user: string, isFirst: boolean): Promise<boolean> {
    const { firstRoles, roles: laterRoles } = this.#parts.settings().identity.members;
    const roles = isFirst ? firstRoles : laterRoles;
    const nowMs = wallMs();
    const row = { account, user, roles: JSON.stringify(roles), created_ms: nowMs, joined_ms: nowMs };
    const made = await trx
      .insertInto("members")
      .values(row)
      .onConflict((conflict) => conflict.columns(["account", "user"]).doNothing())
      .executeTakeFirst();
    if (made.numInsertedOrUpdatedRows !== 1n) return false;
    const deed = { action: "member.added", target: user, account, before: null, after: { user, roles } };
    await this.#parts.audit.write(trx, deed);
    return true;
  }
}

async function isTaken(db: Database, email: string | null): Promise<boolean> {
  const holder = db.selectFrom("users").select("id").where("email", "=", email);
  return (await holder.executeTakeFirst()) !== undefined;
}

/** Our id of a user of whom nothing was said and no token was seen; null: there is no such one. */
async function unsaid(db: Database, { externalId }: TokenUser): Promise<string | null> {
  const row = await db
    .selectFrom("users")
    .select("id")
    .where("external_id", "=", externalId)
    .where("email", "is", null)
    .where("name", "is", null)
    .where("seen_ms", "is", null)
    .executeTakeFirst();
  return row?.id ?? null;
}

/** Whether nothing is to be made. */
function isWhole({ account, user }: Owner, named: TokenUser | null): boolean {
  if (account?.state === "deleted" || (user !== null && user.state !== "active")) return true;
  if (account === null) return false;
  return named === null || (user !== null && Object.hasOwn(user.members, account.id));
}
