/**
 * The ledger: journal segments in, units by account, key, route, meter and hour out. Main thread.
 * Invariant M2: the offset of a segment and the rows its records became change in one transaction, so each record counts once,
 * however often the process dies. A torn tail of a segment nobody writes any more is cut off, and said.
 */
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { wallMs } from "#core/clock.ts";
import { hourOf } from "#core/windows.ts";
import { type Charge, type RecordsRead, readRecords, SEGMENT_MAGIC } from "#shared/journal-format.ts";
import { parseSegmentFile } from "#shared/segment-name.ts";
import { readPart } from "./segment-reader.ts";
import type { Database } from "#control-plane/store/database.ts";

/** Bytes folded in one transaction: some 10,000 records, about 20 ms of the main thread. */
const STEP_BYTES = 1024 * 1024;
/** How long a segment is kept after the ledger has taken it in. */
const KEEP_MS = 3_600_000;

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
  /** When each finished segment was finished; null: not read yet. */
  #finished: Map<string, number> | null = null;
  readonly #dropped = new Set<string>();
  readonly #complained = new Set<string>();

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
    await this.#rememberFinished();
    for (const segment of this.#segments()) await this.#foldSegment(segment);
    this.#dropOld();
  }

  /** Which segments an earlier run of the process finished: once, so that a fold looks at no more than the open ones. */
  async #rememberFinished(): Promise<void> {
    if (this.#finished !== null) return;
    const rows = await this.#parts.db.selectFrom("journal_segments").selectAll().where("finished", "=", 1).execute();
    this.#finished = new Map(rows.map(({ file, updated_at: at }) => [file, at]));
  }

  /** Those not finished, in the order of their names. The list is taken before any is read: one seen as closed was closed before. */
  #segments(): readonly Segment[] {
    const latest = new Map<string, number>();
    const files = readdirSync(this.#parts.dir).flatMap((file) => {
      const name = parseSegmentFile(file);
      if (name === null) return [];
      const writer = `${name.run}-${name.writer}`;
      latest.set(writer, Math.max(name.number, latest.get(writer) ?? 0));
      return this.#finished?.has(file) === true ? [] : [{ file, name, writer }];
    });
    files.sort((one, other) => (one.file < other.file ? -1 : 1));
    return files.map(({ file, name, writer }) => ({
      file,
      open: name.run === this.#parts.run && latest.get(writer) === name.number && this.#parts.isLive(name.writer),
      bytes: statSync(join(this.#parts.dir, file)).size,
    }));
  }

  async #foldSegment(segment: Segment): Promise<void> {
    const known = await this.#parts.db
      .selectFrom("journal_segments")
      .selectAll()
      .where("file", "=", segment.file)
      .executeTakeFirst();
    let at = known?.bytes ?? 0;
    let rest: RecordsRead["rest"] = "none";
    while (at < segment.bytes) {
      const read = this.#read(segment, at);
      rest = read.rest;
      if (read.bytes === 0) break;
      at += read.bytes;
      await this.#apply(segment, at, read.charges);
    }
    if (rest === "unknown" || (rest === "damaged" && segment.open)) return this.#complain(segment, at, rest);
    if (segment.open) return;
    if (at < segment.bytes) this.#cut(segment, at);
    await this.#finish(segment, at);
  }

  /** A record cut by the end of a step is read whole with the next; at the end of the file it is a torn tail. */
  #read(segment: Segment, at: number): RecordsRead {
    const text = readPart(join(this.#parts.dir, segment.file), at, Math.min(STEP_BYTES, segment.bytes - at));
    if (at > 0) return readRecords(text);
    const head = SEGMENT_MAGIC.length;
    if (text.length < head) return { bytes: 0, charges: [], rest: "incomplete" };
    if (!text.subarray(0, head).equals(SEGMENT_MAGIC)) return { bytes: 0, charges: [], rest: "unknown" };
    const read = readRecords(text.subarray(head));
    return { ...read, bytes: head + read.bytes };
  }

  /** Usage that cannot be taken in stays where it is, for a newer version or an operator; said once a segment. */
  #complain(segment: Segment, at: number, rest: string): void {
    if (this.#complained.has(segment.file)) return;
    this.#complained.add(segment.file);
    const facts = { event: "journal-unreadable", segment: segment.file, at, reason: rest };
    this.#parts.log.error(facts, "A journal segment cannot be read any further");
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

  /** What is cut off is kept beside the segment: it is money, if only torn. */
  #cut(segment: Segment, at: number): void {
    const path = join(this.#parts.dir, segment.file);
    const dropped = segment.bytes - at;
    const facts = { event: "journal-tail-cut", segment: segment.file, kept_bytes: at, dropped_bytes: dropped };
    this.#parts.log.warn(facts, "The end of a journal segment was torn and has been cut off");
    writeFileSync(`${path}.torn`, readPart(path, at, dropped), { mode: 0o600 });
    truncateSync(path, at);
  }

  async #finish(segment: Segment, bytes: number): Promise<void> {
    const now = wallMs();
    await this.#parts.db
      .insertInto("journal_segments")
      .values({ file: segment.file, bytes, finished: 1, updated_at: now })
      .onConflict((conflict) => conflict.column("file").doUpdateSet({ bytes, finished: 1, updated_at: now }))
      .execute();
    this.#finished?.set(segment.file, now);
  }

  /** The row stays: should the removal fail, the segment must not count again. */
  #dropOld(): void {
    for (const [file, finishedAt] of this.#finished ?? []) {
      if (wallMs() - finishedAt <= KEEP_MS || this.#dropped.has(file)) continue;
      rmSync(join(this.#parts.dir, file), { force: true });
      this.#dropped.add(file);
    }
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
