/**
 * Reload on SIGHUP and when the file changes. Main thread. One reload at a time; a good file takes effect as a whole, a bad one is
 * logged with every fault and the settings in force go on.
 */
import { type FSWatcher, realpathSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { Logger } from "pino";
import { ConfigFaults, formatFault } from "#config/faults.ts";
import { loadSettings } from "#config/load.ts";
import type { Gateway } from "./gateway.ts";

/** Editors write in several steps; wait until they are through. */
const SETTLE_MS = 100;

export class Reloader {
  readonly #gateway: Gateway;
  readonly #file: string;
  readonly #log: Logger;
  readonly #watcher: FSWatcher | null;
  /** What the file was when it was last looked at. */
  #seen: string;
  #timer: NodeJS.Timeout | null = null;
  #underWay: Promise<void> = Promise.resolve();

  constructor(gateway: Gateway, file: string, log: Logger) {
    this.#gateway = gateway;
    this.#file = file;
    this.#log = log;
    this.#seen = stateOf(file);
    this.#watcher = this.#watch();
  }

  /** The folder, not the file: a file that is replaced is another one, and a mounted one changes behind its link. */
  #watch(): FSWatcher | null {
    const failed = (error: unknown) => {
      this.#log.warn({ event: "watch-failed", err: error }, "The configuration file is not watched; use SIGHUP");
    };
    try {
      const watcher = watch(dirname(this.#file), { persistent: false }, () => this.#looked());
      return watcher.on("error", failed);
    } catch (error) {
      failed(error);
      return null;
    }
  }

  #looked(): void {
    const now = stateOf(this.#file);
    if (now === this.#seen) return;
    this.#seen = now;
    this.#changed();
  }

  #changed(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.reload("file"), SETTLE_MS);
  }

  /** Resolves when the reload is through, accepted or refused; never rejects. */
  reload(cause: "SIGHUP" | "file"): Promise<void> {
    this.#underWay = this.#underWay.then(() => this.#reloadNow(cause));
    return this.#underWay;
  }

  async #reloadNow(cause: string): Promise<void> {
    try {
      const ignored = await this.#gateway.reload(loadSettings(this.#file));
      this.#log.info({ event: "reloaded", cause }, "Configuration reloaded");
      if (ignored.length > 0)
        this.#log.warn({ event: "restart-needed", settings: ignored }, "Some changed settings need a restart");
    } catch (error) {
      this.#gateway.reloadRefused();
      const faults =
        error instanceof ConfigFaults
          ? error.faults.map(formatFault)
          : [error instanceof Error ? error.message : String(error)];
      this.#log.error({ event: "reload-failed", cause, faults }, "Configuration refused; the one in force goes on");
    }
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#watcher?.close();
  }
}

/** Changes whenever the file does; empty while there is none. */
function stateOf(file: string): string {
  try {
    const { mtimeMs, size, ino } = statSync(file);
    return `${realpathSync(file)} ${mtimeMs} ${size} ${ino}`;
  } catch {
    return "";
  }
}
