/**
 * A cap on the memory of a gateway: a control group of its own where the system lets us make one (cgroup v1, as root), where the kernel ends
 * a process that goes beyond. Elsewhere there is none, and whoever asks has only the process's own peak to judge by.
 */
import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = "/sys/fs/cgroup/memory";

export class MemoryCap implements Disposable {
  /** null: there is none. */
  readonly #dir: string | null;

  private constructor(dir: string | null) {
    this.#dir = dir;
  }

  static of(bytes: number): MemoryCap {
    const dir = join(ROOT, `tollgate-test-${process.pid}-${Math.random().toString(36).slice(2)}`);
    try {
      mkdirSync(dir);
      writeFileSync(join(dir, "memory.limit_in_bytes"), String(bytes));
      return new MemoryCap(dir);
    } catch {
      return new MemoryCap(null);
    }
  }

  get isReal(): boolean {
    return this.#dir !== null;
  }

  /** Runs a command under the cap, same pid. */
  get wrapper(): readonly string[] {
    if (this.#dir === null) return ["env"];
    return ["bash", "-c", `echo $$ > ${join(this.#dir, "cgroup.procs")} && exec "$@"`, "bash"];
  }

  /** Processes that the kernel has ended for it. */
  get kills(): number {
    if (this.#dir === null) return 0;
    return Number(/^oom_kill (\d+)/m.exec(readFileSync(join(this.#dir, "memory.oom_control"), "latin1"))?.[1] ?? 0);
  }

  /** When nobody is left in it. */
  [Symbol.dispose](): void {
    if (this.#dir !== null) rmdirSync(this.#dir);
  }
}
