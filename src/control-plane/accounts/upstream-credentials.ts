/**
 * Credentials that are sent to an upstream in an account's name: kept sealed, opened for the workers, never shown. Main thread. A change
 * is announced before it is answered: in force on the next request.
 */
import { wallMs } from "#core/clock.ts";
import type { UpstreamHeaders } from "#shared/upstream-headers.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { upstreamCredentialPlace } from "#control-plane/secrets/sealed-columns.ts";
import type { Secrets } from "#control-plane/secrets/secrets.ts";
import type { Database } from "#control-plane/store/database.ts";
import { ConflictError } from "./conflict.ts";

/** Of one account. */
const CREDENTIALS_MAX = 32;

/** Which header of which upstream. */
export interface CredentialName {
  readonly account: string;
  readonly upstream: string;
  /** In lower case. */
  readonly header: string;
}

export interface UpstreamCredential extends CredentialName {
  /** The last characters of a long value; null: it cannot be opened. */
  readonly masked: string | null;
  readonly createdAtMs: number;
}

export interface UpstreamCredentialsParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly secrets: Secrets;
  readonly announce: (account: string) => Promise<void>;
}

export class UpstreamCredentials {
  readonly #parts: UpstreamCredentialsParts;

  constructor(parts: UpstreamCredentialsParts) {
    this.#parts = parts;
  }

  /** What workers send; null: nothing. */
  async headersOf(account: string): Promise<UpstreamHeaders | null> {
    const rows = await this.#rows(account);
    if (rows.length === 0) return null;
    const headers: Record<string, readonly string[] | null> = {};
    for (const { upstream, header, value } of rows) {
      const before = headers[upstream];
      headers[upstream] = value === null || before === null ? null : [...(before ?? []), header, value];
    }
    return headers;
  }

  /** In order of upstream and header. */
  async list(account: string): Promise<readonly UpstreamCredential[]> {
    const rows = await this.#rows(account);
    return rows.map(({ upstream, header, value, createdAtMs }) => {
      return { account, upstream, header, masked: value === null ? null : masked(value), createdAtMs };
    });
  }

  /** Throws `ConflictError` when the account has too many. */
  async set({ account, upstream, header }: CredentialName, value: string): Promise<UpstreamCredential> {
    const { db, audit, secrets, announce } = this.#parts;
    const createdAtMs = wallMs();
    await db.transaction().execute(async (trx) => {
      const before = await this.#names(trx, account);
      const isNew = !before.some((row) => row.upstream === upstream && row.header === header);
      if (isNew && before.length >= CREDENTIALS_MAX)
        throw new ConflictError(`Account ${account} has ${CREDENTIALS_MAX} upstream credentials, which is the most`);
      const sealed = secrets.seal(value, upstreamCredentialPlace(account, upstream, header));
      await trx
        .insertInto("upstream_credentials")
        .values({ account, upstream, header, sealed, created_ms: createdAtMs })
        .onConflict((conflict) => conflict.doUpdateSet({ sealed, created_ms: createdAtMs }))
        .execute();
      const deed = { action: "upstream_credential.set", target: targetOf({ account, upstream, header }), account };
      await audit.write(trx, { ...deed, before: isNew ? null : { upstream, header }, after: { upstream, header } });
    });
    await announce(account);
    return { account, upstream, header, masked: masked(value), createdAtMs };
  }

  /** False: there was none. */
  async remove({ account, upstream, header }: CredentialName): Promise<boolean> {
    const { db, audit, announce } = this.#parts;
    const isRemoved = await db.transaction().execute(async (trx) => {
      const gone = await trx
        .deleteFrom("upstream_credentials")
        .where("account", "=", account)
        .where("upstream", "=", upstream)
        .where("header", "=", header)
        .executeTakeFirst();
      if (gone.numDeletedRows === 0n) return false;
      const deed = { action: "upstream_credential.removed", target: targetOf({ account, upstream, header }), account };
      await audit.write(trx, { ...deed, before: { upstream, header }, after: null });
      return true;
    });
    if (isRemoved) await announce(account);
    return isRemoved;
  }

  #names(trx: Database, account: string) {
    return trx
      .selectFrom("upstream_credentials")
      .select(["upstream", "header"])
      .where("account", "=", account)
      .execute();
  }

  async #rows(account: string) {
    const { db, secrets } = this.#parts;
    const rows = await db
      .selectFrom("upstream_credentials")
      .selectAll()
      .where("account", "=", account)
      .orderBy("upstream")
      .orderBy("header")
      .execute();
    return rows.map(({ upstream, header, sealed, created_ms: createdAtMs }) => {
      const value = secrets.open(sealed, upstreamCredentialPlace(account, upstream, header));
      return { upstream, header, value, createdAtMs };
    });
  }
}

function targetOf({ account, upstream, header }: CredentialName): string {
  return `${account}/${upstream}/${header}`;
}

/** A short value would be known by its last characters. */
function masked(value: string): string {
  return value.length < 20 ? "…" : `…${value.slice(-4)}`;
}
