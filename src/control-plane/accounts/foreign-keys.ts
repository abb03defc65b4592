/**
 * Keys of other systems that came as hashes. Main thread. The first use of one finds it by its secret and gives it a hash of our own, in one
 * transaction; from then on it is a key as any other. Two uses at once end in one.
 * SHA-256 is found by index. bcrypt and scrypt cost a comparison for each key whose secret begins so: two at once, a bounded queue, and
 * what failed is remembered for a while, so that wrong secrets cannot burn the processor.
 */
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { monotonicNs } from "#core/clock.ts";
import { type ForeignFormat, isForeignKey } from "#core/foreign-format.ts";
import { keyHash } from "#core/key-hash.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { ApiKey } from "./api-key.ts";
import type { ApiKeys } from "./api-keys.ts";
import { adoptedDigest, type HashKind, hasDigest } from "./foreign-hash.ts";
import type { KeepSecret } from "./key-reveal.ts";

/** Characters of a secret that its start has at least and at most. */
export const START_MIN = 8;
export const START_MAX = 32;
/** Keys that wait for their first use with the same start. */
export const CANDIDATES_MAX = 16;
const AT_ONCE = 2;
const QUEUE_MAX = 32;
const FAILED_MS = 60_000;
const FAILED_MAX = 10_000;
/** What a worker waits for, and a client: who takes longer is told to come again, and finds the outcome. */
const PATIENCE_MS = 4000;

export interface ForeignKeysParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly pepper: Uint8Array;
  readonly keep: KeepSecret;
  readonly formats: () => readonly ForeignFormat[];
  readonly keys: Pick<ApiKeys, "byHash">;
}

interface Candidate {
  readonly key: string;
  readonly kind: HashKind;
  readonly digest: string;
}

export class ForeignKeys {
  readonly #parts: ForeignKeysParts;
  readonly #underWay = new Map<string, Promise<ApiKey | "busy" | null>>();
  /** When a secret's digest failed, milliseconds of the monotonic clock; the oldest first. */
  readonly #failed = new Map<string, number>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  constructor(parts: ForeignKeysParts) {
    this.#parts = parts;
  }

  /** The key with this secret that nobody has used yet; null when there is none, `busy` when too many are looked for just now. */
  async find(secret: string): Promise<ApiKey | "busy" | null> {
    if (!isForeignKey(secret, this.#parts.formats())) return null;
    const digest = createHash("sha256").update(secret).digest("hex");
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return orBusy(underWay);
    const work = this.#findOrAdopted(secret, digest).finally(() => this.#underWay.delete(digest));
    this.#underWay.set(digest, work);
    return orBusy(work);
  }

  /** A key was imported: what failed may be one now. */
  forgetFailures(): void {
    this.#failed.clear();
  }

  /** Whoever asks may have looked for it among our own keys before another use made it one of them. */
  async #findOrAdopted(secret: string, digest: string): Promise<ApiKey | "busy" | null> {
    const { keys, pepper } = this.#parts;
    return (await this.#find(secret, digest)) ?? keys.byHash(keyHash(secret, pepper));
  }

  async #find(secret: string, digest: string): Promise<ApiKey | "busy" | null> {
    const { db } = this.#parts;
    const imports = db.selectFrom("api_key_imports").select(["key", "kind", "digest"]);
    const known = await imports.where("digest", "=", digest).where("kind", "=", "sha256").executeTakeFirst();
    if (known !== undefined) return this.#adopt(known.key, secret);
    if (this.#hasFailed(digest)) return null;
    const candidates = await imports
      .where("start", "in", startsOf(secret))
      .where("kind", "!=", "sha256")
      .limit(CANDIDATES_MAX * 2)
      .execute();
    if (candidates.length === 0) return null;
    if (!(await this.#turn())) return "busy";
    const key = await this.#compare(secret, candidates).finally(() => this.#next());
    if (key !== null) return this.#adopt(key, secret);
    this.#fail(digest);
    return null;
  }

  async #compare(secret: string, candidates: readonly Candidate[]): Promise<string | null> {
    for (const { key, kind, digest } of candidates)
      if (kind !== "sha256" && (await hasDigest(secret, kind, digest))) return key;
    return null;
  }

  /** False: the queue is full. */
  #turn(): Promise<boolean> {
    if (this.#running < AT_ONCE) {
      this.#running++;
      return Promise.resolve(true);
    }
    if (this.#queue.length >= QUEUE_MAX) return Promise.resolve(false);
    return new Promise((resolve) => this.#queue.push(() => resolve(true)));
  }

  /** Hands the place on, or gives it back. */
  #next(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#running--;
    else next();
  }

  #hasFailed(digest: string): boolean {
    const at = this.#failed.get(digest);
    return at !== undefined && nowMs() - at < FAILED_MS;
  }

  #fail(digest: string): void {
    this.#failed.delete(digest);
    this.#failed.set(digest, nowMs());
    const [oldest] = this.#failed.keys();
    if (this.#failed.size > FAILED_MAX && oldest !== undefined) this.#failed.delete(oldest);
  }

  /** Gives the key a hash of our own. One that somebody else was faster with is found by it. */
  async #adopt(id: string, secret: string): Promise<ApiKey | null> {
    const { db, audit, pepper, keep, keys } = this.#parts;
    const hash = keyHash(secret, pepper);
    await db.transaction().execute(async (trx) => {
      const gone = await trx.deleteFrom("api_key_imports").where("key", "=", id).returning("digest").executeTakeFirst();
      if (gone === undefined) return;
      await trx
        .insertInto("api_key_adopted")
        .values({ digest_hash: adoptedDigest(gone.digest) })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      const row = await trx.selectFrom("api_keys").select("account_id").where("id", "=", id).executeTakeFirstOrThrow();
      const masked = maskedForeign(secret);
      // A key that was rotated before its first use has the secret among its old ones.
      const current = trx.updateTable("api_keys").set({ hash, masked, sealed: keep(secret, id) });
      const placeholder = importedHash(id);
      const isCurrent = (await current.where("hash", "=", placeholder).executeTakeFirst()).numUpdatedRows === 1n;
      if (!isCurrent)
        await trx.updateTable("api_key_old_secrets").set({ hash, masked }).where("hash", "=", placeholder).execute();
      const deed = { action: "key.adopted", target: id, account: row.account_id };
      await audit.write(trx, { ...deed, before: null, after: { masked } });
    });
    return keys.byHash(hash);
  }
}

/** What stands for the hash of a key that nobody has used yet. */
export function importedHash(id: string): string {
  return `import:${id}`;
}

/** `busy` when it takes too long; the work goes on. */
async function orBusy(work: Promise<ApiKey | "busy" | null>): Promise<ApiKey | "busy" | null> {
  const timer = new AbortController();
  const late = setTimeout(PATIENCE_MS, "busy" as const, { signal: timer.signal, ref: false });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}

/** Every start that the secret can have been imported with. */
function startsOf(secret: string): readonly string[] {
  const longest = Math.min(START_MAX, secret.length);
  return Array.from({ length: Math.max(0, longest - START_MIN + 1) }, (_, more) => secret.slice(0, START_MIN + more));
}

/** Little of a secret whose parts nobody knows. */
function maskedForeign(secret: string): string {
  return secret.length < 24 ? `${secret.slice(0, 4)}…` : `${secret.slice(0, START_MIN)}…${secret.slice(-4)}`;
}

function nowMs(): number {
  return Number(monotonicNs() / 1_000_000n);
}
