/** Secrets the gateway makes for itself: a file only its owner may read, made at first use. Main thread. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";

/** The text of the file, made by `make` when there is none. Whole or absent, never half written. Throws when others may read it. */
export function secretFile(path: string, make: () => string): string {
  const existing = readSecretFile(path);
  if (existing !== null) return existing;
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  writeFileSync(draft, make(), { mode: 0o600, flag: "wx", flush: true });
  try {
    // A link fails when somebody was faster: then theirs counts.
    linkSync(draft, path);
  } catch (error) {
    if (!isCode(error, "EEXIST")) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(path, "utf8");
}

/** The text of the file; null: there is none. Throws when others may read it. */
export function readSecretFile(path: string): string | null {
  try {
    if ((statSync(path).mode & 0o077) !== 0) throw new Error(`Secret file ${path} can be read by others: chmod 600 it`);
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isCode(error, "ENOENT")) return null;
    throw error;
  }
}

/** Another text in its place, on disk when this returns. Whole at every moment: the old one or the new one. */
export function replaceSecretFile(path: string, text: string): void {
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(draft, text, { mode: 0o600, flag: "wx", flush: true });
    renameSync(draft, path);
  } finally {
    rmSync(draft, { force: true });
  }
  const folder = openSync(dirname(path), "r");
  fsyncSync(folder);
  closeSync(folder);
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && "code" in error && error.code === code;
}
