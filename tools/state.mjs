/**
 * What is installed: paths, versions and the two cheap checks run.mjs makes at every start (well under 10 ms).
 * Reads only; what changes the disk is install.mjs.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const NODE_MAJOR_MIN = 24;
/** Exact version that is installed from npm when the machine's Node is older. */
export const NODE_VERSION = "24.21.0";
export const PROJECT_ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const RUNTIME_DIR = join(PROJECT_ROOT, ".runtime");
export const MARKER = join(PROJECT_ROOT, "node_modules", ".tollgate-lock");

const PLATFORM = `${process.platform}-${process.arch}`;
export const NODE_DIR = join(RUNTIME_DIR, `node-${NODE_VERSION}-${PLATFORM}`);

/** What the marker must hold: the hash of package-lock.json and the platform the packages were installed for. */
export function expectedMarker() {
  const lock = readFileSync(join(PROJECT_ROOT, "package-lock.json"));
  return `${createHash("sha256").update(lock).digest("hex")} ${PLATFORM}\n`;
}

export function dependenciesAreFresh() {
  return existsSync(MARKER) && readFileSync(MARKER, "utf8") === expectedMarker();
}

/** Path of the Node under `.runtime/`, or null. The folder appears there complete, by a rename. */
export function privateNode() {
  const path = join(NODE_DIR, "bin", "node");
  return existsSync(path) ? path : null;
}
