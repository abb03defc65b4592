/** A worker's journal that can be told to fail, or to die: the writer, the file and its records are real. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import type { JournalPosition } from "#shared/in-flight-table.ts";
import { createMetrics, WorkerMetrics } from "#shared/metrics-table.ts";
import { segmentFile } from "#shared/segment-name.ts";
import { writeRecord } from "#shared/journal-format.ts";
import { type JournalPlace, JournalWriter } from "#data-plane/metering/journal-writer.ts";

/**
 * What the next flush does: `fail` writes nothing and says so, `half` writes half of the staged bytes and says so; the others end the
 * worker before the write, within it and after it.
 */
export type Mood = "well" | "fail" | "half" | "die-before" | "die-torn" | "die-after";

/** The worker is no more. */
export class WorkerDied extends Error {}

type Record = Parameters<JournalWriter["stage"]>;

export class FlakyJournal extends JournalWriter {
  readonly #place: JournalPlace;
  readonly #bytes = Buffer.alloc(256 * 1024);
  #records: Record[] = [];
  #staged = 0;
  /** Bytes of the segment when the flush under way began. */
  #begun = 0;
  mood: Mood = "well";
  /** Records of the last flush that got into the file whole. */
  whole = 0;

  constructor(place: JournalPlace) {
    super(place, "process", new WorkerMetrics(createMetrics(), 0), (error) => {
      throw error;
    });
    this.#place = place;
  }

  override position(): JournalPosition {
    const { segment, bytes } = super.position();
    return { segment, bytes: bytes + this.#staged };
  }

  override stage(...record: Record): number {
    const end = writeRecord(this.#bytes, this.#staged, ...record);
    if (end === -1) return -1;
    this.#staged = end;
    this.#records.push(record);
    return end;
  }

  override flush(): number {
    const { mood } = this;
    this.#begun = super.position().bytes;
    const [records, bytes] = [this.#records, this.#staged];
    this.#records = [];
    this.#staged = 0;
    this.whole = 0;
    if (records.length === 0 || mood === "fail") return 0;
    if (mood === "die-before") throw new WorkerDied();
    const written = this.#write(records, mood === "half" || mood === "die-torn" ? bytes / 2 : bytes);
    if (mood === "die-torn") this.#tear(bytes);
    if (mood.startsWith("die")) throw new WorkerDied();
    return written;
  }

  /** The records that end within so many bytes: what a disk that fills up takes, but for the torn one behind them. */
  #write(records: readonly Record[], bytes: number): number {
    let end = 0;
    for (const record of records) {
      end = writeRecord(Buffer.from(this.#bytes), end, ...record);
      if (end > bytes) break;
      super.stage(...record);
      this.whole++;
    }
    return super.flush();
  }

  /** What of the first half of the staged bytes is no whole record. */
  #tear(bytes: number): void {
    const { segment, bytes: whole } = super.position();
    const file = segmentFile({ run: this.#place.run, writer: this.#place.writer, number: segment });
    appendFileSync(join(this.#place.dir, file), this.#bytes.subarray(whole - this.#begun, Math.floor(bytes / 2)));
  }
}
