/**
 * The registry of owners: whose the things are that apps make, learned from their answers or told by an operator. Main thread.
 * Every change is announced to the workers before it is answered. A thing never goes from one account to another by learning.
 */
import type { Selectable } from "kysely";
import { wallMs } from "#core/clock.ts";
import { likenessesOf, likenessOf } from "#core/resource-ids.ts";
import type { Learnt, ResourceRecord, ResourceShare } from "#shared/resources.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { ResourcesTable } from "#control-plane/store/identity-tables.ts";

/** What an app has made, by the name of its kind and the app's own id. */
export interface ResourceName {
  readonly kind: string;
  readonly id: string;
}

export interface Owner {
  /** `accounts.id`. */
  readonly account: string;
  readonly user: string | null;
}

export interface Resource extends ResourceName, Owner {
  readonly createdAtMs: number;
}

export interface ResourceFilter {
  readonly kind?: string | undefined;
  readonly account?: string | undefined;
  /** Those behind this one. */
  readonly after?: ResourceName | undefined;
}

export class Resources {
  readonly #db: Database;
  readonly #audit: AuditLog;
  readonly #announce: Announce;

  constructor(db: Database, audit: AuditLog, announce: Announce) {
    this.#db = db;
    this.#audit = audit;
    this.#announce = announce;
  }

  /** The thing with this id, else one that an app could take for it; with those it is shared with. */
  async find({ kind, id }: ResourceName): Promise<ResourceRecord | null> {
    const rows = await this.#db
      .selectFrom("resources")
      .selectAll()
      .where("kind", "=", kind)
      .where("likeness", "in", likenessesOf(id))
      .orderBy("id")
      .execute();
    const row = rows.find((one) => one.id === id) ?? rows[0];
    if (row === undefined) return null;
    const shares = await this.#sharesOf(row);
    return { id: row.id, account: row.account, user: row.user, shares };
  }

