/** Importing keys of another system by their hashes: all of a list or none. Main thread. Their first use: `foreign-keys.ts`. */
import { setImmediate } from "node:timers/promises";
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { currentActor } from "#control-plane/audit/acting.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import { type ApiKey, jsonOrNull, keyFacts, type NewApiKey, narrowingColumns, toApiKey } from "./api-key.ts";
import { adoptedDigest, type HashKind } from "./foreign-hash.ts";
import { CANDIDATES_MAX, type ForeignKeys, importedHash } from "./foreign-keys.ts";

/** Keys looked at or written between which other requests are answered. */
const STEP = 500;

export interface KeyToImport extends NewApiKey {
  readonly hash: { readonly kind: HashKind; readonly digest: string; readonly start: string };
}

/** Which of the list cannot be imported, and why. */
export interface ImportFault {
  readonly index: number;
  readonly detail: string;
}

export interface KeyImportParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
  readonly foreign: ForeignKeys;
}

export class KeyImport {
  readonly #parts: KeyImportParts;

  constructor(parts: KeyImportParts) {
    this.#parts = parts;
  }

  /** The keys as they are now, in their order; their accounts must exist. In force on the next request. */
  async add(wanted: readonly KeyToImport[]): Promise<readonly ApiKey[] | ImportFault> {
    const { db, announce, foreign } = this.#parts;
    const made = await db.transaction().execute(async (trx) => {
      // Nothing is written before all are known to be good.
      const fault = await firstFault(trx, wanted);
      if (fault !== null) return fault;
      const keys: ApiKey[] = [];
      for (const [index, one] of wanted.entries()) {
        keys.push(await this.#insert(trx, one));
        await pause(index);
      }
      return keys;
    });
    if ("index" in made) return made;
    foreign.forgetFailures();
    // Workers forget all keys they were told not to be there, whichever it is.
    const [first] = made;
    if (first !== undefined) await announce({ kind: "key", id: first.id });
    return made;
  }

  async #insert(trx: Database, { hash, ...wanted }: KeyToImport): Promise<ApiKey> {
    const id = newId("key");
    const row = {
      id,
      account_id: wanted.accountId,
      hash: importedHash(id),
      masked: `${hash.start}…`,
      name: wanted.name,
      env: wanted.env,
      roles: JSON.stringify(wanted.roles),
      scopes: jsonOrNull(wanted.scopes),
      created_at: wallMs(),
      expires_at: wanted.expiresAtMs,
      revoked_at: null,
      created_by: currentActor().id,
      limits: jsonOrNull(wanted.limits),
      ...narrowingColumns(wanted.narrowing),
      enabled: 1,
      used_ms: null,
      used_ip: null,
      sealed: null,
    } as const;
    await trx.insertInto("api_keys").values(row).execute();
    await trx
      .insertInto("api_key_imports")
      .values({ key: id, ...hash })
      .execute();
    const deed = { action: "key.imported", target: id, account: wanted.accountId };
    await this.#parts.audit.write(trx, { ...deed, before: null, after: { kind: hash.kind, ...keyFacts(wanted) } });
    return toApiKey(row);
  }
}

/** A digest that is there already, or one key too many with a start. */
async function firstFault(trx: Database, wanted: readonly KeyToImport[]): Promise<ImportFault | null> {
  const digests = new Set<string>();
  const starts = new Map<string, number>();
  for (const [index, { hash }] of wanted.entries()) {
    await pause(index);
    const imports = trx.selectFrom("api_key_imports");
    const same = await imports.select("key").where("digest", "=", hash.digest).executeTakeFirst();
    if (same !== undefined || digests.has(hash.digest) || (await isAdopted(trx, hash.digest)))
      return { index, detail: "A key with this digest is there already" };
    digests.add(hash.digest);
    if (hash.kind === "sha256") continue;
    const waiting =
      starts.get(hash.start) ?? (await imports.select("key").where("start", "=", hash.start).execute()).length;
    if (waiting >= CANDIDATES_MAX)
      return { index, detail: `More than ${CANDIDATES_MAX} keys begin with ${hash.start}: give longer starts` };
    starts.set(hash.start, waiting + 1);
  }
  return null;
}

async function pause(index: number): Promise<void> {
  if (index % STEP === STEP - 1) await setImmediate();
}

/** Whether it was imported before, and used since. */
async function isAdopted(trx: Database, digest: string): Promise<boolean> {
  const adopted = trx.selectFrom("api_key_adopted").select("digest_hash");
  return (await adopted.where("digest_hash", "=", adoptedDigest(digest)).executeTakeFirst()) !== undefined;
}
