/**
 * Commands speak to the admin API: through the ops socket of the running gateway, or, when none runs, in process on the store.
 * Either way the same endpoints answer. What a way needs is loaded when it is taken: most of a command's time would be loading. Main thread.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout } from "node:timers/promises";
import { dataFolderOf, plainDataFolderOf } from "#config/data-folder.ts";
import type { Settings } from "#config/settings.ts";
import { DataFolderLocked, readRunFile } from "#control-plane/store/run-file.ts";
import type { AdminClient } from "./admin-answer.ts";
import { type CommonOptions, settingsOf } from "./context.ts";

/** How long a command waits for another command that holds the data folder. */
const LOCK_WAIT_MS = 5000;

type Work<T> = (client: AdminClient) => Promise<T>;

/**
 * Runs `work` with a client; whatever was opened is closed again. A running gateway is asked before the file is looked at any closer: a
 * broken one does not keep a command from it.
 */
export async function withAdmin<T>(options: CommonOptions, work: Work<T>): Promise<T> {
  const plain = plainDataFolderOf(options.config);
  const running = plain === null ? null : await socketOf(plain);
  if (running !== null) return overSocket(running, work);
  const found = await settingsOrSocket(options);
  return found.settings === null ? overSocket(found.socket, work) : onStore(found.settings, work);
}

type Found = { readonly settings: Settings } | { readonly settings: null; readonly socket: string };

async function settingsOrSocket(options: CommonOptions): Promise<Found> {
  try {
    return { settings: await settingsOf(options) };
  } catch (error) {
    const socket = await socketOf(dataFolderOf(options.config));
    if (socket === null) throw error;
    return { settings: null, socket };
  }
}

/** On the store, or, when a gateway has it after all, through that one. */
async function onStore<T>(settings: Settings, work: Work<T>): Promise<T> {
  const { dataDir } = settings.store;
  for (const until = Date.now() + LOCK_WAIT_MS; ; await setTimeout(50)) {
    const socket = await socketOf(dataDir);
    if (socket !== null) return overSocket(socket, work);
    try {
      return await inProcess(settings, work);
    } catch (error) {
      if (!(error instanceof DataFolderLocked) || Date.now() > until) throw error;
    }
  }
}

/** Where the gateway that has the data folder listens; null: none does. One that was killed leaves its run file behind. */
async function socketOf(dataDir: string): Promise<string | null> {
  const path = readRunFile(dataDir)?.opsSocket ?? null;
  if (path === null) return null;
  const socket = connect(path);
  try {
    await once(socket, "connect");
    return path;
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}

async function overSocket<T>(socketPath: string, work: Work<T>): Promise<T> {
  return (await import("./admin-over-socket.ts")).overSocket(socketPath, work);
}

async function inProcess<T>(settings: Settings, work: Work<T>): Promise<T> {
  return (await import("./admin-in-process.ts")).inProcess(settings, work);
}
