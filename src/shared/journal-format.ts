/**
 * The usage journal's bytes: what workers append and the ledger reads. Pure.
 *
 * Segment: 4 bytes `TGJ2` and the u32 CRC-32 of its file's name, so that a copy under another name cannot count again, then records.
 * Version 0.1 wrote the 8 bytes `TGJRNL01` instead. Record: u32 length of the payload, u32 CRC-32 of the payload, payload. Little endian.
 * Payload of a charge: u8 kind (2), u8 flags (1: the request's first record), u16 status, u32 epoch, f64 time (ms since 1970),
 * text request id, then the frame: texts account, key, user, route, u8 number of meters, for each a text (name) and u8 op
 * (0 add, 1 max, 2 set); then for each meter f64 units; u8 number of burns, for each a text (grant) and f64 credits.
 * A text is u16 length and UTF-8. The frame is the same for all requests of a caller on a route, so it is encoded once.
 * Kind 1 is what version 0.1 wrote: f64 time, u16 status, texts account, key, user, route, request id, u8 number of meters,
 * for each text and f64.
 *
 * A record is whole when its length fits and its CRC holds; the first one that is not ends the segment (a torn tail).
 */
import { crc32 } from "node:zlib";
import type { UsageOp } from "./counter-shapes.ts";
import { PayloadReader } from "./payload-reader.ts";

/** Bytes before the first record. */
export const SEGMENT_HEAD_BYTES = 8;
const SEGMENT_HEAD_V1 = Buffer.from("TGJRNL01", "latin1");
const SEGMENT_MAGIC = Buffer.from("TGJ2", "latin1");
const HEAD_BYTES = 8;
const CHARGE_V1 = 1;
const CHARGE = 2;
const FIRST = 1;
/** Bytes of a charge's payload before the request id. */
const FIXED_BYTES = 16;
/** Longest payload; texts are cut far below it before they get here. */
const PAYLOAD_BYTES_MAX = 64 * 1024;
const TEXT_BYTES_MAX = 1024;
/** Burns are counted in one byte. */
const BURNS_MAX = 255;
const OPS: readonly UsageOp[] = ["add", "max", "set"];

/** The first bytes of the segment with this file name. */
export function segmentHead(file: string): Buffer {
  const head = Buffer.alloc(SEGMENT_HEAD_BYTES);
  SEGMENT_MAGIC.copy(head);
  head.writeUInt32LE(crc32(file), SEGMENT_MAGIC.length);
  return head;
}

/** Whether a segment of this file name may begin with these bytes. */
export function isSegmentHead(head: Buffer, file: string): boolean {
  return head.equals(segmentHead(file)) || head.equals(SEGMENT_HEAD_V1);
}

/** One charge: what a request cost, by meter. A request whose units are known in two steps has two, of which one is the first. */
export interface Charge {
  /** Time of admission: the moment that says which window and minute the units belong to. Milliseconds since 1970. */
  readonly atMs: number;
  readonly status: number;
  /** Whether it counts as a request: false for the units of one that was counted already. */
  readonly first: boolean;
  /** By which set of counters it was counted when it was made; see `control-plane/metering/counting.ts`. */
  readonly epoch: number;
  readonly account: string;
  /** Empty: no key, a token. */
  readonly key: string;
  /** Empty: unknown. */
  readonly user: string;
  readonly route: string;
  readonly requestId: string;
  readonly units: readonly MeterUnits[];
  readonly burns: readonly Burn[];
}

export interface MeterUnits {
  readonly meter: string;
  readonly op: UsageOp;
  /** Whole units, -(2^53 - 1) to 2^53 - 1. */
  readonly units: number;
}

/** Credits taken from a grant. */
export interface Burn {
  readonly grant: string;
  /** Whole credits, 0 to 2^53 - 1. */
  readonly credits: number;
}

/** What all charges of a caller on a route have in common, encoded. */
export interface ChargeFrame {
  readonly bytes: Uint8Array;
  /** Number of meters: as many units follow. */
  readonly meters: number;
}

