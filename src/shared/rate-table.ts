/**
 * Rates in shared memory, exact across threads: one 64-bit word an entry, changed by compare-and-swap. Times are the monotonic
 * clock's. A word is either the theoretical arrival time of a token bucket in nanoseconds (GCRA), or, with the tag bit, a window:
 * 38 bits of milliseconds at which it no longer counts, 24 bits of what was taken. An entry that no longer counts equals an absent
 * one, so taking over its place loses nothing; one that counts is never evicted by somebody else's key.
 */
import { type Bucket, fits, nextArrival, tokensLeft, waitForTokens } from "#core/limits.ts";
import { SharedTable, type SlotKey } from "./shared-table.ts";

const TAKEN_OVER = -1n;
const WINDOW_TAG = 1n << 62n;
const COUNT_BITS = 24n;
const COUNT_MASK = (1n << COUNT_BITS) - 1n;
/** Largest count of a window: the limit of windows is at most this. */
export const WINDOW_COUNT_MAX = Number(COUNT_MASK);

export type Taken = "taken" | "empty" | "full";

/** A window as it is in the table. */
export interface WindowState {
  readonly taken: number;
  /** Monotonic milliseconds at which it no longer counts. */
  readonly untilMs: number;
}

const NO_WINDOW: WindowState = { taken: 0, untilMs: 0 };

export class RateTable {
  readonly #table: SharedTable;

  constructor(buffer: SharedArrayBuffer, owner: number) {
    this.#table = new SharedTable(buffer, owner);
  }

  key(text: string): SlotKey {
    return this.#table.key(text);
  }

  /** Nanoseconds until tokens worth `costNs` are there, 0 when they are there now. Takes nothing. */
  waitNs(key: SlotKey, bucket: Bucket, nowNs: bigint, costNs: bigint): bigint {
    return waitForTokens(this.#arrival(key, nowNs), nowNs, bucket, costNs);
  }

  /** Whole tokens left. */
  left(key: SlotKey, bucket: Bucket, nowNs: bigint): number {
    return tokensLeft(this.#arrival(key, nowNs), nowNs, bucket);
  }

  #arrival(key: SlotKey, nowNs: bigint): bigint {
    const entry = this.#table.find(key);
    if (entry < 0) return nowNs;
    const word = this.#table.load(entry, 0);
    // A rate that a reload turned from windows into a bucket starts full.
    return word >= WINDOW_TAG ? nowNs : word;
  }

  /** Takes tokens worth `costNs`: `taken`, `empty` when there are too few, `full` when the table has no place for a new bucket. */
  take(key: SlotKey, bucket: Bucket, nowNs: bigint, costNs: bigint): Taken {
    for (;;) {
      const entry = this.#claim(key, nowNs, nowNs);
      if (entry < 0) return "full";
      const word = this.#ownWord(entry, key);
      if (word === null) continue;
      const next = nextArrival(word >= WINDOW_TAG ? nowNs : word, nowNs, bucket, costNs);
      if (next === null) return "empty";
      if (this.#table.swap(entry, 0, word, next)) return "taken";
    }
  }

  /**
   * The word of an entry if it is the key's own; null when the place was taken over. What is taken over later starts with a later time,
   * so that a swap against this word fails: nobody changes a stranger's entry, not even for a moment.
   */
  #ownWord(entry: number, key: SlotKey): bigint | null {
    const word = this.#table.load(entry, 0);
    return word !== TAKEN_OVER && this.#table.holds(entry, key) ? word : null;
  }

  /** Gives back tokens taken by a request that another check refused; nothing when the bucket is full again or somebody else's. */
  giveBack(key: SlotKey, costNs: bigint): void {
    for (;;) {
      const entry = this.#table.find(key);
      if (entry < 0) return;
      const word = this.#ownWord(entry, key);
      if (word === null || word >= WINDOW_TAG) return;
      if (this.#table.swap(entry, 0, word, word - costNs)) return;
    }
  }

  /** What was taken of the window under this key; nothing when it no longer counts. */
  window(key: SlotKey, nowMs: number): WindowState {
    const entry = this.#table.find(key);
    return entry < 0 ? NO_WINDOW : windowOf(this.#table.load(entry, 0), nowMs);
  }

  /**
   * Takes `cost` of a window if it fits under `limit`. A window that no longer counts, or of which nothing is taken, begins anew and counts until `untilMs`.
   * `extra` is what counts besides (the window before, for sliding windows).
   */
  takeWindow(key: SlotKey, cost: number, limit: number, extra: number, nowMs: number, untilMs: number): Taken {
    const nowNs = BigInt(nowMs) * 1_000_000n;
    for (;;) {
      const entry = this.#claim(key, packWindow(0, untilMs), nowNs);
      if (entry < 0) return "full";
      const word = this.#ownWord(entry, key);
      if (word === null) continue;
      const { taken, untilMs: until } = windowOf(word, nowMs);
      if (!fits(taken + extra, cost, limit)) return "empty";
      const next = packWindow(taken + cost, taken === 0 ? untilMs : until);
      if (this.#table.swap(entry, 0, word, next)) return "taken";
    }
  }

  /** Gives back what was taken of a window that counts until `untilMsMax` at the latest; nothing when another one began meanwhile. */
  giveBackWindow(key: SlotKey, cost: number, untilMsMax: number): void {
    for (;;) {
      const entry = this.#table.find(key);
      const word = entry < 0 ? null : this.#ownWord(entry, key);
      if (word === null) return;
      const { taken, untilMs } = windowOf(word, 0);
      if (taken < cost || untilMs > untilMsMax) return;
      if (this.#table.swap(entry, 0, word, word - BigInt(cost))) return;
    }
  }

  releaseLocks(deadOwner: number): void {
    this.#table.releaseLocks(deadOwner, (entry) => this.#table.load(entry, 0) === TAKEN_OVER);
  }

  #claim(key: SlotKey, initial: bigint, nowNs: bigint): number {
    const known = this.#table.find(key);
    return known >= 0 ? known : this.#table.claim(key, [initial], (other) => this.#takeOver(other, nowNs));
  }

  /** Makes an idle entry unusable so that its place can be reused; strictly idle, see `take`. */
  #takeOver(entry: number, nowNs: bigint): boolean {
    const word = this.#table.load(entry, 0);
    if (word === TAKEN_OVER) return false;
    const untilNs = word >= WINDOW_TAG ? ((word ^ WINDOW_TAG) >> COUNT_BITS) * 1_000_000n : word;
    return untilNs < nowNs && this.#table.swap(entry, 0, word, TAKEN_OVER);
  }
}

function packWindow(taken: number, untilMs: number): bigint {
  return WINDOW_TAG | (BigInt(untilMs) << COUNT_BITS) | BigInt(taken);
}

function windowOf(word: bigint, nowMs: number): WindowState {
  if (word < WINDOW_TAG) return NO_WINDOW;
  const untilMs = Number((word ^ WINDOW_TAG) >> COUNT_BITS);
  return untilMs <= nowMs ? NO_WINDOW : { taken: Number(word & COUNT_MASK), untilMs };
}
