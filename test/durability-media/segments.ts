/**
 * Damaged segments before the ledger: one segment for each way to damage one at each of its bytes, each with an account of its
 * own, all folded at once. Judged for each: the records before the damage count, no other; what was dropped is said and kept.
 * The ledger and the bytes of a segment are reached through `JournalSite` alone.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { LogLine } from "#test/support/log.ts";
import { charges, JournalSite } from "../control-plane/metering/journal-site.ts";

const RECORDS = 4;
const BLOCK_BYTES = 64;

/** What becomes of a whole segment at one of its bytes. */
export type Damage = (segment: Buffer, at: number) => Buffer;

export const DAMAGES: Readonly<Record<string, Damage>> = {
  cut: (segment, at) => segment.subarray(0, at),
  "zeros to the end": (segment, at) => Buffer.from(segment).fill(0, at),
  "a block of zeros": (segment, at) => Buffer.from(segment).fill(0, at, Math.min(segment.length, at + BLOCK_BYTES)),
  "a block of ones": (segment, at) => Buffer.from(segment).fill(0xff, at, Math.min(segment.length, at + BLOCK_BYTES)),
  "a byte too many": (segment, at) => Buffer.concat([segment.subarray(0, at), Buffer.of(0x5a), segment.subarray(at)]),
  "a byte too few": (segment, at) => Buffer.concat([segment.subarray(0, at), segment.subarray(at + 1)]),
  "itself once more": (segment, at) => Buffer.concat([segment.subarray(0, at), segment]),
};

/** Turns one bit of the byte over. */
export function flip(bit: number): Damage {
  return (segment, at) => {
    const copy = Buffer.from(segment);
    copy[at] = (copy[at] ?? 0) ^ (1 << bit);
    return copy;
  };
}

interface Damaged {
  readonly file: string;
  readonly account: string;
  readonly bytes: Buffer;
  /** Where it first differs from what was written. */
  readonly from: number;
}

/** Does it to every byte of a small segment. Returns how many segments that were. */
export async function damageEveryByte(damage: Damage): Promise<number> {
  // In memory where there is such a folder: thousands of transactions would wait for the disk.
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "tollgate-damage-"));
  await using site = await JournalSite.open(root);
  const ends = recordEnds(site);
  const whole = ends.at(-1) ?? 0;
  const damaged = Array.from({ length: whole }, (_, at) => damagedAt(site, damage, at));
  await site.ledger({ run: "now" }).fold();
  const sums = await site.sums();
  const said = Map.groupBy(site.logs, (line) => line.segment);
  for (const one of damaged) {
    const units = sums[`${one.account} calls`]?.[0] ?? 0;
    expect({ of: one.file, units }).toEqual({ of: one.file, units: wholeBefore(one.from, ends) });
    judgeFile(site.path(one.file), one, ends, said.get(one.file) ?? []);
  }
  // Nothing of it comes in later, and nothing twice.
  await site.ledger({ run: "next" }).fold();
  expect(await site.sums()).toEqual(sums);
  return damaged.length;
}

/** A segment that stands there again under other names of segments counts once, and each copy is said. */
export async function duplicateSegment(): Promise<void> {
  await using site = await JournalSite.open(mkdtempSync(join(tmpdir(), "tollgate-damage-")));
  const [file, copies] = ["r1-2-000001.journal", ["r1-2-000002.journal", "r1-3-000001.journal", "r9-2-000001.journal"]];
  site.write(file, charges(RECORDS, { account: accountOf(0) }));
  for (const copy of copies) writeFileSync(site.path(copy), readFileSync(site.path(file)));
  for (const run of ["now", "next"]) {
    await site.ledger({ run }).fold();
    expect((await site.sums())[`${accountOf(0)} calls`]?.[0]).toBe(RECORDS);
    const said = site.logs.filter(({ event }) => event === "journal-unreadable").map(({ segment }) => segment);
    expect(new Set(said)).toEqual(new Set(copies));
  }
}

/** Offsets behind the head and behind each record of a segment as `damagedAt` writes it. */
function recordEnds(site: JournalSite): readonly number[] {
  return Array.from({ length: RECORDS + 1 }, (_, count) => {
    site.write("measure", charges(count, { account: accountOf(0) }));
    return readFileSync(site.path("measure")).length;
  });
}

function accountOf(at: number): string {
  return `account-${String(at).padStart(5, "0")}`;
}

function damagedAt(site: JournalSite, damage: Damage, at: number): Damaged {
  const [file, account] = [`r${String(at).padStart(5, "0")}-2-000001.journal`, accountOf(at)];
  site.write(file, charges(RECORDS, { account }));
  const before = readFileSync(site.path(file));
  const bytes = damage(before, at);
  writeFileSync(site.path(file), bytes);
  const differs = before.findIndex((byte, index) => byte !== bytes[index]);
  return { file, account, bytes, from: differs === -1 ? before.length : differs };
}

/** Number of records that end before the damage. */
function wholeBefore(from: number, ends: readonly number[]): number {
  return Math.max(
    0,
    ends.findLastIndex((end) => end <= from),
  );
}

/** A segment that is none from its first bytes on stays as it is; one whose end is torn keeps what is whole. */
function judgeFile(path: string, { bytes, from }: Damaged, ends: readonly number[], said: readonly LogLine[]): void {
  const [head = 0] = ends;
  const kept = from < head ? 0 : (ends[wholeBefore(from, ends)] ?? 0);
  const now = readFileSync(path);
  const [event, at, dropped] = [said[0]?.event, said[0]?.kept_bytes, said[0]?.dropped_bytes];
  if (event === "journal-unreadable") {
    expect({ path, inHead: from < head, asItWas: now.equals(bytes) }).toEqual({ path, inHead: true, asItWas: true });
    return;
  }
  const isTorn = bytes.length > kept;
  const torn = isTorn ? readFileSync(`${path}.torn`) : Buffer.alloc(0);
  const wanted = isTorn ? ["journal-tail-cut", kept, bytes.length - kept] : [undefined, undefined, undefined];
  expect({ path, said: [event, at, dropped] }).toEqual({ path, said: wanted });
  const rest = { kept: now.equals(bytes.subarray(0, kept)), torn: torn.equals(bytes.subarray(kept)) };
  expect({ path, ...rest }).toEqual({ path, kept: true, torn: true });
}
