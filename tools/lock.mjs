/**
 * A lock between processes, as a folder: one holder at a time, the others wait. The folder appears complete with its
 * `owner` file by a rename, so there is never a lock without an owner. A lock whose owner died is taken over in place.
 * Does not know what it protects.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, rmdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const POLL_MS = 100;
const HEARTBEAT_MS = 5_000;
/** An owner that missed this many beats is dead, whatever its pid says (pids are used again, hosts differ). */
const STALE_MS = 60_000;

/** Runs `work` while holding the lock at `folder`; its parent must exist. */
export async function withLock(folder, work) {
  const token = randomUUID();
  while (!tryCreate(folder, token) && !tryTakeOver(folder, token)) await sleep(POLL_MS);
  const beat = setInterval(() => touch(ownerFile(folder)), HEARTBEAT_MS);
  try {
    return await work();
  } finally {
    clearInterval(beat);
    release(folder, token);
  }
}

const ownerFile = (folder) => join(folder, "owner");
const ownerText = (token) => JSON.stringify({ token, pid: process.pid, host: hostname() });

function tryCreate(folder, token) {
  const draft = `${folder}.${token}`;
  mkdirSync(draft);
  writeFileSync(ownerFile(draft), ownerText(token));
  try {
    renameSync(draft, folder); // refused while the lock exists, as that folder is never empty
    return true;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (error.code === "ENOTEMPTY" || error.code === "EEXIST") return false;
    throw error;
  }
}

/**
 * Only one waiter can make the folder `heir-TOKEN` of a dead owner, and it rewrites `owner` before it removes it:
 * whoever makes it later sees another owner and steps back. So two waiters never both believe they hold the lock.
 */
function tryTakeOver(folder, token) {
  const dead = readOwner(folder);
  if (dead === null || !isStale(dead)) return false;
  const heir = join(folder, `heir-${dead.token}`);
  if (!attempt(() => mkdirSync(heir))) return false;
  const now = readOwner(folder);
  const mine = now !== null && now.token === dead.token && isStale(now);
  if (mine) replaceOwner(folder, token);
  attempt(() => rmdirSync(heir));
  return mine;
}

function replaceOwner(folder, token) {
  const draft = join(folder, `owner-${token}`);
  writeFileSync(draft, ownerText(token));
  renameSync(draft, ownerFile(folder));
}

function readOwner(folder) {
  try {
    const ageMs = Date.now() - statSync(ownerFile(folder)).mtimeMs;
    return { ageMs, ...JSON.parse(readFileSync(ownerFile(folder), "utf8")) };
  } catch {
    return null; // released between two looks
  }
}

function isStale({ ageMs, pid, host }) {
  return ageMs > STALE_MS || (host === hostname() && !isAlive(pid));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

function release(folder, token) {
  if (readOwner(folder)?.token !== token) return;
  const gone = `${folder}.${token}`;
  renameSync(folder, gone);
  rmSync(gone, { recursive: true, force: true });
}

function touch(path) {
  attempt(() => utimesSync(path, new Date(), new Date()));
}

/** Whether it worked; what stands in the way is only ever another process being faster. */
function attempt(change) {
  try {
    change();
    return true;
  } catch {
    return false;
  }
}
