/**
 * Faults of the disk, made by strace: chosen system calls of a gateway fail, come late, or kill it. Either from its start on
 * (`strace -D … gateway`, `straceWrapper`) or from now until told otherwise, on named files only (`Strace.attach`): to detach
 * is to repair the disk. Counts of `when=` are for each thread and system call by itself. Tests ask `needs("strace")` first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "#test/support/until.ts";

/** In strace's words: `{ calls: "write", effect: "error=EIO:when=2" }`. */
export interface Injection {
  /** Names with commas between. */
  readonly calls: string;
  /** null: they are only listed. */
  readonly effect: string | null;
}

const ATTACH_MS = 10_000;

/**
 * Command line before a gateway's own: it runs under the injection from its first call on, with its own pid. `output` gets a
 * line for each of the calls, `TID SECONDS name(fd<path>, …) = result`, and one when the process is killed.
 * `effect` null: the calls are only listed.
 */
export function straceWrapper(calls: string, effect: string | null, output: string): readonly string[] {
  const head = ["strace", "-D", "-f", "-y", "-ttt", "-o", output, "-e", `trace=${calls}`];
  // strace then stops at these calls alone, which costs little; but no signal gets through that way.
  if (effect === null || !effect.includes("signal=")) head.push("--seccomp-bpf");
  return effect === null ? head : [...head, "-e", `inject=${calls}:${effect}`];
}

export class Strace implements AsyncDisposable {
  readonly #dir = mkdtempSync(join(tmpdir(), "tollgate-strace-"));
  readonly #child: ChildProcess;
  readonly #closed: Promise<void>;
  #said = "";

  /** Resolves when the injections are in force. Files need not exist yet; none: on every file. Slows every call of the process. */
  static async attach(pid: number, files: readonly string[], injections: readonly Injection[]): Promise<Strace> {
    const strace = new Strace(pid, files, injections);
    await until("strace is attached", () => strace.#said.includes(" attached"), ATTACH_MS).catch((error: unknown) => {
      throw new Error(`strace: ${strace.#said}`, { cause: error });
    });
    return strace;
  }

  private constructor(pid: number, files: readonly string[], injections: readonly Injection[]) {
    const calls = injections.map((injection) => injection.calls).join(",");
    // Written bytes are shown up to here; an answer goes out as one string.
    const shown = "2048";
    const head = ["-f", "-y", "-ttt", "-s", shown, "-o", this.#output, "-p", String(pid), "-e", `trace=${calls}`];
    const paths = files.flatMap((file) => ["-P", file]);
    const effects = injections.flatMap(({ calls: names, effect }) =>
      effect === null ? [] : ["-e", `inject=${names}:${effect}`],
    );
    this.#child = spawn("strace", [...head, ...paths, ...effects], { stdio: ["ignore", "ignore", "pipe"] });
    this.#child.stderr?.setEncoding("utf8").on("data", (part: string) => (this.#said += part));
    this.#closed = new Promise((resolve) => {
      this.#child.on("error", () => resolve());
      this.#child.on("close", () => resolve());
    });
  }

  get #output(): string {
    return join(this.#dir, "calls");
  }

  /** Lines as of `straceWrapper`. */
  get lines(): readonly string[] {
    return readFileSync(this.#output, "utf8").split("\n");
  }

  /** How many calls have been tampered with so far. */
  get injected(): number {
    return this.lines.filter((line) => /\((INJECTED|DELAYED)\)/.test(line)).length;
  }

  /** From now on every call does what it should. */
  async detach(): Promise<void> {
    this.#child.kill("SIGINT");
    await this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detach();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
