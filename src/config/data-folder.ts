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
  return dirname(resolve(dirname(resolve(file)), storePath(file)));
}

function storePath(file: string): string {
  try {
    const content: unknown = parse(readFileSync(file, "utf8"));
    const store = memberOf(content, "store");
    const url = memberOf(store, "url");
    return typeof url === "string" && url.startsWith(SCHEME) ? url.slice(SCHEME.length) : STANDARD;
  } catch {
    return STANDARD;
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  // Checked on the line above: an object that has this own property.
  return (value as Record<string, unknown>)[name];
}
