/**
 * Tools of the machine that some tests stand on. Where one is missing the test is skipped with a printed reason, but not in
 * CI: there it is an error, so that no proof is lost in silence. Installs nothing (`.ci/run` does).
 */
import { execFileSync, spawnSync } from "node:child_process";
import { fakeTimeLibrary } from "./faketime.ts";

/**
 * `strace`: with leave to attach to a running process and to change its system calls. `prlimit`: of util-linux. `faketime`: its library.
 * `slowhttptest`, `chromium`: of Debian.
 */
export type Tool = "strace" | "prlimit" | "faketime" | "slowhttptest" | "chromium";

const tried = new Map<Tool, string | null>();

/** Whether tests that need the tool can run here; `test.skipIf(!needs("strace"))`. Throws in CI (`CI` is set) when they cannot. */
export function needs(tool: Tool): boolean {
  let lack = tried.get(tool);
  if (lack === undefined) {
    lack = lackOf(tool);
    tried.set(tool, lack);
    if (lack !== null) process.stdout.write(`Some tests are left out, they need ${tool}: ${lack}\n`);
  }
  if (lack !== null && process.env.CI !== undefined) throw new Error(`CI lacks ${tool}: ${lack}`);
  return lack === null;
}

const TRY_MS = 10_000;

/** Why the tool is of no use here; null: it works. */
function lackOf(tool: Tool): string | null {
  try {
    if (tool === "faketime") return fakeTimeLibrary() === null ? "no libfaketime" : null;
    if (tool === "prlimit") execFileSync("prlimit", ["--pid", String(process.pid)], { stdio: "pipe", timeout: TRY_MS });
    else if (tool === "slowhttptest") trySlowHttpTest();
    else if (tool === "chromium") execFileSync("chromium", ["--version"], { stdio: "pipe", timeout: TRY_MS });
    else tryStrace();
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

/** Its help ends with 1. */
function trySlowHttpTest(): void {
  const { error } = spawnSync("slowhttptest", ["-h"], { stdio: "ignore", timeout: TRY_MS });
  if (error !== undefined) throw error;
}

/** All ways the tests use it: to kill a program it starts, to be slow with one at little cost, and on a process that runs already. */
function tryStrace(): void {
  const onExit = (...options: string[]) =>
    spawnSync("strace", ["-D", "-f", "-qqq", "-o", "/dev/null", ...options, "true"], {
      encoding: "utf8",
      timeout: TRY_MS,
    });
  const killed = onExit("-e", "inject=exit_group:signal=SIGKILL");
  if (killed.error !== undefined) throw killed.error;
  if (killed.signal !== "SIGKILL") throw new Error(killed.stderr);
  const slow = onExit("--seccomp-bpf", "-e", "inject=exit_group:delay_enter=1");
  if (slow.status !== 0) throw new Error(slow.stderr);
  // A sibling of strace's, as a gateway is: some systems let nobody but the parent attach.
  const attached = spawnSync("bash", ["-c", "sleep 0.2 & strace -f -o /dev/null -p $! 2>&1"], {
    encoding: "utf8",
    timeout: TRY_MS,
  });
  if (!/attached/.test(attached.stdout)) throw new Error(attached.stdout);
}
