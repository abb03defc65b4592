/**
 * Quota counters in shared memory, exact across threads: units used (settled and reserved) by key, where the key names
 * account, meter and window. Word 0 is the units, word 1 the end of the window in milliseconds.
 * Seeded from the ledger at start by the main thread; a window that is over for an hour is swept.
 */
import { fits } from "#core/limits.ts";
import type { Window } from "#core/windows.ts";
import { SharedTable, type SlotKey } from "./shared-table.ts";

const KEEP_AFTER_END_MS = 3_600_000;

/** A counter as its user keeps it: the place and what it belongs to. */
export interface CounterKey extends SlotKey {
  readonly window: Window;
}

export class CounterTable {
  readonly #table: SharedTable;

  constructor(buffer: SharedArrayBuffer, owner: number) {
    this.#table = new SharedTable(buffer, owner);
  }

  get capacity(): number {
    return this.#table.capacity;
  }

  key(account: string, meter: string, window: Window): CounterKey {
    const slot = this.#table.key(`${account}|${meter}|${window.kind}|${window.startMs}`);
    return { words: slot.words, entry: -1, window };
  }

  /** Units used and reserved. */
  used(key: CounterKey): number {
    const entry = this.#table.find(key);
    return entry < 0 ? 0 : Number(this.#table.load(entry, 0));
  }

  /** Adds `units` if they fit under `limit` (null: always): `taken`, `over`, or `full` when the table has no place. */
  take(key: CounterKey, units: number, limit: number | null): "taken" | "over" | "full" {
    const entry = this.#table.claim(key, [0n, BigInt(key.window.endMs)], () => false);
    if (entry < 0) return "full";
    for (;;) {
      const used = this.#table.load(entry, 0);
      if (!fits(Number(used), units, limit)) return "over";
      if (this.#table.swap(entry, 0, used, used + BigInt(units))) return "taken";
    }
  }

  /** Gives reserved units back. After the window was swept there is nothing to give back to. */
  giveBack(key: CounterKey, units: number): void {
    const entry = this.#table.find(key);
    if (entry >= 0) this.#table.add(entry, 0, BigInt(-units));
  }

  /** Gives back what a dead worker had reserved at this place; main thread only. */
  giveBackAt(entry: number, units: number): void {
    this.#table.add(entry, 0, BigInt(-units));
  }

  /** Drops windows that ended an hour ago; main thread only. Returns the places still taken. */
  sweep(nowMs: number): number {
    const over = BigInt(nowMs - KEEP_AFTER_END_MS);
    return this.#table.sweep((entry) => this.#table.load(entry, 1) < over);
  }

  releaseLocks(deadOwner: number): void {
    this.#table.releaseLocks(deadOwner);
  }
}
