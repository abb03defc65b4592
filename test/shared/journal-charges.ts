/** Charges for the tests of the journal's format: fixed ones, any ones, and how version 0.1 wrote them. */
import { crc32 } from "node:zlib";
import fc from "fast-check";
import { type Charge, writeCharge } from "#shared/journal-format.ts";

export const CHARGE: Charge = {
  atMs: 1_764_000_000_123,
  status: 200,
  first: true,
  epoch: 1,
  account: "acct_1",
  key: "key_1",
  user: "",
  route: "models",
  requestId: "req_1",
  units: [{ meter: "calls", op: "add", units: 1 }],
  burns: [],
};

export const THREE: readonly Charge[] = [
  CHARGE,
  { ...CHARGE, first: false, user: "Zoë 🦊", requestId: "req_2", units: [] },
  {
    ...CHARGE,
    status: 499,
    requestId: "req_3",
    units: [
      { meter: "tokens", op: "add", units: -123_456 },
      { meter: "peak", op: "max", units: 0 },
      { meter: "seats", op: "set", units: Number.MAX_SAFE_INTEGER },
    ],
    burns: [
      { grant: "grant_1", credits: 7 },
      { grant: "grant_2", credits: 0 },
    ],
  },
];

const text = fc.string({ unit: "binary", maxLength: 80 });
const whole = fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });

/** Any Unicode, any number, every op. */
export const anyCharge: fc.Arbitrary<Charge> = fc.record({
  atMs: fc.double({ noDefaultInfinity: true, noNaN: true }),
  status: fc.integer({ min: 0, max: 65_535 }),
  first: fc.boolean(),
  epoch: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  account: text,
  key: text,
  user: text,
  route: text,
  requestId: text,
  units: fc.array(fc.record({ meter: text, op: fc.constantFrom("add", "max", "set"), units: whole }), {
    maxLength: 12,
  }),
  burns: fc.array(fc.record({ grant: text, credits: fc.maxSafeNat() }), { maxLength: 12 }),
});

const scratch = Buffer.alloc(512 * 1024);

/** Records one behind the other, and where each ends. */
export function written(...charges: readonly Charge[]): { readonly bytes: Buffer; readonly ends: readonly number[] } {
  const ends = [0];
  for (const charge of charges) ends.push(writeCharge(scratch, ends.at(-1) ?? 0, charge));
  return { bytes: Buffer.from(scratch.subarray(0, ends.at(-1))), ends: ends.slice(1) };
}

/** A payload with its length and CRC. */
export function recordOf(payload: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32LE(payload.length, 0);
  head.writeUInt32LE(crc32(payload), 4);
  return Buffer.concat([head, payload]);
}

/** A record of kind 1: f64 time, u16 status, texts account, key, user, route, request id, u8 meters, for each text and f64. */
export function oldRecord({ atMs, status, account, key, user, route, requestId, units }: Charge): Buffer {
  return recordOf(
    Buffer.concat([
      Buffer.from([1]),
      double(atMs),
      Buffer.from([status & 0xff, status >> 8]),
      ...[account, key, user, route, requestId].map(textBytes),
      Buffer.from([units.length]),
      ...units.flatMap(({ meter, units: count }) => [textBytes(meter), double(count)]),
    ]),
  );
}

function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function textBytes(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([Buffer.from([bytes.length & 0xff, bytes.length >> 8]), bytes]);
}
