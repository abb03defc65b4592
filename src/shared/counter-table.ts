/**
 * Counters in shared memory, exact across threads: units used (settled and reserved) by name, where the name holds account, meter
 * and window (`counter-shapes.ts`), or a grant of credits. Word 0 is the units, word 1 when it may be dropped (ms since 1970).
 * Seeded from the ledger by the main thread at first sight of an account. A window that is over is kept for a while, so that a clock
 * that jumps back finds what was used. Not here: limits; who asks says how much fits, by `core/limits.ts`.
 */
import { fits } from "#core/limits.ts";
import type { Window } from "#core/windows.ts";
import { SharedTable, type SlotKey } from "./shared-table.ts";

const HOUR_MS = 3_600_000;
/** Kept after its end: windows of up to an hour, longer ones. */
const KEEP_SHORT_MS = HOUR_MS;
const KEEP_LONG_MS = 26 * HOUR_MS;

/** A counter as its user keeps it: the place and what it belongs to. */
export interface CounterKey extends SlotKey {
  readonly window: Window;
}

export class CounterTable {
  readonly #table: SharedTable;
  /** Units before the last `take` that took, or the last `add`. */
  before = 0;

  constructor(buffer: SharedArrayBuffer, owner: number) {
    this.#table = new SharedTable(buffer, owner);
  }

  get capacity(): number {
    return this.#table.capacity;
  }

  /** `name` as `counterName` or `grantCounterName` makes it. */
  key(name: string, window: Window): CounterKey {
    const { word0, word1, word2, word3, entry } = this.#table.key(name);
    return { word0, word1, word2, word3, entry, window };
  }

  /** Units used and reserved. */
  used(key: CounterKey): number {
    const entry = this.#table.find(key);
    return entry < 0 ? 0 : Number(this.#table.load(entry, 0));
  }

  /** Adds `units` if they fit under `limit` (null: always): `taken`, `over`, or `full` when the table has no place. */
  take(key: CounterKey, units: number, limit: number | null): "taken" | "over" | "full" {
    const entry = this.#claim(key);
    if (entry < 0) return "full";
    const change = BigInt(units);
    for (;;) {
      const used = this.#table.load(entry, 0);
      const before = Number(used);
      if (!fits(before, units, limit)) return "over";
      if (!this.#table.swap(entry, 0, used, used + change)) continue;
      this.before = before;
      return "taken";
    }
  }

  /** Takes as many of `units` as there are under `limit`; returns how many. */
  takeUpTo(key: CounterKey, units: number, limit: number): number {
    const entry = this.#claim(key);
    if (entry < 0) return 0;
    for (;;) {
      const used = this.#table.load(entry, 0);
      const taken = Math.min(units, Math.max(0, limit - Number(used)));
      if (taken === 0) return 0;
      if (this.#table.swap(entry, 0, used, used + BigInt(taken))) return taken;
    }
  }

  /** Takes units off, at most as many as there are: a gauge is never below zero. Returns how many. */
  takeOff(key: CounterKey, units: number): number {
    const entry = this.#table.find(key);
    if (entry < 0) return 0;
    for (;;) {
      const used = this.#table.load(entry, 0);
      const off = Math.min(units, Math.max(0, Number(used)));
      if (off === 0) return 0;
      if (this.#table.swap(entry, 0, used, used - BigInt(off))) return off;
    }
  }

  /** Changes the units whatever the limit. False: the table has no place. */
  add(key: CounterKey, units: number): boolean {
    const entry = this.#claim(key);
    if (entry >= 0) this.before = Number(this.#table.add(entry, 0, BigInt(units)));
    return entry >= 0;
  }

  /** The larger one of what is there and `units` stays. */
  raise(key: CounterKey, units: number): boolean {
    const entry = this.#claim(key);
    if (entry < 0) return false;
    const value = BigInt(units);
    for (;;) {
      const used = this.#table.load(entry, 0);
      if (used >= value || this.#table.swap(entry, 0, used, value)) return true;
    }
  }

  /** `units` is what counts now. */
  set(key: CounterKey, units: number): boolean {
    const entry = this.#claim(key);
    if (entry < 0) return false;
    const value = BigInt(units);
    for (;;) {
      const used = this.#table.load(entry, 0);
      if (used === value || this.#table.swap(entry, 0, used, value)) return true;
    }
  }

  /** Gives reserved units back. After the counter was dropped there is nothing to give back to. */
  giveBack(key: CounterKey, units: number): void {
    const entry = this.#table.find(key);
    if (entry >= 0) this.#table.add(entry, 0, BigInt(-units));
  }

  /** Gives back what a dead worker had reserved at this place; main thread only. */
  giveBackAt(entry: number, units: number): void {
    this.#table.add(entry, 0, BigInt(-units));
  }

  /** Drops what is over for long, but for the places in `keep`; main thread only. Returns the places still taken. */
  sweep(nowMs: number, keep: { has(entry: number): boolean }): number {
    const now = BigInt(nowMs);
    return this.#table.sweep((entry) => this.#table.load(entry, 1) < now && !keep.has(entry));
  }

  releaseLocks(deadOwner: number): void {
    this.#table.releaseLocks(deadOwner, never);
  }

  #claim(key: CounterKey): number {
    const known = this.#table.find(key);
    return known >= 0 ? known : this.#table.claim(key, [0n, BigInt(dropAtMs(key.window))], never);
  }
}

const never = () => false;

function dropAtMs({ startMs, endMs }: Window): number {
  return endMs + (endMs - startMs <= HOUR_MS ? KEEP_SHORT_MS : KEEP_LONG_MS);
}
