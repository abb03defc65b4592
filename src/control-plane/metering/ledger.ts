/**
 * The ledger: usage journal in, rows of the store out. Main thread.
 * Invariant M2: the offset of a segment and the rows its records became change in one transaction, so each record counts once,
 * however often the process dies. A torn tail of a segment nobody writes any more is cut off, and said.
 * A fold goes step by step and lets others have the thread in between; the store's connection is its own until a step is done.
 * Not here: what a charge changes (`booking.ts`), the files (`segments.ts`), who counted what (`counting.ts`).
 */
import { setImmediate } from "node:timers/promises";
import type { Transaction } from "kysely";
import type { Logger } from "pino";
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { shapesOf } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Charge, RecordsRead } from "#shared/journal-format.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { Tables } from "#control-plane/store/tables.ts";
import { Booking, type BookingParts, type CounterChange } from "./booking.ts";
import { Counting } from "./counting.ts";
import { GaugeWatch } from "./gauge-watch.ts";
import { Seeder } from "./seeder.ts";
import { type Segment, Segments } from "./segments.ts";
import { UsageWindows } from "./usage-windows.ts";

/** Bytes folded in one transaction: some 2,200 records. Reading them keeps the thread for 5 ms; others have the store after 20 ms, 150 at worst. */
const STEP_BYTES = 256 * 1024;
/** How long the thread is kept at a time. */
const TURN_MS = 10;

export interface LedgerParts {
  readonly db: Database;
  readonly dir: string;
  /** This run of the process; segments of other runs are finished. */
  readonly run: string;
  readonly log: Logger;
  readonly settings: () => Settings;
  readonly counters: CounterTable;
  /** Whether this writer of this run may still append. */
  readonly isLive: (writer: number) => boolean;
}

export class Ledger {
  readonly counting: Counting;
  readonly seeder: Seeder;
  readonly windows: UsageWindows;
  readonly #parts: LedgerParts;
  readonly #segments: Segments;
  readonly #booking: Booking;
  readonly #gauges: GaugeWatch;
  #folding: Promise<void> = Promise.resolve();

  /** Brings the store in line with the settings' shapes of windows. No transaction may be open. Folds nothing yet. */
  constructor(parts: LedgerParts) {
    const { db, counters, settings, log } = parts;
    const connection = connectionOf(db);
    const shapes = shapesOf(settings());
    const windows = new UsageWindows(connection);
    connection.transaction(() => {
      windows.dropOthers([...shapes.values()].flat());
      windows.keep([...shapes.values()].flat(), wallMs());
    })();
    this.#parts = parts;
    this.windows = windows;
    this.counting = new Counting(shapes);
    this.seeder = new Seeder({ db, counters, counting: this.counting, log }, windows);
    this.#segments = new Segments({ connection, ...parts });
    this.#gauges = new GaugeWatch(counters, windows);
    const noteSet: BookingParts["noteSet"] = (place) => {
      if (this.counting.isSeen(place.account)) this.#gauges.note(place);
    };
    this.#booking = new Booking({ connection, settings, counting: this.counting, windows, log, noteSet });
  }

  /** Folds everything that is in the journal now; one fold at a time. */
  fold(): Promise<void> {
    const next = this.#folding.then(() => this.#foldAll());
    this.#folding = next.catch(() => undefined);
    return next;
  }

  /**
   * Books charges that are in no journal, in a transaction of the caller's own; epoch 0 where nobody counted them yet. When it is
   * committed, `tell` changes the live counters, for which the accounts must have been seeded.
   */
  book(_trx: Transaction<Tables>, charges: readonly Charge[]): readonly CounterChange[] {
    const steps = this.#booking.book(charges, true);
    for (;;) {
      const step = steps.next();
      if (step.done === true) return step.value;
    }
  }

  /** Tells the live counters of what `book` booked. */
  tell(changes: readonly CounterChange[]): void {
    this.seeder.tell(changes);
  }

  /**
   * Settings with other shapes of windows are about to come into force: counts the new ones from a new epoch on. Within
   * `counting.serial`, before the snapshot goes out. Throws when a meter would add up in another way than its counters.
   */
  async useShapes(settings: Settings): Promise<void> {
    const shapes = shapesOf(settings);
    const clash = this.counting.clash(shapes);
    if (clash !== null)
      throw new Error(
        `Meter ${clash.meter} cannot change how it adds up while the gateway runs: restart it with the new file`,
      );
    await this.fold();
    const connection = connectionOf(this.#parts.db);
    // In one go: no fold may be half way through its charges when shapes become others.
    await this.#parts.db.connection().execute(async () => {
      connection.transaction(() => this.windows.keep([...shapes.values()].flat(), wallMs()))();
      this.counting.use(shapes);
    });
    await this.seeder.seedNewShapes();
  }

  /** No segment of the journal is dropped while `work` lasts. */
  keepingJournal<T>(work: () => Promise<T>): Promise<T> {
    return this.#segments.keepAll(work);
  }

  /** Drops what is no more needed: windows long over. */
  async prune(): Promise<void> {
    const some = () => this.#parts.db.connection().execute(async () => this.windows.prune(wallMs()));
    while (await some()) await setImmediate();
  }

  /** As `fold`, where the work at hand does not depend on it: a fold that fails is done by the next one. */
  async foldSoon(): Promise<void> {
    await this.fold().catch((error: unknown) =>
      this.#parts.log.error(
        { event: "fold-failed", err: error },
        "Usage is still in the journal; the next fold takes it in",
      ),
    );
  }

  async #foldAll(): Promise<void> {
    for (const segment of this.#segments.unfinished()) await this.#foldSegment(segment);
    await this.#parts.db.connection().execute(async () => {
      this.#gauges.check();
      this.#segments.dropOld(this.#parts.settings().metering.keepJournalMs);
    });
  }

  async #foldSegment(segment: Segment): Promise<void> {
    let at = await this.#parts.db.connection().execute(async () => this.#segments.folded(segment.file));
    let rest: RecordsRead["rest"] = "none";
    while (at < segment.bytes) {
      const read = this.#segments.read(segment, at, STEP_BYTES);
      rest = read.rest;
      if (read.bytes === 0) break;
      at += read.bytes;
      await this.#apply(segment, at, read.charges);
    }
    if (rest === "unknown" || (rest === "damaged" && segment.open)) return this.#segments.complain(segment, at, rest);
    if (!segment.open) await this.#parts.db.connection().execute(async () => this.#segments.finish(segment, at));
  }

  async #apply(segment: Segment, bytes: number, charges: readonly Charge[]): Promise<void> {
    const changes = await this.#parts.db.transaction().execute(async () => {
      const booked = await inTurns(this.#booking.book(charges, segment.ours));
      this.#segments.advance(segment.file, bytes, charges);
      return booked;
    });
    this.tell(changes);
  }
}

/** Runs steps, with a pause for others whenever they took their turn. */
async function inTurns<T>(steps: Generator<void, T>): Promise<T> {
  let until = performance.now() + TURN_MS;
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    if (performance.now() < until) continue;
    await setImmediate();
    until = performance.now() + TURN_MS;
  }
}
