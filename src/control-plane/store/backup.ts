/**
 * A copy of the data folder, taken while it is in use. Main thread, which it never holds up for longer than 100 pages take.
 * Cut: one instant. The store is read in one transaction, begun in the same turn in which the segments are listed with their
 * lengths. So no offset of the copied store lies beyond a copied segment, and what lies behind an offset is folded once, by the
 * gateway that starts on the copy.
 * A copy is whole or not there: it grows beside its place and is moved there when all of it is on disk.
 * Not here: gateway.yaml and files it names, which are the operator's own.
 */
import { randomBytes } from "node:crypto";
import { copyFileSync, readdirSync, statSync } from "node:fs";
import { copyFile, lstat, mkdir, open, readdir, rename, rm, stat, truncate } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import SQLite from "better-sqlite3";
import { wallMs } from "#core/clock.ts";
import { parseSegmentFile } from "#shared/segment-name.ts";

/** Secrets beside the store. A test holds this list against a data folder that has been used. */
const SECRET_FILES = ["pepper", "local-issuer.pem", "demo-key"];
/** Copied at the cut: a rotation must not come between the store and its keys. */
const SEALING_KEYS = "sealing-keys";
const KEY_SETS = "key-sets";
const JOURNAL = "journal";

export interface DataFolder {
  /** The store's file; in `dataDir`. */
  readonly file: string;
  readonly dataDir: string;
}

export interface BackupMade {
  readonly dir: string;
  /** What was in store and journal at this moment is in the copy, and nothing later. Milliseconds since 1970. */
  readonly cutMs: number;
  readonly files: number;
  readonly bytes: number;
}

/** Why there is no copy, in words for the operator. */
export class BackupFault extends Error {
  /** `place`: another folder would do; `state`: this one would, once something has changed. */
  readonly kind: "place" | "state";

  constructor(kind: "place" | "state", message: string, cause?: unknown) {
    super(message, { cause });
    this.name = "BackupFault";
    this.kind = kind;
  }
}

/**
 * Copies a data folder whose lock this process holds to `dir`, an absolute path with nothing or an empty folder at its end.
 * Folders get mode 0700 and files 0600. Throws `BackupFault` and leaves nothing behind. Costs a read and a write of store and
 * journal, and their room on disk.
 */
export async function backUp(source: DataFolder, dir: string): Promise<BackupMade> {
  await checkPlace(dir);
  const draft = `${dir}.partial-${randomBytes(6).toString("hex")}`;
  try {
    for (const folder of [draft, join(draft, JOURNAL), join(draft, KEY_SETS)]) await mkdir(folder, { mode: 0o700 });
    const { cutMs, segments } = await copyStore(source, draft);
    const gone: string[] = [];
    for (const segment of segments) if (!(await copySegment(source.dataDir, draft, segment))) gone.push(segment.name);
    markGone(join(draft, basename(source.file)), gone);
    for (const name of await otherFiles(source.dataDir)) await copyFile(join(source.dataDir, name), join(draft, name));
    const sizes = await settle(draft);
    await rename(draft, dir);
    await sync(dirname(dir));
    return { dir, cutMs, files: sizes.length, bytes: sizes.reduce((sum, size) => sum + size, 0) };
  } catch (error) {
    // What cannot be removed (a name too long, say) must not hide why.
    await rm(draft, { recursive: true, force: true }).catch(() => undefined);
    throw faultOf(error, dir);
  }
}

async function checkPlace(dir: string): Promise<void> {
  const parent = await stat(dirname(dir)).catch(() => null);
  if (parent === null || !parent.isDirectory())
    throw new BackupFault("place", `Folder ${dirname(dir)} does not exist: make it first`);
  const there = await lstat(dir).catch(() => null);
  if (there === null) return;
  if (!there.isDirectory()) throw new BackupFault("place", `${dir} exists and is no folder`);
  const isEmpty = (await readdir(dir).catch(() => ["unreadable"])).length === 0;
  if (!isEmpty) throw new BackupFault("place", `Folder ${dir} is not empty: a backup overwrites nothing`);
}

interface Segment {
  /** Below the data folder. */
  readonly name: string;
  /** Its length at the cut. */
  readonly bytes: number;
  /** All of it was in the ledger then: the gateway may remove it. */
  readonly finished: boolean;
}

