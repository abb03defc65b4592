/** Reading small text files with a cap: the configuration itself and the secrets it names. Main thread, synchronous. */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** The text, or in words why there is none. */
export type TextFile =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "fault"; readonly reason: string };

/** Reads a regular UTF-8 file of at most `bytesMax` bytes. Never throws. */
export function readTextFile(path: string, bytesMax: number): TextFile {
  try {
    const bytes = readCapped(path, bytesMax);
    if (typeof bytes === "string") return { kind: "fault", reason: bytes };
    return { kind: "text", text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (error) {
    return { kind: "fault", reason: reasonOf(error) };
  }
}

/** The bytes, or a reason. One descriptor for all, so that the file that was checked is the file that is read. */
function readCapped(path: string, bytesMax: number): Buffer | string {
  const descriptor = openSync(path, "r");
  try {
    if (fstatSync(descriptor).isDirectory()) return "it is a folder";
    const bytes = Buffer.alloc(bytesMax + 1);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return length > bytesMax ? `it is larger than ${bytesMax / 1024} KiB` : bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}

/** `ENOENT` of a system error, else the error's name. */
export function errorCode(error: unknown): string {
  if (!(error instanceof Error)) return "unknown error";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}

function reasonOf(error: unknown): string {
  const code = errorCode(error);
  return REASONS[code] ?? code;
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such file",
  EACCES: "permission is denied",
  ENOTDIR: "a part of its path is no folder",
  ERR_ENCODING_INVALID_ENCODED_DATA: "it is not UTF-8 text",
  ERR_INVALID_ARG_VALUE: "its path is not valid",
};
