/**
 * A fixed-size hash table in shared memory: 128-bit keys, one or more 64-bit words a key, read and written by every
 * thread without messages. Set-associative: a key lives in one of WAYS places of its set, so a lookup looks at no more
 * than WAYS places, removal leaves no tombstones, and memory never grows.
 *
 * Layout of the buffer: header (16 × i32: magic, sets, words, 0, seed × 4), then one lock (i32) a set, then the keys
 * (4 × i32 each, first word 0 = free), then the words (i64 each).
 *
 * Invariants: a key is written only under its set's lock, first word last; it is removed first word first. A value word
 * is changed only by compare-and-swap or add. A thread that dies inside a lock is released by the main thread (`releaseLocks`).
 * Not here: what the words mean (`rate-table.ts`, `counter-table.ts`).
 */
import { hash, randomFillSync } from "node:crypto";

const MAGIC = 0x54_47_54_31;
const HEADER_WORDS = 16;
const WAYS = 16;

/** Names one entry. `entry` remembers where it was last found; it is a hint, checked on every use. */
export interface SlotKey {
  /** The 128 bits: plain numbers, of which a caller has five or more for as long as it is remembered; small arrays of them take four times the memory. */
  readonly word0: number;
  readonly word1: number;
  readonly word2: number;
  readonly word3: number;
  entry: number;
}

/** Bytes a table of `entries` places with `words` words takes. Pages never touched cost no memory. */
function byteSize(sets: number, words: number): number {
  return (HEADER_WORDS + sets + sets * WAYS * 4) * 4 + sets * WAYS * words * 8;
}

/** A new, empty table with room for at least `entries` keys (rounded up to a power of two). */
export function createTable(entries: number, words: number): SharedArrayBuffer {
  const sets = 2 ** Math.ceil(Math.log2(Math.max(2, entries / WAYS)));
  const buffer = new SharedArrayBuffer(byteSize(sets, words));
  const header = new Int32Array(buffer, 0, HEADER_WORDS);
  header.set([MAGIC, sets, words, 0]);
  const seed = new Int32Array(4);
  randomFillSync(seed);
  header.set(seed, 4);
  return buffer;
}

export class SharedTable {
  readonly #sets: number;
  readonly #words: number;
  readonly #seed: string;
  readonly #locks: Int32Array;
  readonly #keys: Int32Array;
  readonly #values: BigInt64Array;
  readonly #owner: number;

