/**
 * Concurrency limits in shared memory, exact across threads: how many requests are under way, one 64-bit word a key: 31 bits of the key
 * itself, then 32 bits of how many. Nobody under way equals an absent entry, so its place can be taken over; whoever still looks at the
 * former owner's word then cannot change the new one's. What a dead worker held is given back by the main thread (`in-flight-table.ts`).
 */
import { fits } from "#core/limits.ts";
import { SharedTable, type SlotKey } from "./shared-table.ts";

const TAKEN_OVER = -1n;
const HELD_BITS = 32n;
const HELD_MASK = (1n << HELD_BITS) - 1n;

export class SlotTable {
  readonly #table: SharedTable;

  constructor(buffer: SharedArrayBuffer, owner: number) {
    this.#table = new SharedTable(buffer, owner);
  }

  key(text: string): SlotKey {
    return this.#table.key(text);
  }

  /** Requests under way. */
  held(key: SlotKey): number {
    const entry = this.#table.find(key);
    const word = entry < 0 ? 0n : this.#table.load(entry, 0);
    return word >> HELD_BITS === tagOf(key) ? heldOf(word) : 0;
  }

  /** The place of the slot taken; -1: all are taken, -2: the table has no place. `limit` null takes one more in any case. */
  take(key: SlotKey, limit: number | null): number {
    const tag = tagOf(key);
    for (;;) {
      const known = this.#table.find(key);
      const entry = known >= 0 ? known : this.#table.claim(key, [tag << HELD_BITS], (other) => this.#takeOver(other));
      if (entry < 0) return -2;
      const word = this.#table.load(entry, 0);
      // Taken over since it was found.
      if (word >> HELD_BITS !== tag) continue;
      if (!fits(heldOf(word), 1, limit)) return -1;
      if (this.#table.swap(entry, 0, word, word + 1n)) return entry;
    }
  }

  #takeOver(entry: number): boolean {
    const word = this.#table.load(entry, 0);
    return word !== TAKEN_OVER && heldOf(word) === 0 && this.#table.swap(entry, 0, word, TAKEN_OVER);
  }

  /** Gives back the slot at this place. A place with a slot taken is never taken over. */
  giveBackAt(entry: number): void {
    this.#table.add(entry, 0, -1n);
  }

  releaseLocks(deadOwner: number): void {
    this.#table.releaseLocks(deadOwner, (entry) => this.#table.load(entry, 0) === TAKEN_OVER);
  }
}

function tagOf({ word2 }: SlotKey): bigint {
  return BigInt(word2 >>> 1);
}

function heldOf(word: bigint): number {
  return Number(word & HELD_MASK);
}
