/** Reads parts of journal segment files. Main thread. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { readRecords } from "#shared/journal-format.ts";

/** Up to `length` bytes of a file from `at` on. */
export function readPart(file: string, at: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length);
  const fd = openSync(file, "r");
  try {
    return buffer.subarray(0, readSync(fd, buffer, 0, length, at));
  } finally {
    closeSync(fd);
  }
}

/** Whether a whole record begins at `at`. False when there is no such file. */
export function hasRecordAt(file: string, at: number): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return size > at && readRecords(readPart(file, at, size - at)).charges.length > 0;
}