/** What is different in each charge. */
export interface ChargeHead {
  readonly atMs: number;
  readonly epoch: number;
  readonly requestId: string;
}

export function chargeFrame(
  who: Pick<Charge, "account" | "key" | "user" | "route">,
  meters: readonly Pick<MeterUnits, "meter" | "op">[],
): ChargeFrame {
  const bytes = Buffer.alloc((4 + meters.length) * (TEXT_BYTES_MAX + 3) + 1);
  let end = 0;
  for (const text of [who.account, who.key, who.user, who.route]) end = writeText(bytes, end, text);
  end = bytes.writeUInt8(meters.length, end);
  for (const { meter, op } of meters) end = bytes.writeUInt8(OPS.indexOf(op), writeText(bytes, end, meter));
  return { bytes: Uint8Array.from(bytes.subarray(0, end)), meters: meters.length };
}

/** Writes a record at `at`; returns the offset behind it, or -1 when `into` has no room for it or no record can hold it. */
export function writeRecord(
  into: Buffer,
  at: number,
  head: ChargeHead,
  frame: ChargeFrame,
  first: boolean,
  status: number,
  units: readonly number[],
  burns: readonly Burn[],
): number {
  if (burns.length > BURNS_MAX || into.length - at < recordBytesMax(frame, burns)) return -1;
  const start = at + HEAD_BYTES;
  into[start] = CHARGE;
  into[start + 1] = first ? FIRST : 0;
  into.writeUInt16LE(status, start + 2);
  into.writeUInt32LE(head.epoch, start + 4);
  into.writeDoubleLE(head.atMs, start + 8);
  let end = writeShort(into, start + FIXED_BYTES, head.requestId);
  into.set(frame.bytes, end);
  end += frame.bytes.length;
  for (let index = 0; index < frame.meters; index++) end = into.writeDoubleLE(units[index] ?? 0, end);
  into[end++] = burns.length;
  for (const { grant, credits } of burns) end = into.writeDoubleLE(credits, writeText(into, end, grant));
  // A reader would take it for damage, and everything behind it would be lost.
  if (end - start > PAYLOAD_BYTES_MAX) return -1;
  into.writeUInt32LE(end - start, at);
  into.writeUInt32LE(crc32(into.subarray(start, end)), at + 4);
  return end;
}

/** A whole charge as one record; for whoever writes few. Returns as `writeRecord`. */
export function writeCharge(into: Buffer, at: number, charge: Charge): number {
  const units = charge.units.map((line) => line.units);
  return writeRecord(
    into,
    at,
    charge,
    chargeFrame(charge, charge.units),
    charge.first,
    charge.status,
    units,
    charge.burns,
  );
}

/** Upper bound of a record's bytes. */
function recordBytesMax(frame: ChargeFrame, burns: readonly Burn[]): number {
  return (
    HEAD_BYTES +
    FIXED_BYTES +
    TEXT_BYTES_MAX +
    frame.bytes.length +
    8 * frame.meters +
    burns.length * (TEXT_BYTES_MAX + 10) +
    3
  );
}

/** As `writeText`; quicker for a short text of ASCII, as request ids are. */
function writeShort(into: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > 128) return writeText(into, at, text);
  for (let index = 0; index < length; index++) {
    const code = text.charCodeAt(index);
    if (code > 0x7f) return writeText(into, at, text);
    into[at + 2 + index] = code;
  }
  into[at] = length;
  into[at + 1] = 0;
  return at + 2 + length;
}

function writeText(into: Buffer, at: number, text: string): number {
  const bytes = into.write(text, at + 2, TEXT_BYTES_MAX, "utf8");
  into[at] = bytes & 0xff;
  into[at + 1] = bytes >> 8;
  return at + 2 + bytes;
}

/** What `readRecords` found. */
export interface RecordsRead {
  readonly charges: readonly Charge[];
  /** Bytes of `from` that held whole records. */
  readonly bytes: number;
  /** Why it stopped: all read; the rest is incomplete (more may come), damaged, or whole but of a kind this version does not know. */
  readonly rest: "none" | "incomplete" | "damaged" | "unknown";
}

