/**
 * The hostile requests that others gathered: `/work/shared/corpora/http-requests.json`, where it is there. It is no part of the project,
 * so whoever uses it says when it is absent.
 */
import { existsSync, readFileSync } from "node:fs";

export interface Case {
  readonly id: string;
  readonly bytes: Buffer;
}

const FILE = "/work/shared/corpora/http-requests.json";

interface Entry {
  readonly src: string;
  readonly id: string;
  readonly b64: string;
}

/** null: the file is not there. */
export function readCorpus(): readonly Case[] | null {
  if (!existsSync(FILE)) return null;
  const entries: unknown = JSON.parse(readFileSync(FILE, "utf8"));
  if (!Array.isArray(entries) || !entries.every(isEntry)) throw new Error(`${FILE} is not a list of requests`);
  return entries.map(({ src, id, b64 }) => ({ id: `${src}: ${id}`, bytes: Buffer.from(b64, "base64") }));
}

function isEntry(entry: unknown): entry is Entry {
  const { src, id, b64 } = Object(entry);
  return [src, id, b64].every((value) => typeof value === "string");
}
