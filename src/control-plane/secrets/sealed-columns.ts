/** Where the store keeps sealed values, for whoever counts or reseals them all. Main thread. A new one belongs here. */
import { sql } from "kysely";
import type { Database } from "#control-plane/store/database.ts";
import type { Place } from "./envelope.ts";

/** A sealed value and where it is. */
export interface SealedValue {
  readonly place: Place;
  readonly sealed: string;
}

export interface SealedColumn {
  /** Values by the key they were sealed with, as `v1.KEYID`; what is no sealed text has what it begins with. */
  counts(db: Database): Promise<ReadonlyMap<string, number>>;
  /** Up to `limit` values behind that place, in order of their places. */
  after(db: Database, place: Place | null, limit: number): Promise<readonly SealedValue[]>;
  put(db: Database, value: SealedValue): Promise<void>;
}

interface Count {
  readonly head: string;
  readonly count: number;
}

export function keySecretPlace(id: string): Place {
  return ["api_keys", "sealed", id];
}

export function upstreamCredentialPlace(account: string, upstream: string, header: string): Place {
  return ["upstream_credentials", "sealed", account, upstream, header];
}

const keySecrets: SealedColumn = {
  async counts(db) {
    const { rows } = await sql<Count>`SELECT substr(sealed, 1, 15) AS head, count(*) AS count FROM api_keys
      WHERE sealed IS NOT NULL GROUP BY substr(sealed, 1, 15)`.execute(db);
    return new Map(rows.map(({ head, count }) => [head, count]));
  },
  async after(db, place, limit) {
    const [, , last = ""] = place ?? [];
    const rows = await db
      .selectFrom("api_keys")
      .select(["id", "sealed"])
      .where("sealed", "is not", null)
      .where("id", ">", last)
      .orderBy("id")
      .limit(limit)
      .execute();
    return rows.map(({ id, sealed }) => ({ place: keySecretPlace(id), sealed: sealed ?? "" }));
  },
  async put(db, { place, sealed }) {
    const [, , id = ""] = place;
    await db.updateTable("api_keys").set({ sealed }).where("id", "=", id).execute();
  },
};

const upstreamCredentials: SealedColumn = {
  async counts(db) {
    const { rows } = await sql<Count>`SELECT substr(sealed, 1, 15) AS head, count(*) AS count FROM upstream_credentials
      GROUP BY substr(sealed, 1, 15)`.execute(db);
    return new Map(rows.map(({ head, count }) => [head, count]));
  },
  async after(db, place, limit) {
    const [, , account = "", upstream = "", header = ""] = place ?? [];
    const { rows } = await sql<{ account: string; upstream: string; header: string; sealed: string }>`
      SELECT account, upstream, header, sealed FROM upstream_credentials
      WHERE (account, upstream, header) > (${account}, ${upstream}, ${header})
      ORDER BY account, upstream, header LIMIT ${limit}`.execute(db);
    return rows.map((row) => ({
      place: upstreamCredentialPlace(row.account, row.upstream, row.header),
      sealed: row.sealed,
    }));
  },
  async put(db, { place, sealed }) {
    const [, , account = "", upstream = "", header = ""] = place;
    await db
      .updateTable("upstream_credentials")
      .set({ sealed })
      .where("account", "=", account)
      .where("upstream", "=", upstream)
      .where("header", "=", header)
      .execute();
  },
};

export const SEALED_COLUMNS: readonly SealedColumn[] = [keySecrets, upstreamCredentials];
