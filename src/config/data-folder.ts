/**
 * Where the data folder of a configuration file is, even when the file is broken: commands must reach a running gateway then too.
 * Main thread. Reads `store.url` and nothing else; for everything else there is `load.ts`.
 */
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";

const SCHEME = "sqlite:";
const STANDARD = "data/tollgate.db";

/** The folder that `store.url` names, or the standard one where the file does not say so readably. */
export function dataFolderOf(file: string): string {
  return folderOf(file, plainUrl(file) ?? STANDARD);
}

/** The same where the file says it in so many words; null where it cannot be read, or names it by a `${…}` reference. */
export function plainDataFolderOf(file: string): string | null {
  const url = plainUrl(file);
  return url === null || url.includes("${") ? null : folderOf(file, url);
}

function folderOf(file: string, path: string): string {
  return dirname(resolve(dirname(resolve(file)), path));
}

/** null: the file cannot be read, or holds something else there. */
function plainUrl(file: string): string | null {
  try {
    const content: unknown = parse(readFileSync(file, "utf8"));
    const url = memberOf(memberOf(content, "store"), "url");
    if (url === undefined) return STANDARD;
    return typeof url === "string" && url.startsWith(SCHEME) ? url.slice(SCHEME.length) : null;
  } catch {
    return null;
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  // Checked on the line above: an object that has this own property.
  return (value as Record<string, unknown>)[name];
}
