/** Starts and ends the benchmark's own child processes, each by its own pid. Does not know what they do. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pinned } from "./pin.ts";

const BENCH = join(import.meta.dirname, "..");
const LISTEN_TIMEOUT_MS = 20_000;

export interface StartOptions {
  readonly core: number;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** What becomes of what it prints: read by the caller, written to the file of this descriptor, or lost. */
  readonly stdout?: "pipe" | number;
}

export function startProgram(command: string, args: readonly string[], options: StartOptions): ChildProcess {
  const [program = "", ...rest] = [...pinned(options.core), command, ...args];
  return spawn(program, rest, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", options.stdout ?? "ignore", "inherit"],
  });
}

/** Runs a file of `bench/` under the same Node; its stdout is a pipe. */
export function startScript(core: number, file: string, ...args: readonly string[]): ChildProcess {
  return startProgram(process.execPath, [join(BENCH, file), ...args], { core, stdout: "pipe" });
}

/** Resolves when the process is gone; it may be already. */
export async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill("SIGKILL");
  await gone;
}

/** Resolves when somebody listens on this port of loopback; rejects when the process ends before. */
export async function untilListening(child: ChildProcess, port: number): Promise<void> {
  const end = performance.now() + LISTEN_TIMEOUT_MS;
  while (performance.now() < end) {
    if (child.exitCode !== null) throw new Error(`It ended with exit ${child.exitCode}`);
    if (await accepts(port)) return;
    await pause(50);
  }
  throw new Error(`Nobody listens on port ${port} after ${LISTEN_TIMEOUT_MS / 1000} s`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => end(true)).once("error", () => end(false));
  });
}

/** What a program says of its version, null when there is no such program. */
export function versionOf(command: string, ...args: readonly string[]): string | null {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8" });
  if (error !== undefined || (status !== 0 && stdout === "" && stderr === "")) return null;
  return /\d+(?:\.\d+)+/.exec(stdout + stderr)?.[0] ?? "unknown";
}
