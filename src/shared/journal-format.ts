/**
 * The usage journal's bytes: what workers append and the ledger reads. Pure.
 *
 * Segment: 8 bytes `TGJRNL01`, then records. Record: u32 length of the payload, u32 CRC-32 of the payload, payload.
 * Payload: u8 kind (1 = charge), f64 time (ms since 1970), u16 status, then the texts account, key, user, route, request id
 * (u16 length and UTF-8 each), u8 number of meters, then for each a text (name) and f64 units. Little endian.
 *
 * A record is whole when its length fits and its CRC holds; the first one that is not ends the segment (a torn tail).
 */
import { crc32 } from "node:zlib";

export const SEGMENT_MAGIC = Buffer.from("TGJRNL01", "latin1");
const HEAD_BYTES = 8;
const CHARGE = 1;
/** Longest payload; texts are cut far below it before they get here. */
const PAYLOAD_BYTES_MAX = 64 * 1024;
const TEXT_BYTES_MAX = 1024;

/** One charge: what a request cost, by meter. */
export interface Charge {
  /** Time of admission: the moment that says which window and hour the units belong to. Milliseconds since 1970. */
  readonly atMs: number;
  readonly status: number;
  readonly account: string;
  /** Empty: no key, a token. */
  readonly key: string;
  /** Empty: unknown. */
  readonly user: string;
  readonly route: string;
  readonly requestId: string;
  readonly units: readonly MeterUnits[];
}

export interface MeterUnits {
  readonly meter: string;
  /** Whole units, 0 to 2^53 - 1. */
  readonly units: number;
}

/** Writes a record at `at`; returns the offset behind it, or -1 when `into` has no room for it. */
export function writeRecord(into: Buffer, at: number, charge: Charge): number {
  if (into.length - at < recordBytesMax(charge)) return -1;
  const start = at + HEAD_BYTES;
  let end = into.writeUInt8(CHARGE, start);
  end = into.writeDoubleLE(charge.atMs, end);
  end = into.writeUInt16LE(charge.status, end);
  end = writeText(into, end, charge.account);
  end = writeText(into, end, charge.key);
  end = writeText(into, end, charge.user);
  end = writeText(into, end, charge.route);
  end = writeText(into, end, charge.requestId);
  end = into.writeUInt8(charge.units.length, end);
  for (const { meter, units } of charge.units) {
    end = into.writeDoubleLE(units, writeText(into, end, meter));
  }
  into.writeUInt32LE(end - start, at);
  into.writeUInt32LE(crc32(into.subarray(start, end)), at + 4);
  return end;
}

/** Upper bound of a record's bytes: a character is at most three bytes of UTF-8, a text at most TEXT_BYTES_MAX. */
function recordBytesMax(charge: Charge): number {
  return HEAD_BYTES + 12 + (5 + charge.units.length) * (TEXT_BYTES_MAX + 10);
}

function writeText(into: Buffer, at: number, text: string): number {
  const bytes = into.write(text, at + 2, TEXT_BYTES_MAX, "utf8");
  into.writeUInt16LE(bytes, at);
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

/** Reads whole records from the start of `from`. */
export function readRecords(from: Buffer): RecordsRead {
  const charges: Charge[] = [];
  let at = 0;
  while (at < from.length) {
    if (from.length - at < HEAD_BYTES) return { charges, bytes: at, rest: "incomplete" };
    const length = from.readUInt32LE(at);
    if (length === 0 || length > PAYLOAD_BYTES_MAX) return { charges, bytes: at, rest: "damaged" };
    const end = at + HEAD_BYTES + length;
    if (end > from.length) return { charges, bytes: at, rest: "incomplete" };
    const payload = from.subarray(at + HEAD_BYTES, end);
    if (crc32(payload) !== from.readUInt32LE(at + 4)) return { charges, bytes: at, rest: "damaged" };
    const charge = readCharge(payload);
    if (charge === null) return { charges, bytes: at, rest: "unknown" };
    charges.push(charge);
    at = end;
  }
  return { charges, bytes: at, rest: "none" };
}

/** null when the payload is of another kind or does not add up, which a good CRC makes a bug or a newer format. */
function readCharge(payload: Buffer): Charge | null {
  if (payload[0] !== CHARGE) return null;
  const reader = new PayloadReader(payload);
  const [atMs, status] = [reader.double(), reader.short()];
  const [account, key, user, route, requestId] = [
    reader.text(),
    reader.text(),
    reader.text(),
    reader.text(),
    reader.text(),
  ];
  const units = Array.from({ length: reader.byte() }, () => ({ meter: reader.text(), units: reader.double() }));
  return { atMs, status, account, key, user, route, requestId, units };
}

class PayloadReader {
  readonly #from: Buffer;
  #at = 1;

  constructor(from: Buffer) {
    this.#from = from;
  }

  byte(): number {
    return this.#from.readUInt8(this.#move(1));
  }

  short(): number {
    return this.#from.readUInt16LE(this.#move(2));
  }

  double(): number {
    return this.#from.readDoubleLE(this.#move(8));
  }

  text(): string {
    const length = this.short();
    const at = this.#move(length);
    return this.#from.toString("utf8", at, at + length);
  }

  #move(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    return at;
  }
}
