/**
 * The usage journal read a second time, from its documented layout alone: tests must not share a reader, and so its
 * mistakes, with the gateway. Reads whole records and stops at the first torn one of each segment. Changes nothing.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";

/** Request ids of all whole records in `data/journal` of a gateway's folder, in no order; what stands there twice is twice here. */
export function journaledIds(gatewayDir: string): readonly string[] {
  return journalFiles(gatewayDir).flatMap((file) => idsOf(readFileSync(file)));
}

function journalFiles(gatewayDir: string): readonly string[] {
  const dir = join(gatewayDir, "data", "journal");
  return readdirSync(dir)
    .filter((name) => name.endsWith(".journal"))
    .map((name) => join(dir, name));
}

/** Length of the longest segment, in bytes. */
export function longestSegment(gatewayDir: string): number {
  return Math.max(0, ...journalFiles(gatewayDir).map((file) => statSync(file).size));
}

function idsOf(bytes: Buffer): readonly string[] {
  const ids: string[] = [];
  let at = 8;
  while (at + 8 <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const payload = bytes.subarray(at + 8, at + 8 + length);
    if (payload.length < length || crc32(payload) !== bytes.readUInt32LE(at + 4)) break;
    ids.push(requestIdOf(payload));
    at += 8 + length;
  }
  return ids;
}

/** Kind, time and status take 11 bytes; account, key, user and route stand before the request id. */
function requestIdOf(payload: Buffer): string {
  let at = 11;
  for (let text = 0; text < 4; text++) at += 2 + payload.readUInt16LE(at);
  return payload.toString("utf8", at + 2, at + 2 + payload.readUInt16LE(at));
}
