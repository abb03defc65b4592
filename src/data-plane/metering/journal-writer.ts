/**
 * Appends charges to this worker's journal segment. Worker thread; the only writer of its files.
 * A record is written whole before `append` returns (page cache: it survives any crash of the process); with durability
 * `disk` the file is also synced every 20 ms. After a failed write the segment is given up and a new one tried each second,
 * so that nothing is ever appended behind a torn record.
 */
import { closeSync, fdatasync, fdatasyncSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { MeteringSettings } from "#config/settings.ts";
import { type Charge, SEGMENT_MAGIC, writeRecord } from "#shared/journal-format.ts";
import type { JournalPosition } from "#shared/in-flight-table.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";
import { segmentFile } from "#shared/segment-name.ts";

const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
const SCRATCH_BYTES = 256 * 1024;
const RETRY_MS = 1000;
const SYNC_MS = 20;

export interface JournalPlace {
  readonly dir: string;
  readonly run: string;
  readonly writer: number;
}

export class JournalWriter {
  readonly #place: JournalPlace;
  readonly #metrics: WorkerMetrics;
  readonly #onFailure: (error: unknown) => void;
  readonly #scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  #durability: MeteringSettings["durability"];
  /** -1: no segment can be written just now. */
  #fd = -1;
  #bytes = 0;
  #number = 0;
  #retry: NodeJS.Timeout | null = null;
  #sync: NodeJS.Timeout | null = null;

  /** `onFailure` hears of each failed write, for the log. */
  constructor(
    place: JournalPlace,
    durability: MeteringSettings["durability"],
    metrics: WorkerMetrics,
    onFailure: (error: unknown) => void,
  ) {
    this.#place = place;
    this.#durability = durability;
    this.#metrics = metrics;
    this.#onFailure = onFailure;
    this.#open();
  }

  get healthy(): boolean {
    return this.#fd !== -1;
  }

  setDurability(durability: MeteringSettings["durability"]): void {
    this.#durability = durability;
  }

  /** Where the next record begins. Starts a new segment when this one is full. */
  position(): JournalPosition {
    if (this.#fd !== -1 && this.#bytes >= SEGMENT_BYTES_MAX) this.#open();
    return { segment: this.#number, bytes: this.#bytes };
  }

  /** Whether the record is in the file. */
  append(charge: Charge): boolean {
    if (this.#fd === -1) return false;
    const length = writeRecord(this.#scratch, 0, charge);
    if (length === -1) return false;
    if (!this.#write(this.#scratch.subarray(0, length))) return false;
    this.#metrics.count("journal_records");
    this.#metrics.count("journal_bytes", length);
    if (this.#durability === "disk") this.#scheduleSync();
    return true;
  }

  #write(bytes: Buffer): boolean {
    try {
      let written = 0;
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written, bytes.length - written);
      this.#bytes += written;
      return true;
    } catch (error) {
      this.#giveUp(error);
      return false;
    }
  }

  /** Starts the next segment; on failure tries again later. */
  #open(): void {
    this.#close();
    try {
      const file = segmentFile({ run: this.#place.run, writer: this.#place.writer, number: ++this.#number });
      this.#fd = openSync(join(this.#place.dir, file), "ax", 0o600);
      this.#bytes = 0;
      if (this.#durability === "disk") syncFolder(this.#place.dir);
    } catch (error) {
      this.#giveUp(error);
      return;
    }
    this.#write(SEGMENT_MAGIC);
  }

  #giveUp(error: unknown): void {
    this.#metrics.count("journal_failures");
    this.#close();
    this.#onFailure(error);
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      if (this.#fd === -1) this.#open();
    }, RETRY_MS).unref();
  }

  #close(): void {
    if (this.#fd === -1) return;
    try {
      if (this.#durability === "disk") fdatasyncSync(this.#fd);
      closeSync(this.#fd);
    } catch (error) {
      this.#onFailure(error);
    }
    this.#fd = -1;
  }

  /** One sync for all records of the last 20 ms; nobody waits for it. */
  #scheduleSync(): void {
    this.#sync ??= setTimeout(() => {
      this.#sync = null;
      const fd = this.#fd;
      if (fd === -1) return;
      fdatasync(fd, (error) => {
        // A segment closed meanwhile was synced then.
        if (error !== null && fd === this.#fd) this.#giveUp(error);
      });
    }, SYNC_MS).unref();
  }
}

/** A new file is on disk only when its folder is. */
function syncFolder(dir: string): void {
  const fd = openSync(dir, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