interface Cut {
  readonly cutMs: number;
  readonly segments: readonly Segment[];
}

async function copyStore({ file, dataDir }: DataFolder, draft: string): Promise<Cut> {
  const sqlite = new SQLite(file, { readonly: true });
  try {
    // Held for the whole copy: without it, each fold meanwhile would make the copy begin again.
    sqlite.exec("BEGIN");
    const cutMs = wallMs();
    const finished = sqlite.prepare<[], string>("SELECT file FROM journal_segments WHERE finished = 1").pluck().all();
    copyIfThere(join(dataDir, SEALING_KEYS), join(draft, SEALING_KEYS));
    const segments = segmentsNow(join(dataDir, JOURNAL), new Set(finished));
    await sqlite.backup(join(draft, basename(file)));
    return { cutMs, segments };
  } finally {
    sqlite.close();
  }
}

function copyIfThere(from: string, to: string): void {
  try {
    copyFileSync(from, to);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** And the torn ends that were cut off, which are kept for the operator. */
function segmentsNow(journalDir: string, finished: ReadonlySet<string>): readonly Segment[] {
  return readdirSync(journalDir)
    .filter((file) => parseSegmentFile(file) !== null || file.endsWith(".journal.torn"))
    .map((file) => ({
      name: join(JOURNAL, file),
      bytes: statSync(join(journalDir, file)).size,
      finished: finished.has(file),
    }));
}

/** It may have grown since the cut, or lost a torn end. False: it was finished, and its time to be removed has come meanwhile. */
async function copySegment(from: string, to: string, { name, bytes, finished }: Segment): Promise<boolean> {
  const copy = join(to, name);
  try {
    await copyFile(join(from, name), copy);
  } catch (error) {
    if (finished && codeOf(error) === "ENOENT") return false;
    throw error;
  }
  if ((await stat(copy)).size > bytes) await truncate(copy, bytes);
  return true;
}

/** In the copy too, a segment that is not marked as deleted is there. */
function markGone(store: string, names: readonly string[]): void {
  if (names.length === 0) return;
  const sqlite = new SQLite(store);
  try {
    const mark = sqlite.prepare<[string]>(
      "UPDATE journal_segments SET deleted = 1, last_ms = coalesce(last_ms, updated_at) WHERE file = ?",
    );
    for (const name of names) mark.run(basename(name));
  } finally {
    sqlite.close();
  }
}

async function otherFiles(dataDir: string): Promise<readonly string[]> {
  const all = new Set(await readdir(dataDir));
  const keySets = all.has(KEY_SETS) ? await readdir(join(dataDir, KEY_SETS)) : [];
  const kept = keySets.filter((name) => name.endsWith(".json")).map((name) => join(KEY_SETS, name));
  return [...SECRET_FILES.filter((name) => all.has(name)), ...kept];
}

/** Makes everything below `dir` the owner's alone and brings it to disk. Returns the files' sizes in bytes. */
async function settle(dir: string): Promise<readonly number[]> {
  const sizes: number[] = [];
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) sizes.push(await sync(path, 0o600));
    else await sync(path);
  }
  await sync(dir);
  return sizes;
}

async function sync(path: string, mode: number | null = null): Promise<number> {
  const handle = await open(path, "r");
  try {
    if (mode !== null) await handle.chmod(mode);
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

const NO_ROOM = ["ENOSPC", "EDQUOT", "EFBIG", "SQLITE_FULL"];
const NOT_WRITABLE = ["EACCES", "EPERM", "EROFS", "ENAMETOOLONG", "ELOOP", "ENOTDIR"];
/** A file system of its own begins at `dir`, or somebody made files there meanwhile. */
const NOT_MOVABLE = ["EXDEV", "EBUSY", "ENOTEMPTY", "EEXIST"];

function faultOf(error: unknown, dir: string): unknown {
  const code = codeOf(error);
  if (NO_ROOM.includes(code))
    return new BackupFault("state", `There is no room for a backup in ${dirname(dir)}`, error);
  if (NOT_WRITABLE.includes(code)) return new BackupFault("place", `The gateway cannot make ${dir} (${code})`, error);
  if (NOT_MOVABLE.includes(code))
    return new BackupFault("place", `A backup cannot be moved to ${dir} (${code}): name a new folder below it`, error);
  return error;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
