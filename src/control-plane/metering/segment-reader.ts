/** Reads parts of journal segment files. Main thread. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { basename } from "node:path";
import { isSegmentHead, type RecordsRead, readRecords, SEGMENT_HEAD_BYTES } from "#shared/journal-format.ts";

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

/** The whole records within `length` bytes of a segment from `at` on: 0 or the end of a record. A record cut by the end is read with the next. */
export function segmentRecords(file: string, at: number, length: number): RecordsRead {
  const text = readPart(file, at, length);
  if (at > 0) return readRecords(text);
  if (text.length < SEGMENT_HEAD_BYTES) return { bytes: 0, charges: [], rest: "incomplete" };
  const head = text.subarray(0, SEGMENT_HEAD_BYTES);
  if (!isSegmentHead(head, basename(file))) return { bytes: 0, charges: [], rest: "unknown" };
  const read = readRecords(text.subarray(SEGMENT_HEAD_BYTES));
  return { ...read, bytes: SEGMENT_HEAD_BYTES + read.bytes };
}

/** Whether a whole record begins at `at`. False when there is no such file. */
export function hasRecordAt(file: string, at: number): boolean {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return size > at && readRecords(readPart(file, at, size - at)).charges.length > 0;
}
