/**
 * Runs the real gateway for black-box tests: writes gateway.yaml in a folder of its own, spawns `src/main.ts start`, waits
 * for its `ready` line, and gives its addresses, its log and the command line. Does not mock or reach into anything.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { type CliResult, runCli } from "./cli.ts";
import { type LogLine, readLog } from "./log.ts";

export interface GatewayOptions {
  /** Added to this process's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** More arguments after `start -c FILE`. */
  readonly args?: readonly string[];
  /** An existing folder, for a second start on the same data; it is then left in place by a dispose. */
  readonly dir?: string;
  /** A command that runs the gateway in its place, same pid: `["taskset", "-c", "0"]`. */
  readonly wrapper?: readonly string[];
  readonly readyTimeoutMs?: number;
}

export interface Gateway extends AsyncDisposable {
  /** `http://127.0.0.1:PORT` of the traffic listener. */
  readonly url: string;
  readonly port: number;
  /** null when the configuration has `admin: null`. */
  readonly adminUrl: string | null;
  /** Folder of gateway.yaml and of the data. */
  readonly dir: string;
  readonly file: string;
  readonly pid: number;
  /** Every JSON line it has logged so far, oldest first. */
  logs(): readonly LogLine[];
  /** All it has written to stdout and stderr. */
  output(): string;
  /** Runs the command line with `-c FILE` added. */
  cli(...args: readonly string[]): Promise<CliResult>;
  /** Writes the configuration when one is given, sends SIGHUP and waits for the `reloaded` or `reload-failed` line. */
  reload(config?: GatewayConfig): Promise<LogLine>;
  /** SIGTERM, then its exit code (128 + n after a signal). */
  stop(): Promise<number>;
  /** SIGKILL, as a crash. */
  kill(): Promise<void>;
}

/**
 * YAML text, or an object that becomes it. Without `server.listen` and `server.admin`, free ports of loopback are taken, and without
 * `server.lane` the one that TOLLGATE_LANE names.
 */
export type GatewayConfig = string | Readonly<Record<string, unknown>>;

const ROOT = join(import.meta.dirname, "..", "..");
const READY_TIMEOUT_MS = 20_000;
const RELOAD_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 35_000;

export async function startGateway(config: GatewayConfig, options: GatewayOptions = {}): Promise<Gateway> {
  const dir = options.dir ?? mkdtempSync(join(tmpdir(), "tollgate-test-"));
  const file = join(dir, "gateway.yaml");
  writeFileSync(file, toYaml(config));
  const child = spawnGateway(file, dir, options);
  const gateway = new RunningGateway(child, file, dir, options.dir === undefined);
  try {
    await gateway.ready(options.readyTimeoutMs ?? READY_TIMEOUT_MS);
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
  return gateway;
}

function spawnGateway(file: string, dir: string, options: GatewayOptions): ChildProcess {
  const start = [process.execPath, join(ROOT, "src", "main.ts"), "start", "-c", file, ...(options.args ?? [])];
  const [command = "", ...args] = [...(options.wrapper ?? []), ...start];
  return spawn(command, args, { cwd: dir, env: { ...process.env, ...options.env }, stdio: ["ignore", "pipe", "pipe"] });
}

function toYaml(config: GatewayConfig): string {
  if (typeof config === "string") return config;
  const server = typeof config.server === "object" ? config.server : {};
  const lane = process.env.TOLLGATE_LANE ?? "auto";
  return stringify({ version: 1, ...config, server: { listen: "127.0.0.1:0", admin: "127.0.0.1:0", lane, ...server } });
}

class RunningGateway implements Gateway {
  readonly dir: string;
  readonly file: string;
  readonly #child: ChildProcess;
  readonly #exit: Promise<number>;
  readonly #ownsDir: boolean;
  #ready: LogLine = {};
  #output = "";
  #exited = false;
  #onOutput = (): void => {};

  constructor(child: ChildProcess, file: string, dir: string, ownsDir: boolean) {
    this.#child = child;
    this.file = file;
    this.dir = dir;
    this.#ownsDir = ownsDir;
    for (const stream of [child.stdout, child.stderr]) stream?.setEncoding("utf8").on("data", this.#gather);
    this.#exit = exitOf(child).finally(() => {
      this.#exited = true;
      this.#onOutput();
    });
  }

  readonly #gather = (part: string): void => {
    this.#output += part;
    this.#onOutput();
  };

  async ready(timeoutMs: number): Promise<void> {
    this.#ready = await this.#line((line) => line.event === "ready", 0, timeoutMs, "become ready");
  }

  get url(): string {
    return `http://${field(this.#ready, "listen")}`;
  }

  get port(): number {
    return Number(new URL(this.url).port);
  }

  get adminUrl(): string | null {
    return typeof this.#ready.admin === "string" ? `http://${this.#ready.admin}` : null;
  }

  get pid(): number {
    return this.#child.pid ?? -1;
  }

  logs(): readonly LogLine[] {
    return readLog(this.#output);
  }

  output(): string {
    return this.#output;
  }

  cli(...args: readonly string[]): Promise<CliResult> {
    return runCli([...args, "-c", this.file], { cwd: this.dir });
  }

  async reload(config?: GatewayConfig): Promise<LogLine> {
    if (config !== undefined) writeFileSync(this.file, toYaml(config));
    const seen = this.logs().length;
    this.#child.kill("SIGHUP");
    // By its cause: the file's watcher may be reloading an earlier state at the same time.
    const isAnswer = (line: LogLine) =>
      (line.event === "reloaded" || line.event === "reload-failed") && line.cause === "SIGHUP";
    return await this.#line(isAnswer, seen, RELOAD_TIMEOUT_MS, "reload");
  }

  async stop(): Promise<number> {
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    return await this.#exit.finally(() => clearTimeout(timer));
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    if (this.#ownsDir) rmSync(this.dir, { recursive: true, force: true });
  }

  /** The first log line from number `from` on that `wanted` takes; an error with all output when it does not come. */
  #line(wanted: (line: LogLine) => boolean, from: number, timeoutMs: number, action: string): Promise<LogLine> {
    return new Promise((resolve, reject) => {
      const settle = (answer: () => void) => {
        clearTimeout(timer);
        this.#onOutput = () => {};
        answer();
      };
      const fail = (why: string) =>
        settle(() => reject(new Error(`Gateway did not ${action}: ${why}\n${this.#output}`)));
      const timer = setTimeout(() => fail(`nothing within ${timeoutMs} ms`), timeoutMs);
      this.#onOutput = () => {
        const line = this.logs().slice(from).find(wanted);
        if (line !== undefined) settle(() => resolve(line));
        else if (this.#exited) fail("the process ended");
      };
      this.#onOutput();
    });
  }
}

function field(line: LogLine, name: string): string {
  const value = line[name];
  if (typeof value !== "string") throw new Error(`The ready line has no "${name}"`);
  return value;
}

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.on("error", () => resolve(127));
    child.on("close", (code, signal) => resolve(code ?? 128 + (SIGNAL_NUMBERS[signal ?? ""] ?? 0)));
  });
}

const SIGNAL_NUMBERS: Readonly<Record<string, number>> = { SIGHUP: 1, SIGINT: 2, SIGKILL: 9, SIGTERM: 15 };
