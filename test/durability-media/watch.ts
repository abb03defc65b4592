/** Remembers when answers came: how many of a load's `delivered` there were at a time. Exact to its interval, and never too early. */
import type { Load } from "../durability/load.ts";

const EVERY_MS = 2;

export class Watch {
  readonly #load: Load;
  readonly #timer: NodeJS.Timeout;
  readonly #seen: { readonly at: number; readonly count: number }[] = [];
  #endedAt = 0;

  constructor(load: Load) {
    this.#load = load;
    this.#look();
    this.#timer = setInterval(() => this.#look(), EVERY_MS);
  }

  get going(): boolean {
    return this.#endedAt === 0;
  }

  /** When it was stopped. */
  get endedAt(): number {
    return this.#endedAt;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#endedAt = this.#look();
  }

  /** Answers that had come by then; times are of `performance.now()`. */
  countAt(at: number): number {
    return this.#seen.findLast((seen) => seen.at <= at)?.count ?? 0;
  }

  /** When the answer of this number, from 0 on, had come. */
  timeOf(index: number): number {
    return this.#seen.find(({ count }) => count > index)?.at ?? this.#endedAt;
  }

  #look(): number {
    const at = performance.now();
    this.#seen.push({ at, count: this.#load.delivered.size });
    return at;
  }
}
