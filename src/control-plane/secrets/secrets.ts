/**
 * Secrets of the store that somebody needs again as they were: sealed and opened, listed by the key they are sealed with, resealed.
 * Main thread. What is only compared is hashed instead (`core/key-hash.ts`).
 *
 * Whoever seals does so within the transaction that stores the value. A rotation first makes the new key known, then reseals with the
 * connection in its hands: what was sealed with an old key is committed by then and found, and what comes later has the new one.
 */
import type { Logger } from "pino";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";
import { keyIdOf, openWith, type Place, seal } from "./envelope.ts";
import { SEALED_COLUMNS, type SealedColumn } from "./sealed-columns.ts";
import type { SealingKeys } from "./sealing-keys.ts";

export interface SecretsParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly keys: SealingKeys;
  readonly log: Logger;
}

/** A sealing key and how much depends on it. */
export interface KeyUse {
  readonly id: string;
  /** New values are sealed with it. */
  readonly seals: boolean;
  /** False: it is not there, and its values cannot be opened. */
  readonly present: boolean;
  readonly values: number;
}

export interface Rotated {
  readonly sealing: string;
  readonly resealed: number;
  /** Values that no key opens; they stay as they are. */
  readonly unreadable: number;
  /** Ids of keys that are not needed any more. */
  readonly dropped: readonly string[];
}

/** Values resealed in one transaction: some milliseconds. */
const STEP = 200;
const HEAD = "v1.";

export class Secrets {
  readonly #parts: SecretsParts;
  #last: Promise<unknown> = Promise.resolve();

  constructor(parts: SecretsParts) {
    this.#parts = parts;
  }

  get source(): "config" | "file" {
    return this.#parts.keys.source;
  }

  /** Within the transaction that stores it. */
  seal(text: string, place: Place): string {
    return seal(text, place, this.#parts.keys.sealing());
  }

  /** null: it cannot be opened, which is logged. */
  open(sealed: string, place: Place): string | null {
    const id = keyIdOf(sealed);
    const key = id === null ? null : this.#parts.keys.byId(id);
    const text = key === null ? null : openWith(sealed, place, key);
    if (text !== null) return text;
    const facts = { event: "secret-unavailable", table: place[0], key: id, present: key !== null };
    this.#parts.log.error(facts, key === null ? "A sealing key is missing" : "A sealed value was changed");
    return null;
  }

  /** The sealing keys, and those that values were sealed with and that are not there. */
  async list(): Promise<readonly KeyUse[]> {
    const counts = await this.#counts(this.#parts.db);
    const keys = this.#parts.keys.all();
    const known = keys.map(({ id }, index) => ({ id, seals: index === 0, present: true, values: counts.get(id) ?? 0 }));
    const missing = [...counts].filter(([id]) => !keys.some((key) => key.id === id));
    return [...known, ...missing.map(([id, values]) => ({ id, seals: false, present: false, values }))];
  }

  /** Says in the log which keys are missing. At start: values that cannot be opened are refused where they are needed. */
  async check(): Promise<void> {
    for (const { id, present, values } of await this.list()) {
      if (present) continue;
      const words = `Sealing key ${id} is missing: ${values} secrets of the store cannot be opened`;
      this.#parts.log.error({ event: "sealing-key-missing", key: id, values }, words);
    }
  }

  /** Seals everything anew with a new key (with the first one of the configuration, where it has some). One after the other. */
  rotate(): Promise<Rotated> {
    const next = this.#last.then(() => this.#rotate());
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #rotate(): Promise<Rotated> {
    const { db, keys, audit } = this.#parts;
    const before = keys.all()[0]?.id ?? null;
    const sealing = keys.renew().id;
    let resealed = 0;
    for (const column of SEALED_COLUMNS) resealed += await this.#reseal(column);
    return db.transaction().execute(async (trx) => {
      const counts = await this.#counts(trx);
      const dropped = keys.drop((id) => counts.has(id));
      const unreadable = [...counts].reduce((sum, [id, values]) => (id === sealing ? sum : sum + values), 0);
      const deed = { action: "secrets.rotated", target: sealing, account: null };
      await audit.write(trx, { ...deed, before: { sealing: before }, after: { sealing, resealed, dropped } });
      return { sealing, resealed, unreadable, dropped };
    });
  }

  /** Each step is whole, and each value can be opened between them: both keys are there. */
  async #reseal(column: SealedColumn): Promise<number> {
    const { db, keys } = this.#parts;
    let resealed = 0;
    let last: Place | null = null;
    for (;;) {
      const step: readonly Place[] = await db.transaction().execute(async (trx) => {
        const values = await column.after(trx, last, STEP);
        for (const { place, sealed } of values) {
          const text = keyIdOf(sealed) === keys.sealing().id ? null : this.open(sealed, place);
          if (text === null) continue;
          await column.put(trx, { place, sealed: this.seal(text, place) });
          resealed++;
        }
        return values.map(({ place }) => place);
      });
      last = step.at(-1) ?? last;
      if (step.length < STEP) return resealed;
    }
  }

  /** Values by the id of their key. */
  async #counts(db: Database): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const column of SEALED_COLUMNS) {
      for (const [head, count] of await column.counts(db)) {
        const id = head.startsWith(HEAD) ? head.slice(HEAD.length) : "unknown";
        counts.set(id, (counts.get(id) ?? 0) + count);
      }
    }
    return counts;
  }
}