  /** `owner` is a positive number that no other live thread uses: it marks the locks this thread holds. */
  constructor(buffer: SharedArrayBuffer, owner: number) {
    const header = new Int32Array(buffer, 0, HEADER_WORDS);
    if (header[0] !== MAGIC) throw new Error("Shared table: the buffer holds no table");
    this.#sets = header[1] ?? 0;
    this.#words = header[2] ?? 0;
    this.#seed = header.subarray(4, 8).join(".");
    this.#locks = new Int32Array(buffer, HEADER_WORDS * 4, this.#sets);
    const keysAt = (HEADER_WORDS + this.#sets) * 4;
    const places = this.#sets * WAYS;
    this.#keys = new Int32Array(buffer, keysAt, places * 4);
    this.#values = new BigInt64Array(buffer, keysAt + places * 16, places * this.#words);
    this.#owner = owner;
  }

  /** Places in the table. */
  get capacity(): number {
    return this.#sets * WAYS;
  }

  /** The key for a text; 1 µs, so callers keep it. The seed makes places unpredictable to clients. */
  key(text: string): SlotKey {
    const digest = hash("sha256", `${this.#seed}|${text}`, "buffer");
    return {
      word0: digest.readInt32LE(0) | 1,
      word1: digest.readInt32LE(4),
      word2: digest.readInt32LE(8),
      word3: digest.readInt32LE(12),
      entry: -1,
    };
  }

  /** Where the key is, or -1. */
  find(key: SlotKey): number {
    if (key.entry >= 0 && this.holds(key.entry, key)) return key.entry;
    const first = this.#setOf(key) * WAYS;
    for (let entry = first; entry < first + WAYS; entry++) {
      if (this.holds(entry, key)) {
        key.entry = entry;
        return entry;
      }
    }
    key.entry = -1;
    return -1;
  }

  /** Whether this place holds the key now. */
  holds(entry: number, key: SlotKey): boolean {
    const at = entry * 4;
    return (
      Atomics.load(this.#keys, at) === key.word0 &&
      this.#keys[at + 1] === key.word1 &&
      this.#keys[at + 2] === key.word2 &&
      this.#keys[at + 3] === key.word3
    );
  }

  /**
   * Where the key is, put there when it was not. A new entry's words are set to `initial` before anyone can find it.
   * When its set is full, a place for which `reclaim` answers true is taken over; with none the answer is -1.
   * `reclaim` must make the old entry unusable in the same step in which it finds it idle.
   */
  claim(key: SlotKey, initial: readonly bigint[], reclaim: (entry: number) => boolean): number {
    const found = this.find(key);
    if (found >= 0) return found;
    const set = this.#setOf(key);
    this.#lock(set);
    try {
      const again = this.find(key);
      if (again >= 0) return again;
      const place = this.#freePlace(set, reclaim);
      if (place >= 0) this.#write(place, key, initial);
      return place;
    } finally {
      Atomics.store(this.#locks, set, 0);
    }
  }

  #freePlace(set: number, reclaim: (entry: number) => boolean): number {
    const first = set * WAYS;
    for (let entry = first; entry < first + WAYS; entry++) {
      if (Atomics.load(this.#keys, entry * 4) === 0) return entry;
    }
    for (let entry = first; entry < first + WAYS; entry++) {
      if (reclaim(entry)) return entry;
    }
    return -1;
  }

  #write(entry: number, key: SlotKey, initial: readonly bigint[]): void {
    Atomics.store(this.#keys, entry * 4, 0);
    initial.forEach((value, word) => Atomics.store(this.#values, entry * this.#words + word, value));
    this.#keys[entry * 4 + 1] = key.word1;
    this.#keys[entry * 4 + 2] = key.word2;
    this.#keys[entry * 4 + 3] = key.word3;
    Atomics.store(this.#keys, entry * 4, key.word0);
    key.entry = entry;
  }

  load(entry: number, word: number): bigint {
    return Atomics.load(this.#values, entry * this.#words + word);
  }

  /** Whether the word was `expected` and now is `next`. */
  swap(entry: number, word: number, expected: bigint, next: bigint): boolean {
    return Atomics.compareExchange(this.#values, entry * this.#words + word, expected, next) === expected;
  }

  /** The word as it was before. */
  add(entry: number, word: number, delta: bigint): bigint {
    return Atomics.add(this.#values, entry * this.#words + word, delta);
  }

  /** Frees the places for which `isOver` answers true; main thread only. Returns how many are still taken. */
  sweep(isOver: (entry: number) => boolean): number {
    let taken = 0;
    for (let entry = 0; entry < this.capacity; entry++) {
      if (Atomics.load(this.#keys, entry * 4) === 0) continue;
      if (isOver(entry)) Atomics.store(this.#keys, entry * 4, 0);
      else taken++;
    }
    return taken;
  }

  /**
   * Opens the locks a dead thread left closed; main thread only. Places for which `isUnusable` answers true, which it was about to take
   * over, are freed first.
   */
  releaseLocks(deadOwner: number, isUnusable: (entry: number) => boolean): void {
    for (let set = 0; set < this.#sets; set++) {
      if (Atomics.load(this.#locks, set) !== deadOwner) continue;
      for (let entry = set * WAYS; entry < (set + 1) * WAYS; entry++)
        if (isUnusable(entry)) Atomics.store(this.#keys, entry * 4, 0);
      Atomics.store(this.#locks, set, 0);
    }
  }

  #setOf(key: SlotKey): number {
    return (key.word1 >>> 0) & (this.#sets - 1);
  }

  /** Held for some 100 ns by whoever inserts, so spinning beats sleeping. */
  #lock(set: number): void {
    while (Atomics.compareExchange(this.#locks, set, 0, this.#owner) !== 0);
  }
}
