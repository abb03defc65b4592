/** Things that are shared with other accounts, to read or to change. Main thread. In force on the next request. */
import { wallMs } from "#core/clock.ts";
import type { ShareAccess } from "#shared/resources.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { ResourceName } from "./resources.ts";

/** Every worker that serves the thing holds all of them. */
const SHARES_MAX = 1000;

export interface Share {
  /** `accounts.id`, and the id the operator's systems know it by. */
  readonly account: string;
  readonly externalId: string | null;
  readonly access: ShareAccess;
  readonly createdAtMs: number;
}

export class ResourceShares {
  readonly #db: Database;
  readonly #audit: AuditLog;
  readonly #announce: Announce;

  constructor(db: Database, audit: AuditLog, announce: Announce) {
    this.#db = db;
    this.#audit = audit;
    this.#announce = announce;
  }

  /** By account. */
  async list({ kind, id }: ResourceName): Promise<readonly Share[]> {
    const rows = await sharesOf(this.#db).where("kind", "=", kind).where("resource_grants.id", "=", id).execute();
    return rows.map(toShare);
  }

  async get({ kind, id }: ResourceName, account: string): Promise<Share | null> {
    const row = await sharesOf(this.#db)
      .where("kind", "=", kind)
      .where("resource_grants.id", "=", id)
      .where("account", "=", account)
      .executeTakeFirst();
    return row === undefined ? null : toShare(row);
  }

  /** False: the thing is not the owner's any more, or has never been. Throws `ConflictError` beyond `SHARES_MAX`. */
  async put(name: ResourceName, owner: string, account: string, access: ShareAccess): Promise<boolean> {
    const { kind, id } = name;
    const isDone = await this.#db.transaction().execute(async (trx) => {
      if (!(await isOwner(trx, name, owner))) return false;
      const shares = await trx
        .selectFrom("resource_grants")
        .selectAll()
        .where("kind", "=", kind)
        .where("id", "=", id)
        .execute();
      const known = shares.find((share) => share.account === account);
      if (known === undefined && shares.length >= SHARES_MAX)
        throw new ConflictError(`It is shared with ${SHARES_MAX} accounts, which is as many as can be`);
      if (known?.access === access) return true;
      await trx
        .insertInto("resource_grants")
        .values({ kind, id, account, access, created_ms: wallMs() })
        .onConflict((conflict) => conflict.columns(["kind", "id", "account"]).doUpdateSet({ access }))
        .execute();
      const before = known === undefined ? null : { account, access: known.access };
      const deed = { action: "resource.shared", target: `${kind}/${id}`, account: owner };
      await this.#audit.write(trx, { ...deed, before, after: { account, access } });
      return true;
    });
    if (isDone) await this.#announce({ kind: "resource", resource: kind, id });
    return isDone;
  }

  /** False: it is not shared with the account. */
  async remove(name: ResourceName, owner: string, account: string): Promise<boolean> {
    const { kind, id } = name;
    const isDone = await this.#db.transaction().execute(async (trx) => {
      if (!(await isOwner(trx, name, owner))) return false;
      const known = await trx
        .deleteFrom("resource_grants")
        .where("kind", "=", kind)
        .where("id", "=", id)
        .where("account", "=", account)
        .returning("access")
        .executeTakeFirst();
      if (known === undefined) return false;
      const deed = { action: "resource.unshared", target: `${kind}/${id}`, account: owner };
      await this.#audit.write(trx, { ...deed, before: { account, access: known.access }, after: null });
      return true;
    });
    if (isDone) await this.#announce({ kind: "resource", resource: kind, id });
    return isDone;
  }
}

function sharesOf(db: Database) {
  return db
    .selectFrom("resource_grants")
    .innerJoin("accounts", "accounts.id", "resource_grants.account")
    .select(["resource_grants.account", "accounts.external_id", "resource_grants.access", "resource_grants.created_ms"])
    .orderBy("resource_grants.account");
}

async function isOwner(trx: Database, { kind, id }: ResourceName, owner: string): Promise<boolean> {
  const row = await trx
    .selectFrom("resources")
    .select("account")
    .where("kind", "=", kind)
    .where("id", "=", id)
    .executeTakeFirst();
  return row?.account === owner;
}

interface ShareRow {
  readonly account: string;
  readonly external_id: string | null;
  readonly access: ShareAccess;
  readonly created_ms: number;
}

function toShare({ account, external_id, access, created_ms }: ShareRow): Share {
  return { account, externalId: external_id, access, createdAtMs: created_ms };
}
