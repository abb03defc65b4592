/**
 * Reconcile, first part: what the kept journal and the reported usage come to, beside what the ledger's minute rows and the grants
 * say. Main thread; reads a snapshot of the store, so that everything is of one moment. Changes nothing.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Database as Connection } from "better-sqlite3";
import { MINUTE_MS, minuteOf } from "#core/windows.ts";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type { Charge } from "#shared/journal-format.ts";
import { MINUTES_SINCE_FACT } from "#control-plane/store/migrations.ts";
import { bookable, type MinuteRow, MinuteRows } from "./minute-rows.ts";
import { type Found, type Pause, timeView } from "./reconcile-found.ts";
import { burnsOf } from "./seeder.ts";
import { segmentRecords } from "./segment-reader.ts";

const DAY_MS = 86_400_000;
/** Reported usage is known for longer than that (`event-store.ts`). */
const REPORTED_MS = 35 * DAY_MS;
/** Bytes of a segment read at a time. */
const PART_BYTES = 512 * 1024;

export interface JournalCompared {
  /** The first minute of which all sources are still at hand. RFC 3339. */
  readonly from: string;
  readonly segments: number;
  readonly records: number;
  /** Reported events and confirmed reservations. */
  readonly reported: number;
  readonly minuteRows: number;
  readonly grants: number;
}

interface SegmentRow {
  readonly file: string;
  readonly bytes: number;
  /** null: it holds no charges, or is of version 0.1, which did not say when it dropped a segment. */
  readonly last_ms: number | null;
}

interface UsageRow extends Omit<MinuteRow, "tally" | "requests"> {
  readonly units: number;
  readonly requests: number;
  readonly at_ms: number;
}

interface ReportedRow {
  readonly account: string;
  readonly key: string;
  readonly user: string;
  readonly route: string;
  readonly meter: string;
  readonly op: UsageOp;
  readonly units: number;
  readonly requests: number;
  readonly status: number;
  readonly at_ms: number;
  readonly burns: string;
}

export async function compareJournal(
  snapshot: Connection,
  dir: string,
  nowMs: number,
  found: Found,
  pause: Pause,
): Promise<JournalCompared> {
  const fromMs = coveredFrom(snapshot, nowMs);
  const sums = new Sums(fromMs);
  const segments = snapshot
    .prepare<[], SegmentRow>("SELECT file, bytes, last_ms FROM journal_segments WHERE deleted = 0 ORDER BY file")
    .all();
  let records = 0;
  for (const segment of segments) records += await readSegment(segment, dir, sums, found, pause);
  const reported = await addReported(snapshot, sums, pause);
  const minuteRows = await compareRows(snapshot, sums, found, pause);
  const grants = compareGrants(snapshot, sums, found);
  return { from: timeView(fromMs), segments: segments.length, records, reported, minuteRows, grants };
}

/** Segments that are gone, hours that became minutes, events that are forgotten: what is later than all of them is complete. */
function coveredFrom(snapshot: Connection, nowMs: number): number {
  const dropped = snapshot
    .prepare<[], { readonly last: number | null }>(
      "SELECT max(last_ms) AS last FROM journal_segments WHERE deleted = 1",
    )
    .get();
  const since = snapshot
    .prepare<[string], { readonly value: string }>("SELECT value FROM facts WHERE name = ?")
    .get(MINUTES_SINCE_FACT);
  const after = (ms: number | null | undefined) => (ms === null || ms === undefined ? 0 : minuteOf(ms) + MINUTE_MS);
  return Math.max(after(dropped?.last), after(since && Number(since.value)), minuteOf(nowMs - REPORTED_MS));
}

/** What the sources come to. */
class Sums {
  readonly rows = new MinuteRows();
  readonly burns = new Map<string, number>();
  readonly fromMs: number;
  /** The values of a row's last moment, where values are set: with several in one millisecond any of them may have stayed. */
  readonly #last = new Map<MinuteRow, { readonly atMs: number; readonly values: Set<number> }>();

  constructor(fromMs: number) {
    this.fromMs = fromMs;
  }

  add(given: Charge): void {
    const { charge } = bookable(given);
    // A grant is burnt by whoever was admitted after it was made: of a grant within the time covered all burns are here.
    for (const { grant, credits } of charge.burns) this.burns.set(grant, (this.burns.get(grant) ?? 0) + credits);
    if (!(charge.atMs >= this.fromMs)) return;
    for (const line of charge.units) {
      const row = this.rows.add(charge, line);
      if (line.op === "set") this.#noteLast(row, line.units, charge.atMs);
    }
  }

