/**
 * Token buckets in shared memory, exact across threads: one 64-bit word a bucket, its theoretical arrival time (GCRA),
 * changed by compare-and-swap. A full bucket equals an absent one, so taking over its place loses nothing;
 * a bucket that is not full is never evicted by somebody else's key.
 */
import { type Bucket, nextArrival, tokensLeft, waitForToken } from "#core/limits.ts";
import { SharedTable, type SlotKey } from "./shared-table.ts";

const TAKEN_OVER = -1n;

export class RateTable {
  readonly #table: SharedTable;

  constructor(buffer: SharedArrayBuffer, owner: number) {
    this.#table = new SharedTable(buffer, owner);
  }

  key(text: string): SlotKey {
    return this.#table.key(text);
  }

  /** Nanoseconds until a token is there, 0 when one is there now. Takes nothing. */
  waitNs(key: SlotKey, bucket: Bucket, nowNs: bigint): bigint {
    const entry = this.#table.find(key);
    return entry < 0 ? 0n : waitForToken(this.#table.load(entry, 0), nowNs, bucket);
  }

  /** Whole tokens left. */
  left(key: SlotKey, bucket: Bucket, nowNs: bigint): number {
    const entry = this.#table.find(key);
    return entry < 0 ? bucket.burst : tokensLeft(this.#table.load(entry, 0), nowNs, bucket);
  }

  /** Takes one token: `taken`, `empty` when there is none, `full` when the table has no place for a new bucket. */
  take(key: SlotKey, bucket: Bucket, nowNs: bigint): "taken" | "empty" | "full" {
    for (;;) {
      const entry = this.#table.claim(key, [nowNs], (other) => this.#takeOver(other, nowNs));
      if (entry < 0) return "full";
      const arrival = this.#table.load(entry, 0);
      if (arrival === TAKEN_OVER) continue;
      const next = nextArrival(arrival, nowNs, bucket);
      if (next === null) return "empty";
      // A place taken over after `load` holds a later time than `arrival`: the swap fails and we look again.
      if (!this.#table.swap(entry, 0, arrival, next)) continue;
      if (this.#table.holds(entry, key)) return "taken";
      // Taken over between `claim` and `load`: the token came from a stranger's bucket and goes back.
      this.#table.add(entry, 0, -bucket.intervalNs);
    }
  }

  /** Gives back a token taken by a request that another check refused. */
  giveBack(key: SlotKey, bucket: Bucket): void {
    const entry = this.#table.find(key);
    if (entry >= 0) this.#table.add(entry, 0, -bucket.intervalNs);
  }

  releaseLocks(deadOwner: number): void {
    this.#table.releaseLocks(deadOwner);
  }

  /** Makes an idle bucket unusable so that its place can be reused; strictly idle, see `take`. */
  #takeOver(entry: number, nowNs: bigint): boolean {
    const arrival = this.#table.load(entry, 0);
    return arrival < nowNs && arrival !== TAKEN_OVER && this.#table.swap(entry, 0, arrival, TAKEN_OVER);
  }
}
