/**
 * The journal's segment files and what the store knows of each: how far it is folded, whether it is finished, when it was dropped.
 * Main thread. Not here: what the records mean (`ledger.ts`).
 */
import { readdirSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Logger } from "pino";
import { wallMs } from "#core/clock.ts";
import type { Charge, RecordsRead } from "#shared/journal-format.ts";
import { parseSegmentFile } from "#shared/segment-name.ts";
import { isMoment } from "./minute-rows.ts";
import { readPart, segmentRecords } from "./segment-reader.ts";

/** A segment that is not finished. */
export interface Segment {
  readonly file: string;
  readonly bytes: number;
  /** A live thread may still append. */
  readonly open: boolean;
  /** Of this run of the process. */
  readonly ours: boolean;
}

export interface SegmentsParts {
  readonly connection: Connection;
  readonly dir: string;
  /** This run of the process; segments of other runs are finished. */
  readonly run: string;
  readonly log: Logger;
  /** Whether this writer of this run may still append. */
  readonly isLive: (writer: number) => boolean;
}

/** Times of the earliest and the latest of some charges. */
export interface TimeSpan {
  readonly firstMs: number;
  readonly lastMs: number;
}

interface KnownSegment {
  readonly file: string;
  readonly bytes: number;
  readonly updated_at: number;
  readonly deleted: 0 | 1;
}

export class Segments {
  readonly #parts: SegmentsParts;
  readonly #bytes: Statement<unknown[], KnownSegment>;
  readonly #advance: Statement<unknown[]>;
  readonly #finish: Statement<unknown[]>;
  readonly #drop: Statement<unknown[]>;
  /** When each finished segment that is still there was finished. Read once, so that a fold looks at no more than the open ones. */
  readonly #finished: Map<string, number>;
  /** Should a removal have failed, the segment must not count again. */
  readonly #dropped: Set<string>;
  readonly #complained = new Set<string>();
  /** How many want the files to stay. */
  #holds = 0;

  constructor(parts: SegmentsParts) {
    this.#parts = parts;
    const { connection } = parts;
    this.#bytes = connection.prepare("SELECT file, bytes, updated_at, deleted FROM journal_segments WHERE file = ?");
    this.#advance = connection.prepare(
      `INSERT INTO journal_segments (file, bytes, updated_at, first_ms, last_ms) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET bytes = excluded.bytes, updated_at = excluded.updated_at,
        first_ms = min(coalesce(first_ms, excluded.first_ms), coalesce(excluded.first_ms, first_ms)),
        last_ms = max(coalesce(last_ms, excluded.last_ms), coalesce(excluded.last_ms, last_ms))`,
    );
    this.#finish = connection.prepare(
      `INSERT INTO journal_segments (file, bytes, finished, updated_at) VALUES (?, ?, 1, ?)
      ON CONFLICT DO UPDATE SET bytes = excluded.bytes, finished = 1, updated_at = excluded.updated_at`,
    );
    this.#drop = connection.prepare(
      "UPDATE journal_segments SET deleted = 1, last_ms = coalesce(last_ms, ?) WHERE file = ?",
    );
    const known = connection.prepare<[], KnownSegment>(
      "SELECT file, bytes, updated_at, deleted FROM journal_segments WHERE finished = 1",
    );
    const rows = known.all();
    this.#finished = new Map(rows.flatMap(({ file, updated_at: at, deleted }) => (deleted === 1 ? [] : [[file, at]])));
    this.#dropped = new Set(rows.flatMap(({ file, deleted }) => (deleted === 1 ? [file] : [])));
  }

  /** Those not finished, in the order of their names. The list is taken before any is read: one seen as closed was closed before. */
  unfinished(): readonly Segment[] {
    const latest = new Map<string, number>();
    const files = readdirSync(this.#parts.dir).flatMap((file) => {
      const name = parseSegmentFile(file);
      if (name === null) return [];
      const writer = `${name.run}-${name.writer}`;
      latest.set(writer, Math.max(name.number, latest.get(writer) ?? 0));
      if (this.#dropped.has(file)) this.#remove(file);
      return this.#finished.has(file) || this.#dropped.has(file) ? [] : [{ file, name, writer }];
    });
    files.sort((one, other) => (one.file < other.file ? -1 : 1));
    return files.map(({ file, name, writer }) => ({
      file,
      ours: name.run === this.#parts.run,
      open: name.run === this.#parts.run && latest.get(writer) === name.number && this.#parts.isLive(name.writer),
      bytes: statSync(join(this.#parts.dir, file)).size,
    }));
  }

  /** Bytes of it that are folded. */
  folded(file: string): number {
    return this.#bytes.get(file)?.bytes ?? 0;
  }

  /** The next whole records from `at` on, up to `bytesMax`. What is cut by the end of the file is a torn tail. */
  read({ file, bytes }: Segment, at: number, bytesMax: number): RecordsRead {
    return segmentRecords(join(this.#parts.dir, file), at, Math.min(bytesMax, bytes - at));
  }

  /** Folded up to here. Within the transaction that books the charges (M2). */
  advance(file: string, bytes: number, charges: readonly Charge[]): void {
    const span = timeSpan(charges);
    this.#advance.run(file, bytes, wallMs(), span?.firstMs ?? null, span?.lastMs ?? null);
  }

  /** Nobody will append to it, and all of it up to `at` is folded. What is behind is a torn tail, and cut off. */
  finish(segment: Segment, at: number): void {
    if (at < segment.bytes) this.#cut(segment, at);
    const now = wallMs();
    this.#finish.run(segment.file, at, now);
    this.#finished.set(segment.file, now);
  }

  /** Usage that cannot be taken in stays where it is, for a newer version or an operator; said once a segment. */
  complain({ file }: Segment, at: number, rest: string): void {
    if (this.#complained.has(file)) return;
    this.#complained.add(file);
    const facts = { event: "journal-unreadable", segment: file, at, reason: rest };
    this.#parts.log.error(facts, "A journal segment cannot be read any further");
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

  /** Removes those finished longer ago. Marked before they are removed: what is not marked is there, whole. Opens a transaction. */
  dropOld(keepMs: number): void {
    if (this.#holds > 0) return;
    const old = [...this.#finished].filter(([, finishedAt]) => wallMs() - finishedAt > keepMs);
    if (old.length === 0) return;
    // A segment of before version 0.2 has no time of its last charge; none is later than its end.
    this.#parts.connection.transaction(() => old.forEach(([file, finishedAt]) => this.#drop.run(finishedAt, file)))();
    for (const [file] of old) {
      this.#finished.delete(file);
      this.#dropped.add(file);
      this.#remove(file);
    }
  }

  /** No file goes while `work` lasts. */
  async keepAll<T>(work: () => Promise<T>): Promise<T> {
    this.#holds++;
    try {
      return await work();
    } finally {
      this.#holds--;
    }
  }

  #remove(file: string): void {
    rmSync(join(this.#parts.dir, file), { force: true });
  }
}

function timeSpan(charges: readonly Charge[]): TimeSpan | null {
  let [firstMs, lastMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { atMs } of charges) {
    // A charge without a time is not booked.
    if (!isMoment(atMs)) continue;
    firstMs = Math.min(firstMs, Math.floor(atMs));
    lastMs = Math.max(lastMs, Math.floor(atMs));
  }
  return lastMs < firstMs ? null : { firstMs, lastMs };
}