  async #sharesOf({ kind, id }: ResourceName): Promise<readonly ResourceShare[]> {
    return this.#db
      .selectFrom("resource_grants")
      .select(["account", "access"])
      .where("kind", "=", kind)
      .where("id", "=", id)
      .execute();
  }

  async get({ kind, id }: ResourceName): Promise<Resource | null> {
    const row = await rowOf(this.#db, kind, id);
    return row === undefined ? null : toResource(row);
  }

  /** In the order of kinds and ids. */
  async list({ kind, account, after }: ResourceFilter, count: number): Promise<readonly Resource[]> {
    let query = this.#db.selectFrom("resources").selectAll().orderBy("kind").orderBy("id").limit(count);
    if (kind !== undefined) query = query.where("kind", "=", kind);
    if (account !== undefined) query = query.where("account", "=", account);
    if (after !== undefined) {
      query = query.where((where) =>
        where.or([
          where("kind", ">", after.kind),
          where.and([where("kind", "=", after.kind), where("id", ">", after.id)]),
        ]),
      );
    }
    return (await query.execute()).map(toResource);
  }

  /** An account has made it, says the app. It stays whose it is if it is anybody's. */
  async learn({ kind, id }: ResourceName, owner: Owner): Promise<Learnt> {
    const result = await this.#db
      .insertInto("resources")
      .values({ kind, id, likeness: likenessOf(id), ...owner, created_ms: wallMs() })
      .onConflict((conflict) => conflict.columns(["kind", "id"]).doNothing())
      .executeTakeFirst();
    const isNew = result.numInsertedOrUpdatedRows === 1n;
    if (!isNew && (await this.get({ kind, id }))?.account !== owner.account) return "taken";
    // Also where it was known: whoever learned it first may not have told everybody yet.
    await this.#announce({ kind: "resource", resource: kind, id });
    return isNew ? "new" : "same";
  }

  /** It is gone, says the app. `account`: only if it is that one's. */
  async forget(name: ResourceName, account: string | null): Promise<void> {
    const found = await this.find(name);
    if (found === null || (account !== null && found.account !== account)) return;
    await this.#db.transaction().execute((trx) => removeRow(trx, { kind: name.kind, id: found.id }));
    await this.#announce({ kind: "resource", resource: name.kind, id: found.id });
  }

  /** Makes the account its owner, whoever was; with another account, nobody else may use it any more. */
  async put(name: ResourceName, owner: Owner): Promise<{ readonly resource: Resource; readonly isNew: boolean }> {
    const { kind, id } = name;
    const nowMs = wallMs();
    const before = await this.#db.transaction().execute(async (trx) => {
      const known = await rowOf(trx, kind, id);
      if (known !== undefined && known.account !== owner.account) await removeRow(trx, name);
      await trx
        .insertInto("resources")
        .values({ kind, id, likeness: likenessOf(id), ...owner, created_ms: known?.created_ms ?? nowMs })
        .onConflict((conflict) => conflict.columns(["kind", "id"]).doUpdateSet({ user: owner.user }))
        .execute();
      await this.#note(trx, known === undefined ? "resource.registered" : "resource.owner_changed", name, known, owner);
      return known;
    });
    await this.#announce({ kind: "resource", resource: kind, id });
    const createdAtMs = before?.created_ms ?? nowMs;
    return { resource: { kind, id, ...owner, createdAtMs }, isNew: before === undefined };
  }

  /** False: there is none. Nobody is known to own it then. */
  async remove(name: ResourceName): Promise<boolean> {
    const isGone = await this.#db.transaction().execute(async (trx) => {
      const known = await rowOf(trx, name.kind, name.id);
      if (known === undefined) return false;
      await removeRow(trx, name);
      await this.#note(trx, "resource.removed", name, known, null);
      return true;
    });
    if (isGone) await this.#announce({ kind: "resource", resource: name.kind, id: name.id });
    return isGone;
  }

  /** All or none: the index of the first that is another account's already; null: all are in. Those that are there stay as they are. */
  async addAll(list: readonly (ResourceName & Owner)[]): Promise<number | null> {
    const kinds = [...new Set(list.map(({ kind }) => kind))];
    try {
      await this.#db.transaction().execute(async (trx) => {
        await insertAll(trx, list);
        const deed = { action: "resources.imported", target: "resources", account: null, before: null };
        await this.#audit.write(trx, { ...deed, after: { resources: list.length, kinds } });
      });
    } catch (error) {
      if (error instanceof TakenError) return error.index;
      throw error;
    }
    for (const kind of kinds) await this.#announce({ kind: "resources", id: kind });
    return null;
  }

  async #note(
    trx: Database,
    action: string,
    { kind, id }: ResourceName,
    before: Owner | undefined,
    after: Owner | null,
  ): Promise<void> {
    const facts = (owner: Owner | null | undefined) =>
      owner === null || owner === undefined ? null : { account: owner.account, user: owner.user };
    const account = (after ?? before)?.account ?? null;
    await this.#audit.write(trx, {
      action,
      target: `${kind}/${id}`,
      account,
      before: facts(before),
      after: facts(after),
    });
  }
}

/** Ends the transaction of an import. */
class TakenError extends Error {
  readonly index: number;

  constructor(index: number) {
    super("Another account owns it");
    this.name = "TakenError";
    this.index = index;
  }
}

async function insertAll(trx: Database, list: readonly (ResourceName & Owner)[]): Promise<void> {
  const created_ms = wallMs();
  for (const [index, { kind, id, account, user }] of list.entries()) {
    const result = await trx
      .insertInto("resources")
      .values({ kind, id, likeness: likenessOf(id), account, user, created_ms })
      .onConflict((conflict) => conflict.columns(["kind", "id"]).doNothing())
      .executeTakeFirst();
    const isThere = result.numInsertedOrUpdatedRows !== 1n;
    if (isThere && (await rowOf(trx, kind, id))?.account !== account) throw new TakenError(index);
  }
}

async function rowOf(db: Database, kind: string, id: string) {
  return db.selectFrom("resources").selectAll().where("kind", "=", kind).where("id", "=", id).executeTakeFirst();
}

async function removeRow(trx: Database, { kind, id }: ResourceName): Promise<void> {
  await trx.deleteFrom("resource_grants").where("kind", "=", kind).where("id", "=", id).execute();
  await trx.deleteFrom("resources").where("kind", "=", kind).where("id", "=", id).execute();
}

function toResource({ kind, id, account, user, created_ms }: Selectable<ResourcesTable>): Resource {
  return { kind, id, account, user, createdAtMs: created_ms };
}
