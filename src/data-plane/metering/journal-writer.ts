/**
 * Appends charges to this worker's journal segment. Worker thread; the only writer of its files.
 * Records are staged and written together by `flush`: what it has written survives any crash of the process (page cache). With durability
 * `disk` the file is also synced 20 ms after a record, one sync at a time, and no request waits for it.
 * After a failed write the segment is given up and a new one tried each second, so that nothing is ever appended behind a torn
 * record. So it is after a failed sync: what such a sync leaves on the disk nobody knows, and a later one that succeeds says
 * nothing about it. The ledger reads those records all the same; only a power cut within its next second could lose them.
 */
import { close, fdatasync, openSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { MeteringSettings } from "#config/settings.ts";
import {
  type Burn,
  type ChargeFrame,
  type ChargeHead,
  SEGMENT_HEAD_BYTES,
  segmentHead,
  writeRecord,
} from "#shared/journal-format.ts";
import type { JournalPosition } from "#shared/in-flight-table.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";
import { segmentFile } from "#shared/segment-name.ts";

const SEGMENT_BYTES_MAX = 64 * 1024 * 1024;
/** Records that are staged for one write. */
const BATCH_BYTES = 256 * 1024;
const RETRY_MS = 1000;
const SYNC_MS = 20;

const syncFile = promisify(fdatasync);

export interface JournalPlace {
  readonly dir: string;
  readonly run: string;
  readonly writer: number;
}

export class JournalWriter {
  readonly #place: JournalPlace;
  readonly #metrics: WorkerMetrics;
  readonly #onFailure: (error: unknown) => void;
  readonly #batch = Buffer.allocUnsafe(BATCH_BYTES);
  #stagedBytes = 0;
  #stagedRecords = 0;
  #durability: MeteringSettings["durability"];
  /** -1: no segment can be written just now. */
  #fd = -1;
  #bytes = 0;
  #number = 0;
  #retry: NodeJS.Timeout | null = null;
  /** A sync is due or under way. */
  #syncing = false;
  /** Something was written since that sync began. */
  #dirty = false;
  /** The folder does not know the segment for sure yet. */
  #unlisted = false;
  /** Segments opened so far: tells one from the next, though both may have the same descriptor. */
  #opened = 0;

  /** `onFailure` hears of each failed write or sync, for the log. */
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

  /** Where the next record begins. Starts a new segment when this one is full and nothing is staged. */
  position(): JournalPosition {
    if (this.#fd !== -1 && this.#bytes >= SEGMENT_BYTES_MAX && this.#stagedBytes === 0) this.#open();
    return { segment: this.#number, bytes: this.#bytes + this.#stagedBytes };
  }

  /**
   * Puts a record behind those that the next `flush` writes. Returns the bytes that are staged now, -1: there is no room for it beside the
   * others, or nothing can be written.
   */
  stage(
    head: ChargeHead,
    frame: ChargeFrame,
    first: boolean,
    status: number,
    units: readonly number[],
    burns: readonly Burn[],
  ): number {
    if (this.#fd === -1) return -1;
    const end = writeRecord(this.#batch, this.#stagedBytes, head, frame, first, status, units, burns);
    if (end === -1) return -1;
    this.#stagedBytes = end;
    this.#stagedRecords++;
    return end;
  }

  /** How many of the staged bytes are in the file now; the records that end within them count. Nothing is staged afterwards. */
  flush(): number {
    const [bytes, records] = [this.#stagedBytes, this.#stagedRecords];
    this.#stagedBytes = 0;
    this.#stagedRecords = 0;
    if (this.#fd === -1) return 0;
    const written = this.#write(this.#batch.subarray(0, bytes));
    if (written === bytes) this.#metrics.count("journal_records", records);
    this.#metrics.count("journal_bytes", written);
    if (written > 0 && this.#durability === "disk") this.#scheduleSync();
    return written;
  }

  /** Bytes that got into the file: all, or fewer before a failure. */
  #write(bytes: Buffer): number {
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written, bytes.length - written);
      this.#bytes += written;
    } catch (error) {
      this.#giveUp(error, true);
    }
    return written;
  }

  /** Starts the next segment; on failure tries again later. */
  #open(): void {
    this.#close(true);
    // One that never got a record is used again: else every second of a full disk would leave a file behind.
    if (this.#number === 0 || this.#bytes > SEGMENT_HEAD_BYTES) this.#number++;
    this.#bytes = 0;
    this.#opened++;
    const file = segmentFile({ run: this.#place.run, writer: this.#place.writer, number: this.#number });
    try {
      this.#fd = openSync(join(this.#place.dir, file), "w", 0o600);
      this.#unlisted = true;
    } catch (error) {
      this.#giveUp(error, false);
      return;
    }
    this.#write(segmentHead(file));
  }

  /** `sync` false: there is nothing more that a sync could save. */
  #giveUp(error: unknown, sync: boolean): void {
    this.#close(sync);
    this.#failed(error);
    this.#retry ??= setTimeout(() => {
      this.#retry = null;
      if (this.#fd === -1) this.#open();
    }, RETRY_MS).unref();
  }

  #failed(error: unknown): void {
    this.#metrics.count("journal_failures");
    this.#onFailure(error);
  }

  #close(sync: boolean): void {
    const fd = this.#fd;
    if (fd === -1) return;
    this.#fd = -1;
    const closed = (error: unknown) => {
      if (error !== null && error !== undefined) this.#failed(error);
    };
    if (!sync || this.#durability === "process") return close(fd, closed);
    fdatasync(fd, (error) => {
      closed(error);
      close(fd, closed);
    });
  }

  /** One sync for all records of the last 20 ms, or for those that came while the last one took its time. */
  #scheduleSync(): void {
    this.#dirty = true;
    if (this.#syncing) return;
    this.#syncing = true;
    setTimeout(() => void this.#syncNow(), SYNC_MS).unref();
  }

  async #syncNow(): Promise<void> {
    const segment = this.#opened;
    this.#dirty = false;
    let failure: unknown = null;
    try {
      if (this.#fd !== -1) await this.#syncSegment(this.#fd, segment);
    } catch (error) {
      failure = error;
    }
    this.#syncing = false;
    // A segment closed meanwhile is synced by its close.
    if (failure !== null && this.#fd !== -1 && segment === this.#opened) this.#giveUp(failure, false);
    else if (this.#dirty) this.#scheduleSync();
  }

  async #syncSegment(fd: number, segment: number): Promise<void> {
    await syncFile(fd);
    if (!this.#unlisted) return;
    await syncFolder(this.#place.dir);
    if (segment === this.#opened) this.#unlisted = false;
  }
}

/** A new file is on disk only when its folder is. */
async function syncFolder(dir: string): Promise<void> {
  const folder = await open(dir, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
