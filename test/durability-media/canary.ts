/**
 * What a sync every 20 ms costs on this machine just now, by doing it: a byte is written and synced on the same disk, over and
 * over. A gateway that does the same cannot be held to less. Ends when it is disposed of; a disk that fails ends it too.
 */
import { closeSync, fdatasync, openSync, writeSync } from "node:fs";

export class Canary implements Disposable {
  readonly #everyMs: number;
  readonly #fd: number;
  #dueAt = 0;
  #latestMs = 0;
  #timer: NodeJS.Timeout | null = null;
  #ended = false;

  constructor(file: string, everyMs: number) {
    this.#everyMs = everyMs;
    this.#fd = openSync(file, "w");
    this.#next();
  }

  /** The longest time so far from when a sync was due to when it was done. */
  get latestMs(): number {
    return Math.max(this.#latestMs, performance.now() - this.#dueAt);
  }

  [Symbol.dispose](): void {
    this.#ended = true;
    if (this.#timer === null) return;
    clearTimeout(this.#timer);
    closeSync(this.#fd);
  }

  #next(): void {
    this.#dueAt = performance.now() + this.#everyMs;
    this.#timer = setTimeout(() => this.#sync(), this.#everyMs);
  }

  #sync(): void {
    this.#timer = null;
    writeSync(this.#fd, "x", 0);
    fdatasync(this.#fd, () => {
      this.#latestMs = this.latestMs;
      if (this.#ended) closeSync(this.#fd);
      else this.#next();
    });
  }
}
