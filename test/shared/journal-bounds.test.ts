/** Records at the bounds of their size: what fits is written whole, what does not is refused, and nothing is ever written beyond the room there is. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Charge, chargeFrame, readRecords, writeCharge, writeRecord } from "#shared/journal-format.ts";
import { anyCharge, CHARGE, written } from "./journal-charges.ts";

const ROOM = 512 * 1024;
const PAYLOAD_BYTES_MAX = 64 * 1024;
const GUARD = 0xa5;

function meters(count: number, name = "meter") {
  return Array.from(
    { length: count },
    (_, index) => ({ meter: `${name}-${index}`.padEnd(64, "x"), op: "add", units: index }) as const,
  );
}

function burns(count: number, grant = "grant") {
  return Array.from({ length: count }, (_, index) => ({ grant: `${grant}-${index}`, credits: index }));
}

test.each([1, 64, 240, 255])("a charge of %i meters with the longest names fits into a record", (count) => {
  const charge = { ...CHARGE, units: meters(count) };
  expect(readRecords(written(charge).bytes)).toEqual({ charges: [charge], bytes: expect.any(Number), rest: "none" });
});

test.each([1, 100, 255])("a charge of %i burns fits into a record", (count) => {
  const charge = { ...CHARGE, burns: burns(count) };
  expect(readRecords(written(charge).bytes)).toMatchObject({ charges: [charge], rest: "none" });
});

test.each([256, 300, 512])("a charge of %i burns is refused rather than written with fewer", (count) => {
  expect(writeCharge(Buffer.alloc(2 * ROOM), 0, { ...CHARGE, burns: burns(count) })).toBe(-1);
});

test("a record that no reader would take is refused: one of those ends its segment", () => {
  const into = Buffer.alloc(2 * ROOM);
  for (let count = 1; count <= 255; count++) {
    const charge = { ...CHARGE, burns: burns(count, "g".repeat(400)) };
    const end = writeCharge(into, 0, charge);
    if (end === -1) continue;
    expect(end - 8).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
    expect(readRecords(into.subarray(0, end))).toMatchObject({ charges: [charge], rest: "none" });
  }
  expect(writeCharge(into, 0, { ...CHARGE, burns: burns(255, "g".repeat(400)) })).toBe(-1);
  expect(writeCharge(into, 0, { ...CHARGE, burns: burns(100, "g".repeat(400)) })).toBeGreaterThan(40_000);
});

/** Writes into a room of `bytes` with a guard on both sides; the record's end, or -1. */
function writeInto(bytes: number, charge: Charge): number {
  const [before, behind] = [13, 2_048];
  const whole = Buffer.alloc(before + bytes + behind, GUARD);
  const end = writeCharge(whole.subarray(0, before + bytes), before, charge);
  const touched = whole.subarray(end === -1 ? before : end);
  expect(whole.subarray(0, before).every((byte) => byte === GUARD)).toBe(true);
  expect(touched.subarray(end === -1 ? 0 : before + bytes - end).every((byte) => byte === GUARD)).toBe(true);
  return end === -1 ? -1 : end - before;
}

test("a record is written whole into the room there is, or not at all", () => {
  fc.assert(
    fc.property(anyCharge, fc.double({ min: 0, max: 1.2, noNaN: true }), (charge, share) => {
      const { bytes } = written(charge);
      // Whole records need up to 1 KiB of room for each text they might hold.
      const most = bytes.length + 1024 * (charge.burns.length + 2);
      const room = Math.floor(most * share);
      const end = writeInto(room, charge);
      expect([-1, bytes.length]).toContain(end);
      expect(end === -1 && room >= most).toBe(false);
    }),
  );
});

test("texts of the greatest length stay within the room that is asked for", () => {
  const long = "€".repeat(341) + "a";
  const charge: Charge = {
    ...CHARGE, account: long, key: long, user: long, route: long, requestId: long, units: meters(9), burns: burns(9, long),
  }; // biome-ignore format: one charge
  const { bytes } = written(charge);
  for (let room = bytes.length - 3; room < bytes.length + 3; room++) {
    const end = writeInto(room, charge);
    expect(end === -1 || end <= room).toBe(true);
  }
  expect(writeInto(bytes.length + 16, charge)).toBe(bytes.length);
});

test("a record that begins behind others leaves them as they are", () => {
  const into = Buffer.alloc(ROOM);
  const first = writeCharge(into, 0, CHARGE);
  const second = { ...CHARGE, requestId: "req_2" };
  const end = writeCharge(into, first, second);
  expect(readRecords(into.subarray(0, end)).charges).toEqual([CHARGE, second]);
});

test("units that nobody named count nought, and those of a frame stand in its order", () => {
  const frame = chargeFrame(CHARGE, [
    { meter: "a", op: "add" },
    { meter: "b", op: "max" },
  ]);
  const into = Buffer.alloc(ROOM);
  const end = writeRecord(into, 0, CHARGE, frame, true, 200, [7], []);
  expect(readRecords(into.subarray(0, end)).charges[0]?.units).toEqual([
    { meter: "a", op: "add", units: 7 },
    { meter: "b", op: "max", units: 0 },
  ]);
});
