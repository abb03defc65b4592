/**
 * How many clients' connections a worker may hold so that the process never runs out of open files: what is left of its limit beside
 * connections to upstreams, store, journal and listeners. Workers are threads, so they share the limit. Worker thread.
 */
import { readFileSync } from "node:fs";
import type { Settings } from "#config/settings.ts";
import { CONTROL_CONNECTIONS } from "#data-plane/upstream/pool.ts";

/** Files of the process (measured: 34) and of each worker (8), twice over. */
const PROCESS_FILES = 64;
const WORKER_FILES = 16;
/** A connection to the control API has both its ends in this process. */
const CONTROL_FILES = 2 * CONTROL_CONNECTIONS;

/** Files this process may have open (node raises its soft limit to the hard one); null where the system does not tell. */
export function openFilesMax(): number | null {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "latin1"))?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}

/**
 * Places for clients on each worker, 1 or more; Infinity: no limit. Upstreams' connections are set aside in full, but never more than
 * half of the files: a request under way has one client and one upstream.
 */
export function clientsMax({ server, upstreams }: Settings, filesMax: number | null): number {
  const set = server.limits.connectionsMax ?? Infinity;
  if (filesMax === null) return set;
  const { workers } = server;
  const free = filesMax - PROCESS_FILES - workers * WORKER_FILES;
  const targets = Object.values(upstreams).reduce((sum, one) => sum + one.targets.length * one.connections, 0);
  const clients = Math.max(free - workers * (targets + CONTROL_FILES), free / 2);
  return Math.max(1, Math.min(set, Math.floor(clients / workers)));
}