/** Reads whole records from the start of `from`. Charges of one caller on one route have their texts in common. */
export function readRecords(from: Buffer): RecordsRead {
  const charges: Charge[] = [];
  const frames = new Frames();
  let at = 0;
  while (at < from.length) {
    if (from.length - at < HEAD_BYTES) return { charges, bytes: at, rest: "incomplete" };
    const length = from.readUInt32LE(at);
    if (length === 0 || length > PAYLOAD_BYTES_MAX) return { charges, bytes: at, rest: "damaged" };
    const end = at + HEAD_BYTES + length;
    if (end > from.length) return { charges, bytes: at, rest: "incomplete" };
    const payload = from.subarray(at + HEAD_BYTES, end);
    if (crc32(payload) !== from.readUInt32LE(at + 4)) return { charges, bytes: at, rest: "damaged" };
    const charge = readCharge(payload, frames);
    if (charge === null) return { charges, bytes: at, rest: "unknown" };
    charges.push(charge);
    at = end;
  }
  return { charges, bytes: at, rest: "none" };
}

/** null when the payload is of another kind or does not add up, which a good CRC makes a bug or a newer format. */
function readCharge(payload: Buffer, frames: Frames): Charge | null {
  try {
    if (payload[0] === CHARGE) return readChargeV2(new PayloadReader(payload), frames);
    return payload[0] === CHARGE_V1 ? readChargeV1(new PayloadReader(payload)) : null;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readChargeV2(reader: PayloadReader, frames: Frames): Charge {
  const flags = reader.byte();
  const status = reader.short();
  const epoch = reader.int();
  const atMs = reader.double();
  const requestId = reader.text();
  const { account, key, user, route, lines } = frames.read(reader);
  const units: MeterUnits[] = [];
  for (const { meter, op } of lines) units.push({ meter, op, units: reader.double() });
  const burnt = reader.byte();
  const burns = burnt === 0 ? NO_BURNS : readBurns(reader, burnt);
  return { atMs, status, first: (flags & FIRST) !== 0, epoch, account, key, user, route, requestId, units, burns };
}

const NO_BURNS: readonly Burn[] = [];

function readBurns(reader: PayloadReader, count: number): readonly Burn[] {
  return Array.from({ length: count }, () => ({ grant: reader.text(), credits: reader.double() }));
}

/** A frame's texts. */
interface FrameTexts extends Pick<Charge, "account" | "key" | "user" | "route"> {
  readonly lines: readonly Pick<MeterUnits, "meter" | "op">[];
}

/** Frames read so far, by their bytes: most records of a segment have one of a few. */
class Frames {
  readonly #known = new Map<string, FrameTexts>();

  read(reader: PayloadReader): FrameTexts {
    const bytes = reader.frameBytes();
    const known = this.#known.get(bytes);
    if (known !== undefined) return known;
    const texts = readFrame(new PayloadReader(Buffer.from(bytes, "latin1"), 0));
    this.#known.set(bytes, texts);
    return texts;
  }
}

function readFrame(reader: PayloadReader): FrameTexts {
  const [account, key, user, route] = [reader.text(), reader.text(), reader.text(), reader.text()];
  const lines = Array.from({ length: reader.byte() }, () => ({ meter: reader.text(), op: opAt(reader.byte()) }));
  return { account, key, user, route, lines };
}

function readChargeV1(reader: PayloadReader): Charge {
  const [atMs, status] = [reader.double(), reader.short()];
  const [account, key, user, route] = [reader.text(), reader.text(), reader.text(), reader.text()];
  const requestId = reader.text();
  const op: UsageOp = "add";
  const units = Array.from({ length: reader.byte() }, () => ({ meter: reader.text(), op, units: reader.double() }));
  return { atMs, status, first: true, epoch: 0, account, key, user, route, requestId, units, burns: [] };
}

function opAt(index: number): UsageOp {
  const op = OPS[index];
  if (op === undefined) throw new RangeError(`Unknown operation ${index}`);
  return op;
}
