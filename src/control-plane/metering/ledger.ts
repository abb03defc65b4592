/**
 * The ledger: journal segments in, units by account, key, route, meter and hour out. Main thread.
 * Invariant M2: the offset of a segment and the rows its records became change in one transaction, so each record counts once,
 * however often the process dies. A torn tail of a segment nobody writes any more is cut off, and said.
 */
import { readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { wallMs } from "#core/clock.ts";
import { hourOf } from "#core/windows.ts";
import { type Charge, readRecords, SEGMENT_MAGIC } from "#shared/journal-format.ts";
import { parseSegmentFile } from "#shared/segment-name.ts";
import { readPart } from "./segment-reader.ts";
import type { Database } from "#control-plane/store/database.ts";

/** Bytes folded in one transaction: some 10,000 records, about 20 ms of the main thread. */
const STEP_BYTES = 1024 * 1024;
/** How long a folded segment is kept. */
const KEEP_MS = 7 * 86_400_000;

interface Segment {
  readonly file: string;
  readonly bytes: number;
  /** A live thread may still append. */
  readonly open: boolean;
}

export interface LedgerParts {
  readonly db: Database;
  readonly dir: string;
  /** This run of the process; segments of other runs are finished. */
  readonly run: string;
  readonly log: Logger;
  /** Whether this writer of this run may still append. */
  readonly isLive: (writer: number) => boolean;
}

export class Ledger {
  readonly #parts: LedgerParts;
  #folding: Promise<void> = Promise.resolve();

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** Folds everything that is in the journal now; one fold at a time. */
  fold(): Promise<void> {
    const next = this.#folding.then(() => this.#foldAll());
    this.#folding = next.catch(() => undefined);
    return next;
  }

  async #foldAll(): Promise<void> {
    for (const segment of this.#segments()) await this.#foldSegment(segment);
  }

  /** In the order they were begun. The list is taken before any is read: a segment seen as finished was finished before. */
  #segments(): readonly Segment[] {
    const files = readdirSync(this.#parts.dir)
      .filter((file) => parseSegmentFile(file) !== null)
      .sort();
    return files.map((file) => ({
      file,
      open: this.#isOpen(file, files),
      bytes: statSync(join(this.#parts.dir, file)).size,
    }));
  }

  #isOpen(file: string, files: readonly string[]): boolean {
    const name = parseSegmentFile(file);
    if (name === null || name.run !== this.#parts.run || !this.#parts.isLive(name.writer)) return false;
    return !files.some((other) => {
      const later = parseSegmentFile(other);
      return later !== null && later.run === name.run && later.writer === name.writer && later.number > name.number;
    });
  }

  async #foldSegment(segment: Segment): Promise<void> {
    const known = await this.#parts.db
      .selectFrom("journal_segments")
      .selectAll()
      .where("file", "=", segment.file)
      .executeTakeFirst();
    if (known?.finished === 1) return this.#dropOld(segment, known.updated_at);
    let at = known?.bytes ?? 0;
    while (at < segment.bytes) {
      const { bytes, charges, damaged } = this.#read(segment, at);
      if (bytes === 0 && damaged && !segment.open) this.#cut(segment, at);
      if (bytes === 0) break;
      at += bytes;
      await this.#apply(segment, at, charges);
    }
    if (!segment.open) await this.#finish(segment, at);
  }

  #read(
    segment: Segment,
    at: number,
  ): { readonly bytes: number; readonly charges: readonly Charge[]; readonly damaged: boolean } {
    const text = readPart(join(this.#parts.dir, segment.file), at, Math.min(STEP_BYTES, segment.bytes - at));
    const head = at === 0 ? SEGMENT_MAGIC.length : 0;
    if (at === 0 && !text.subarray(0, head).equals(SEGMENT_MAGIC)) return { bytes: 0, charges: [], damaged: true };
    const read = readRecords(text.subarray(head));
    // A record cut by the end of the step is read with the next one; one cut by the end of the file is a torn tail.
    return { bytes: head + read.bytes, charges: read.charges, damaged: read.rest !== "none" };
  }

  async #apply(segment: Segment, bytes: number, charges: readonly Charge[]): Promise<void> {
    const rows = sumByHour(charges);
    await this.#parts.db.transaction().execute(async (trx) => {
      for (const row of rows) {
        await trx
          .insertInto("usage_hours")
          .values(row)
          .onConflict((conflict) =>
            conflict.columns(["account", "hour", "meter", "route", "key"]).doUpdateSet((set) => ({
              units: set("usage_hours.units", "+", row.units),
              requests: set("usage_hours.requests", "+", row.requests),
            })),
          )
          .execute();
      }
      await trx
        .insertInto("journal_segments")
        .values({ file: segment.file, bytes, updated_at: wallMs() })
        .onConflict((conflict) => conflict.column("file").doUpdateSet({ bytes, updated_at: wallMs() }))
        .execute();
    });
  }

  #cut(segment: Segment, at: number): void {
    const facts = {
      event: "journal-tail-cut",
      segment: segment.file,
      kept_bytes: at,
      dropped_bytes: segment.bytes - at,
    };
    this.#parts.log.warn(facts, "The end of a journal segment was torn and has been cut off");
    truncateSync(join(this.#parts.dir, segment.file), at);
  }

  async #finish(segment: Segment, bytes: number): Promise<void> {
    await this.#parts.db
      .insertInto("journal_segments")
      .values({ file: segment.file, bytes, finished: 1, updated_at: wallMs() })
      .onConflict((conflict) => conflict.column("file").doUpdateSet({ bytes, finished: 1, updated_at: wallMs() }))
      .execute();
  }

  /** The row stays: should the removal fail, the segment must not count again. */
  #dropOld(segment: Segment, finishedAtMs: number): void {
    if (wallMs() - finishedAtMs > KEEP_MS) rmSync(join(this.#parts.dir, segment.file), { force: true });
  }
}

interface HourRow {
  readonly account: string;
  readonly hour: number;
  readonly meter: string;
  readonly route: string;
  readonly key: string;
  units: number;
  requests: number;
}

/** One row for each account, hour, meter, route and key. */
function sumByHour(charges: readonly Charge[]): readonly HourRow[] {
  const rows = new Map<string, HourRow>();
  for (const { account, atMs, route, key, units } of charges) {
    for (const { meter, units: amount } of units) {
      const hour = hourOf(atMs);
      const id = JSON.stringify([account, hour, meter, route, key]);
      const row = rows.get(id) ?? { account, hour, meter, route, key, units: 0, requests: 0 };
      row.units += amount;
      row.requests += 1;
      rows.set(id, row);
    }
  }
  return [...rows.values()];
}
