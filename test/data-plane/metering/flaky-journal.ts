/** A worker's journal that can be told to fail, or to die: the writer, the file and its records are real. */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { type ChargeHead, writeRecord } from "#shared/journal-format.ts";
import { createMetrics, WorkerMetrics } from "#shared/metrics-table.ts";
import { segmentFile } from "#shared/segment-name.ts";
import { type JournalPlace, JournalWriter } from "#data-plane/metering/journal-writer.ts";

/** What the next append does: `fail` writes nothing and says so; the others end the worker before, within or after the write. */
export type Mood = "well" | "fail" | "die-before" | "die-torn" | "die-after";

/** The worker is no more. */
export class WorkerDied extends Error {}

type AppendArgs = Parameters<JournalWriter["append"]>;

export class FlakyJournal extends JournalWriter {
  readonly #place: JournalPlace;
  mood: Mood = "well";

  constructor(place: JournalPlace) {
    super(place, "process", new WorkerMetrics(createMetrics(), 0), (error) => {
      throw error;
    });
    this.#place = place;
  }

  override append(...args: AppendArgs): boolean {
    const { mood } = this;
    if (mood === "fail") return false;
    if (mood === "die-before") throw new WorkerDied();
    if (mood === "die-torn") this.#tear(args);
    const written = super.append(...args);
    if (mood === "die-after") throw new WorkerDied();
    return written;
  }

  /** Half a record, as a write that was cut leaves it. */
  #tear([head, ...rest]: [ChargeHead, ...rest: AppendArgs extends [unknown, ...infer R] ? R : never]): never {
    const scratch = Buffer.alloc(256 * 1024);
    const end = writeRecord(scratch, 0, head, ...rest);
    const file = segmentFile({ run: this.#place.run, writer: this.#place.writer, number: this.position().segment });
    appendFileSync(join(this.#place.dir, file), scratch.subarray(0, Math.floor(end / 2)));
    throw new WorkerDied();
  }
}
