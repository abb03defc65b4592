/** The journal's bytes: every charge comes back as it was written, also one of version 0.1, and no cut and no flipped byte passes for a charge. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Charge, readRecords, isSegmentHead, segmentHead } from "#shared/journal-format.ts";
import { anyCharge, CHARGE, oldRecord, recordOf, THREE, written } from "./journal-charges.ts";

test("the magic is eight bytes", () => {
  const file = "0123456789abcdef-2-000001.journal";
  expect(segmentHead(file).toString("latin1", 0, 4)).toBe("TGJ2");
  expect(isSegmentHead(segmentHead(file), file)).toBe(true);
  expect(isSegmentHead(Buffer.from("TGJRNL01", "latin1"), file)).toBe(true);
  expect(isSegmentHead(segmentHead(file), "0123456789abcdef-2-000002.journal")).toBe(false);
});

test("records are laid out as documented", () => {
  const units = [{ meter: "calls", op: "max", units: 1 }] as const;
  const burns = [{ grant: "g", credits: 2 }];
  const { bytes } = written({
    ...CHARGE,
    account: "é",
    key: "",
    user: "",
    route: "",
    requestId: "r",
    epoch: 258,
    units,
    burns,
  });
  expect(bytes.subarray(8).toString("hex")).toBe(
    [
      "02", "01", "c800", "02010000", "00b0877e69ab7942", "010072", "0200c3a9", "0000", "0000", "0000", "01", "050063616c6c73", "01", "000000000000f03f", "01",
      "010067", "0000000000000040",
    ].join(""),
  ); // biome-ignore format: field by field
  expect(bytes.readUInt32LE(0)).toBe(bytes.length - 8);
});

test("any charge comes back as it was written: any Unicode, any number, every op, any burns", () => {
  fc.assert(
    fc.property(fc.array(anyCharge, { maxLength: 5 }), (charges) => {
      const { bytes } = written(...charges);
      expect(readRecords(bytes)).toEqual({ charges, bytes: bytes.length, rest: "none" });
    }),
  );
});

/** What version 0.1 knew of a charge. */
function asOld(charge: Charge): Charge {
  const units = charge.units.map((line) => ({ ...line, op: "add" }) as const);
  return { ...charge, first: true, epoch: 0, units, burns: [] };
}

test("charges of version 0.1 are read as first ones of nobody's epoch that add, between those of this one", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyCharge, fc.boolean()), { maxLength: 5 }), (charges) => {
      const bytes = Buffer.concat(charges.map(([charge, old]) => (old ? oldRecord(charge) : written(charge).bytes)));
      const expected = charges.map(([charge, old]) => (old ? asOld(charge) : charge));
      expect(readRecords(bytes)).toEqual({ charges: expected, bytes: bytes.length, rest: "none" });
    }),
  );
});

test("a text that is no Unicode is written with replacement characters, never left out", () => {
  const { bytes } = written({ ...CHARGE, user: "a\ud800b" });
  expect(readRecords(bytes).charges).toEqual([{ ...CHARGE, user: "a\ufffdb" }]);
});

test("a text beyond 1024 bytes is cut between two characters", () => {
  const long = "€".repeat(1_000);
  const cut = "€".repeat(341);
  const { bytes } = written({ ...CHARGE, user: long, requestId: long, burns: [{ grant: long, credits: 1 }] });
  const expected = { ...CHARGE, user: cut, requestId: cut, burns: [{ grant: cut, credits: 1 }] };
  expect(readRecords(bytes).charges).toEqual([expected]);
});

describe.each([
  ["this version", (charge: Charge) => written(charge).bytes, (charge: Charge) => charge],
  ["version 0.1", oldRecord, asOld],
] as const)("records of %s", (_, recorded, read) => {
  const records = THREE.map(recorded);
  const charges = THREE.map(read);
  const ends = records.map((_record, index) => Buffer.concat(records.slice(0, index + 1)).length);

  test("at every cut the whole ones before it are kept and the rest is said to be incomplete", () => {
    const bytes = Buffer.concat(records);
    for (let cut = 0; cut <= bytes.length; cut++) {
      const whole = ends.filter((end) => end <= cut);
      const kept = whole.at(-1) ?? 0;
      expect(readRecords(bytes.subarray(0, cut))).toEqual({
        charges: charges.slice(0, whole.length),
        bytes: kept,
        rest: kept === cut ? "none" : "incomplete",
      });
    }
  });

  test("every change of every single byte is found, and those before it are kept", () => {
    const bytes = Buffer.concat(records);
    const missed: string[] = [];
    for (let at = 0; at < bytes.length; at++) {
      const before = ends.filter((end) => end <= at).length;
      const good = bytes[at] ?? 0;
      for (let flip = 1; flip < 256; flip++) {
        bytes[at] = good ^ flip;
        const { charges: found, bytes: kept, rest } = readRecords(bytes);
        if (found.length !== before || kept !== (ends[before - 1] ?? 0) || rest === "none")
          missed.push(`${at}^${flip}`);
      }
      bytes[at] = good;
    }
    expect(missed).toEqual([]);
    expect(readRecords(bytes).charges).toEqual(charges);
  });

  test("cut short inside, with a CRC that holds, are of a kind nobody knows and end the segment", () => {
    for (const [index, record] of records.entries()) {
      for (let length = 1; length < record.length - 8; length++) {
        const bytes = Buffer.concat([...records.slice(0, index), recordOf(record.subarray(8, 8 + length)), ...records]);
        expect(readRecords(bytes)).toEqual({
          charges: charges.slice(0, index),
          bytes: ends[index - 1] ?? 0,
          rest: "unknown",
        });
      }
    }
  });
});

test.each([0, 3, 77, 255])("a record of kind %i is unknown", (kind) => {
  const payload = Buffer.from(written(CHARGE).bytes.subarray(8));
  payload[0] = kind;
  expect(readRecords(Buffer.concat([written(CHARGE).bytes, recordOf(payload)]))).toMatchObject({
    charges: [CHARGE],
    rest: "unknown",
  });
});

test("an op that nobody knows is not taken for another", () => {
  const { bytes } = written({ ...CHARGE, units: [{ meter: "calls", op: "set", units: 5 }] });
  const at = bytes.indexOf("calls") + "calls".length;
  expect(bytes[at]).toBe(2);
  for (const op of [3, 4, 255]) {
    const payload = Buffer.from(bytes.subarray(8));
    payload[at - 8] = op;
    expect(readRecords(recordOf(payload))).toEqual({ charges: [], bytes: 0, rest: "unknown" });
  }
});

test("zeros behind the last record, as a crash of the machine leaves them, are damage", () => {
  const { bytes } = written(CHARGE);
  expect(readRecords(Buffer.concat([bytes, Buffer.alloc(64)]))).toEqual({
    charges: [CHARGE],
    bytes: bytes.length,
    rest: "damaged",
  });
});

test("random bytes are never read as charges and never throw, nor do they with a CRC that holds", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 400 }), fc.constantFrom(1, 2), (noise, kind) => {
      expect(readRecords(Buffer.from(noise))).toMatchObject({ charges: [], bytes: 0 });
      const payload = Buffer.from(noise);
      payload[0] = kind;
      const { charges, rest } = readRecords(recordOf(payload));
      expect(charges.length === 0 ? rest : "none").toBe(charges.length === 0 ? "unknown" : "none");
    }),
    { numRuns: 2_000 },
  );
});