  #noteLast(row: MinuteRow, units: number, atMs: number): void {
    const last = this.#last.get(row);
    if (last === undefined || last.atMs < atMs) this.#last.set(row, { atMs, values: new Set([units]) });
    else if (last.atMs === atMs) last.values.add(units);
  }

  mayBe(row: MinuteRow, units: number): boolean {
    return row.tally.units === units || this.#last.get(row)?.values.has(units) === true;
  }
}

/** Up to where it is folded in the snapshot. Returns the number of records. */
async function readSegment(
  { file, bytes, last_ms: lastMs }: SegmentRow,
  dir: string,
  sums: Sums,
  found: Found,
  pause: Pause,
): Promise<number> {
  const path = join(dir, file);
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === undefined && lastMs === null) return 0;
  if (size === undefined || size < bytes)
    found.add({ kind: "segment", where: { file }, expected: bytes, found: size ?? null });
  if (size === undefined) return 0;
  let [records, at] = [0, 0];
  while (at < bytes) {
    const read = segmentRecords(path, at, Math.min(PART_BYTES, bytes - at));
    if (read.bytes === 0) break;
    for (const charge of read.charges) sums.add(charge);
    at += read.bytes;
    records += read.charges.length;
    await pause();
  }
  if (at < bytes && size >= bytes) found.add({ kind: "segment", where: { file }, expected: bytes, found: at });
  return records;
}

async function addReported(snapshot: Connection, sums: Sums, pause: Pause): Promise<number> {
  const columns = "account, key, user, route, meter, op, requests, status, at_ms, burns";
  const queries = [
    `SELECT ${columns}, units FROM usage_events`,
    `SELECT ${columns}, confirmed_units AS units FROM usage_reservations WHERE state = 'confirmed'`,
  ];
  let count = 0;
  for (const query of queries) {
    for (const row of snapshot.prepare<[], ReportedRow>(query).iterate()) {
      sums.add(chargeOf(row));
      if (++count % 1000 === 0) await pause();
    }
  }
  return count;
}

function chargeOf({
  account,
  key,
  user,
  route,
  meter,
  op,
  units,
  requests,
  status,
  at_ms: atMs,
  burns,
}: ReportedRow): Charge {
  const lines = [{ meter, op, units }];
  const who = { account, key, user, route, status, requestId: "" };
  return { ...who, atMs, first: requests === 1, epoch: 0, units: lines, burns: burnsOf(burns) };
}

async function compareRows(snapshot: Connection, sums: Sums, found: Found, pause: Pause): Promise<number> {
  const expected = new Map([...sums.rows.values()].map((row) => [rowId(row), row]));
  let count = expected.size;
  let steps = 0;
  for (const row of snapshot
    .prepare<[number], UsageRow>("SELECT * FROM usage WHERE minute >= ?")
    .iterate(sums.fromMs)) {
    const id = rowId(row);
    const own = expected.get(id);
    expected.delete(id);
    if (own === undefined) count++;
    if (own === undefined || !sums.mayBe(own, row.units))
      found.add({ kind: "usage", where: placeOf(row), expected: own?.tally.units ?? 0, found: row.units });
    if (own !== undefined && own.requests !== row.requests)
      found.add({ kind: "requests", where: placeOf(row), expected: own.requests, found: row.requests });
    if (++steps % 1000 === 0) await pause();
  }
  for (const row of expected.values())
    found.add({ kind: "usage", where: placeOf(row), expected: row.tally.units, found: null });
  return count;
}

type Place = Omit<MinuteRow, "tally" | "requests">;

function rowId({ account, meter, minute, route, key, user, status, op }: Place): string {
  return JSON.stringify([account, meter, minute, route, key, user, status, op]);
}

function placeOf({ account, meter, minute, route, key, user, status, op }: Place): Record<string, string | number> {
  return { account, meter, minute: timeView(minute), route, key, user, status, op };
}

/** Of a grant of before the time covered some burns are gone: it has at least those that are here. */
function compareGrants(snapshot: Connection, sums: Sums, found: Found): number {
  const grants = snapshot.prepare<[], { readonly id: string; readonly used: number; readonly created_ms: number }>(
    "SELECT id, used, created_ms FROM credit_grants",
  );
  let count = 0;
  for (const { id, used, created_ms: createdMs } of grants.iterate()) {
    const burnt = sums.burns.get(id) ?? 0;
    const isWhole = createdMs >= sums.fromMs;
    if (isWhole ? used !== burnt : used < burnt)
      found.add({ kind: "grant", where: { grant: id }, expected: burnt, found: used });
    if (isWhole) count++;
  }
  return count;
}
