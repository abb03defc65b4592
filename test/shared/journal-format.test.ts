/** The journal's bytes: every charge comes back as it was written; no cut and no flipped byte passes for a charge. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Charge, readRecords, SEGMENT_MAGIC, writeRecord } from "#shared/journal-format.ts";

const SCRATCH_BYTES = 256 * 1024;
const scratch = Buffer.alloc(SCRATCH_BYTES);

function write(...charges: readonly Charge[]): { readonly bytes: Buffer; readonly ends: readonly number[] } {
  const ends = [0];
  for (const charge of charges) ends.push(writeRecord(scratch, ends.at(-1) ?? 0, charge));
  return { bytes: Buffer.from(scratch.subarray(0, ends.at(-1))), ends: ends.slice(1) };
}

const CHARGE: Charge = {
  atMs: 1_764_000_000_123,
  status: 200,
  account: "acct_1",
  key: "key_1",
  user: "",
  route: "models",
  requestId: "req_1",
  units: [{ meter: "calls", units: 1 }],
};
const THREE: readonly Charge[] = [
  CHARGE,
  { ...CHARGE, user: "Zoë 🦊", requestId: "req_2", units: [] },
  {
    ...CHARGE,
    status: 499,
    requestId: "req_3",
    units: [
      { meter: "tokens", units: 123_456 },
      { meter: "calls", units: 0 },
    ],
  },
];

test("the magic is eight bytes", () => {
  expect(SEGMENT_MAGIC.toString("latin1")).toBe("TGJRNL01");
});

test("records are laid out as documented", () => {
  const { bytes } = write({ ...CHARGE, account: "é", key: "", user: "", route: "", requestId: "r" });
  expect(bytes.subarray(8).toString("hex")).toBe(
    ["01", "00b0877e69ab7942", "c800", "0200c3a9", "0000", "0000", "0000", "010072", "01", "050063616c6c73", "000000000000f03f"].join(""),
  ); // biome-ignore format: field by field
  expect(bytes.readUInt32LE(0)).toBe(bytes.length - 8);
});

test("any charge comes back as it was written: any Unicode, any number", () => {
  const text = fc.string({ unit: "binary", maxLength: 80 });
  const charge: fc.Arbitrary<Charge> = fc.record({
    atMs: fc.double({ noDefaultInfinity: true, noNaN: true }),
    status: fc.integer({ min: 0, max: 65_535 }),
    account: text,
    key: text,
    user: text,
    route: text,
    requestId: text,
    units: fc.array(fc.record({ meter: text, units: fc.maxSafeNat() }), { maxLength: 12 }),
  });
  fc.assert(
    fc.property(fc.array(charge, { maxLength: 5 }), (charges) => {
      const { bytes } = write(...charges);
      expect(readRecords(bytes)).toEqual({ charges, bytes: bytes.length, rest: "none" });
    }),
  );
});

test("a text that is no Unicode is written with replacement characters, never left out", () => {
  const { bytes } = write({ ...CHARGE, user: "a\ud800b" });
  expect(readRecords(bytes).charges).toEqual([{ ...CHARGE, user: "a\ufffdb" }]);
});

test("a text beyond 1024 bytes is cut between two characters", () => {
  const { bytes } = write({ ...CHARGE, user: "€".repeat(1_000) });
  expect(readRecords(bytes).charges).toEqual([{ ...CHARGE, user: "€".repeat(341) }]);
});

test.each([1, 64, 240])("a charge of %i meters with the longest names fits into a record", (count) => {
  const units = Array.from({ length: count }, (_, index) => ({
    meter: `meter-${index}`.padEnd(64, "x"),
    units: index,
  }));
  const { bytes } = write({ ...CHARGE, units });
  expect(readRecords(bytes)).toMatchObject({ charges: [{ units }], rest: "none" });
});

test("a buffer without room takes nothing", () => {
  expect(writeRecord(Buffer.alloc(100), 0, CHARGE)).toBe(-1);
  expect(writeRecord(Buffer.alloc(SCRATCH_BYTES), SCRATCH_BYTES - 100, CHARGE)).toBe(-1);
});

test("at every cut the whole records before it are kept and the rest is said to be incomplete", () => {
  const { bytes, ends } = write(...THREE);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const whole = ends.filter((end) => end <= cut);
    const kept = whole.at(-1) ?? 0;
    expect(readRecords(bytes.subarray(0, cut))).toEqual({
      charges: THREE.slice(0, whole.length),
      bytes: kept,
      rest: kept === cut ? "none" : "incomplete",
    });
  }
});

test("every change of every single byte is found, and the records before it are kept", () => {
  const { bytes, ends } = write(...THREE);
  const missed: string[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const before = ends.filter((end) => end <= at).length;
    const good = bytes[at] ?? 0;
    for (let flip = 1; flip < 256; flip++) {
      bytes[at] = good ^ flip;
      const read = readRecords(bytes);
      const found = read.charges.length === before && read.bytes === (ends[before - 1] ?? 0) && read.rest !== "none";
      if (!found) missed.push(`${at}^${flip}`);
    }
    bytes[at] = good;
  }
  expect(missed).toEqual([]);
  expect(readRecords(bytes).charges).toEqual(THREE);
});

test("zeros behind the last record, as a crash of the machine leaves them, are damage", () => {
  const { bytes } = write(CHARGE);
  expect(readRecords(Buffer.concat([bytes, Buffer.alloc(64)]))).toEqual({
    charges: [CHARGE],
    bytes: bytes.length,
    rest: "damaged",
  });
});

test("random bytes are never read as charges and never throw", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (noise) => {
      const read = readRecords(Buffer.from(noise));
      expect(read.charges).toEqual([]);
      expect(read.bytes).toBe(0);
    }),
    { numRuns: 2_000 },
  );
});
