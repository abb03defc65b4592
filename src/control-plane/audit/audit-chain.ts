/**
 * The chain of the audit log: each entry carries an HMAC over itself and the one before it, under a key that is not in the store. So
 * whoever can only write into the store cannot change, insert, move or drop an entry unseen. Main thread, pure.
 */
import { createHmac } from "node:crypto";
import type { Selectable } from "kysely";
import type { AuditLogTable } from "#control-plane/store/tables.ts";

export type AuditRow = Selectable<AuditLogTable>;

/** What stands before the first entry. */
export const CHAIN_START = "0".repeat(43);

/** The chain's own key; the pepper itself is for API keys. */
export function chainKey(pepper: Uint8Array): Uint8Array {
  return createHmac("sha256", pepper).update("tollgate audit log").digest();
}

/** HMAC-SHA-256 in base64url, 43 characters. `before` is the hash of the entry before. */
export function entryHash(row: Omit<AuditRow, "hash">, before: string, key: Uint8Array): string {
  const { seq, id, at_ms, actor_kind, actor, actor_account, action, target, account } = row;
  const said = [before, seq, id, at_ms, actor_kind, actor, actor_account, action, target, account];
  said.push(row.before, row.after, row.ip, row.request_id);
  return createHmac("sha256", key).update(JSON.stringify(said)).digest("base64url");
}

/** Where the chain does not hold. */
export interface ChainFault {
  readonly seq: number;
  readonly fault: "changed" | "missing";
}

/** Walks the entries in order. */
export class ChainWalk {
  readonly #key: Uint8Array;
  readonly faults: ChainFault[] = [];
  #hash = CHAIN_START;
  #seq = 0;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /** Entries so far. */
  get seq(): number {
    return this.#seq;
  }

  /** Hash of the last entry: kept elsewhere, it proves later that nothing up to it has changed. */
  get head(): string {
    return this.#hash;
  }

  take(row: AuditRow): void {
    // Numbers have no gaps: a transaction that fails takes its number back.
    this.#miss(row.seq - 1);
    if (entryHash(row, this.#hash, this.#key) !== row.hash) this.#fault(row.seq, "changed");
    this.#seq = row.seq;
    // One fault is not told again of every entry behind it.
    this.#hash = row.hash;
  }

  /** There were entries up to this one. */
  endsAt(seq: number): void {
    this.#miss(seq);
  }

  /** Whoever writes numbers into the file can write large ones: what is not told is not counted either. */
  #miss(last: number): void {
    for (let seq = this.#seq + 1; seq <= last && this.faults.length < FAULTS_MAX; seq++) this.#fault(seq, "missing");
  }

  #fault(seq: number, fault: ChainFault["fault"]): void {
    if (this.faults.length < FAULTS_MAX) this.faults.push({ seq, fault });
  }
}

/** More are not told. */
const FAULTS_MAX = 1000;
