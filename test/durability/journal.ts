/**
 * The usage journal read a second time, from its documented layout alone: tests must not share a reader, and so its
 * mistakes, with the gateway. Reads whole records and stops at the first torn one of each segment; knows charges, and passes
 * over records of other kinds. Also tears a segment's end by hand. Nothing else in the tests knows the layout.
 */
import { appendFileSync, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { crc32 } from "node:zlib";
import type { Random } from "#test/support/random.ts";

const MAGIC_BYTES = 8;
/** Length and CRC. */
const HEAD_BYTES = 8;
const CHARGE_V1 = 1;
const CHARGE = 2;

/** Request ids of all whole charges in `data/journal` of a gateway's folder, in no order; what stands there twice is twice here. */
export function journaledIds(gatewayDir: string): readonly string[] {
  return journalFiles(gatewayDir).flatMap((file) => recordsOf(readFileSync(file)).flatMap(idOf));
}

/** Paths of all segments. */
export function journalFiles(gatewayDir: string): readonly string[] {
  const dir = join(gatewayDir, "data", "journal");
  return readdirSync(dir)
    .filter((name) => name.endsWith(".journal"))
    .map((name) => join(dir, name));
}

/** Length of the longest segment, in bytes. */
export function longestSegment(gatewayDir: string): number {
  return Math.max(0, ...journalFiles(gatewayDir).map((file) => statSync(file).size));
}

/** Segments of the run that started last, and the names of the `ahead` next ones of each of its writers. */
export function lastRunFiles(gatewayDir: string, ahead = 0): readonly string[] {
  const files = journalFiles(gatewayDir);
  const last = files.reduce((one, other) => (birth(one) > birth(other) ? one : other));
  const run = `${runOf(last)}-`;
  const ofRun = files.filter((file) => basename(file).startsWith(run));
  return [...new Set(ofRun.flatMap((file) => [file, ...laterNames(file, ahead)]))];
}

function birth(file: string): number {
  return statSync(file).birthtimeMs;
}

function runOf(file: string): string {
  return basename(file).split("-", 1)[0] ?? "";
}

function laterNames(file: string, count: number): readonly string[] {
  const [, head = "", digits = ""] = /^(.*-)(\d+)\.journal$/.exec(file) ?? [];
  return Array.from({ length: count }, (_, index) => {
    const number = String(Number(digits) + index + 1).padStart(digits.length, "0");
    return `${head}${number}.journal`;
  });
}

/** Ends a segment of the run that started last as a crash could have: behind its whole records comes something that is none. */
export function tearTail(gatewayDir: string, random: Random): void {
  const file = lastRunFiles(gatewayDir).reduce((one, other) =>
    statSync(one).size > statSync(other).size ? one : other,
  );
  const bytes = readFileSync(file);
  const last = recordsOf(bytes).at(-1) ?? Buffer.alloc(HEAD_BYTES + 64, 1);
  const flipped = Buffer.from(last);
  const at = random.between(4, last.length - 1);
  flipped[at] = (flipped[at] ?? 0) ^ (1 << random.between(0, 7));
  const zeros = Buffer.alloc(random.between(1, 5000));
  const noise = Buffer.from(Array.from({ length: random.between(9, 300) }, () => random.between(0, 255)));
  appendFileSync(file, random.pick([last.subarray(0, random.between(1, last.length - 1)), flipped, zeros, noise]));
}

/** Whole records, each with its head. */
function recordsOf(bytes: Buffer): readonly Buffer[] {
  const records: Buffer[] = [];
  let at = MAGIC_BYTES;
  while (at + HEAD_BYTES <= bytes.length) {
    const length = bytes.readUInt32LE(at);
    const payload = bytes.subarray(at + HEAD_BYTES, at + HEAD_BYTES + length);
    if (length === 0 || payload.length < length || crc32(payload) !== bytes.readUInt32LE(at + 4)) break;
    records.push(bytes.subarray(at, at + HEAD_BYTES + length));
    at += HEAD_BYTES + length;
  }
  return records;
}

/**
 * The request id of a record that counts as a request. Kind 1: kind, time and status take 11 bytes; account, key, user and
 * route stand before the id. Kind 2: the id stands at 16; flag 1 of the second byte marks a request's first record.
 */
function idOf(record: Buffer): readonly string[] {
  const payload = record.subarray(HEAD_BYTES);
  if (payload[0] === CHARGE) return ((payload[1] ?? 0) & 1) === 1 ? [textAt(payload, 16)] : [];
  if (payload[0] !== CHARGE_V1) return [];
  let at = 11;
  for (let text = 0; text < 4; text++) at += 2 + payload.readUInt16LE(at);
  return [textAt(payload, at)];
}

function textAt(payload: Buffer, at: number): string {
  return payload.toString("utf8", at + 2, at + 2 + payload.readUInt16LE(at));
}
