/**
 * Knows when every worker of the gateway has read what was written to it: one connection to each, asked after the writing. A worker's
 * sockets are told to it in the order in which their bytes came, so it has read those before it answers.
 */
import { type Connection, connectionToEach } from "#test/support/connection.ts";
import { type Arena, WORKERS } from "./arena.ts";

/** Well below the gateway's idle timeout in the arena. */
const BEAT_MS = 400;

export class Rounds implements Disposable {
  readonly #workers: readonly Connection[];
  readonly #beat: NodeJS.Timeout;
  #last: Promise<unknown> = Promise.resolve();
  /** One that has not begun: whoever waits for it has written before it does. */
  #next: Promise<unknown> | null = null;

  private constructor(workers: readonly Connection[]) {
    this.#workers = workers;
    // When all is sent the judge keeps this thread busy, and the connections are closed as idle ones: nobody needs them any more.
    this.#beat = setInterval(() => void this.allHaveRead().catch(() => undefined), BEAT_MS);
  }

  static async open(arena: Arena): Promise<Rounds> {
    return new Rounds(await connectionToEach(arena.gateway, WORKERS));
  }

  async allHaveRead(): Promise<void> {
    this.#next ??= this.#last = this.#last.then(() => this.#round());
    await this.#next;
  }

  async #round(): Promise<void> {
    this.#next = null;
    // Answered by the workers themselves: the upstream hears nothing of it.
    await Promise.all(this.#workers.map((worker) => worker.ask("GET", "/_tollgate/auth/me")));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#beat);
    for (const worker of this.#workers) worker[Symbol.dispose]();
  }
}
