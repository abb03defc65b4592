/**
 * What each worker has reserved and not settled, in shared memory, so that the main thread can give it back when the worker dies.
 * Each worker writes its own row, the main thread reads it after the worker's end.
 *
 * Row of f64: the number of the journal segment that charges are being written to, then for each slot the place in the
 * counter table + 1, the place in the slot table (`slot-table.ts`) + 1 + 2^32, or for units taken off a gauge the place in the counter
 * table + 1 + 2^33 (0 = free); the units; and where in the segment the charge's record begins. While a charge is being written its units
 * stand negated: whether it counts then depends on whether the record got into the segment.
 */
const SLOTS = 131_072;
const HEAD_CELLS = 1;
const SLOT_CELLS = 3;
const ROW_CELLS = HEAD_CELLS + SLOTS * SLOT_CELLS;
/** Tells a place of the slot table from one of the counter table. */
const SLOT_TABLE = 2 ** 32;
/** Tells units taken off from units taken. */
const TAKEN_OFF = 2 ** 33;

/** Where a journal record would begin. */
export interface JournalPosition {
  /** Number of the segment. */
  readonly segment: number;
  /** Bytes written to it so far. */
  readonly bytes: number;
}

export function createInFlight(workers: number): SharedArrayBuffer {
  return new SharedArrayBuffer(workers * ROW_CELLS * 8);
}

/** A worker's own row. */
export class InFlight {
  readonly #row: Float64Array;
  /** Slots that are free, the next one to use last. Made as they are needed. */
  readonly #free: number[] = [];
  #used = 0;

  constructor(buffer: SharedArrayBuffer, worker: number) {
    this.#row = new Float64Array(buffer, worker * ROW_CELLS * 8, ROW_CELLS);
    this.#row.fill(0);
  }

  /** Notes a reservation of `units` at a place of the counter table. -1: no slot is left, so a death would leave them reserved. */
  add(counterEntry: number, units: number): number {
    return this.#note(counterEntry + 1, units);
  }

  /** Notes that units were taken off at a place of the counter table, for a charge that is about to be written. */
  addTakenOff(counterEntry: number, units: number): number {
    return this.#note(counterEntry + 1 + TAKEN_OFF, units);
  }

  /** Notes a place of the slot table that is held until `clear`. */
  addSlot(slotEntry: number): number {
    return this.#note(slotEntry + 1 + SLOT_TABLE, 1);
  }

  #note(place: number, units: number): number {
    const slot = this.#free.pop() ?? (this.#used < SLOTS ? this.#used++ : -1);
    if (slot === -1) return -1;
    const at = cellOf(slot);
    this.#row[at + 1] = units;
    this.#row[at] = place;
    return slot;
  }

  /** The units of a reservation are others now: its counter was changed. */
  change(slot: number, units: number): void {
    if (slot !== -1) this.#row[cellOf(slot) + 1] = units;
  }

  /** Says that the record for these slots is about to be written there. All that are being written at one time are of one segment. */
  charging(slots: readonly number[], { segment, bytes }: JournalPosition): void {
    this.#row[0] = segment;
    for (const slot of slots) {
      if (slot === -1) continue;
      const at = cellOf(slot);
      this.#row[at + 2] = bytes;
      this.#row[at + 1] = -Math.abs(this.#row[at + 1] ?? 0);
    }
  }

  /** Settled, one way or the other. */
  clear(slots: readonly number[]): void {
    for (const slot of slots) this.clearOne(slot);
  }

  clearOne(slot: number): void {
    if (slot === -1) return;
    this.#row[cellOf(slot)] = 0;
    this.#free.push(slot);
  }
}

function cellOf(slot: number): number {
  return HEAD_CELLS + slot * SLOT_CELLS;
}

/** What a worker that has ended left reserved. */
export interface LeftBehind {
  readonly table: "counters" | "slots";
  readonly entry: number;
  /** Below 0: to be put back. */
  readonly units: number;
}

/** Reads the row of a worker that has ended, and empties it. `isWritten` says whether a whole record stands at the position. */
export function takeLeftBehind(
  buffer: SharedArrayBuffer,
  worker: number,
  isWritten: (position: JournalPosition) => boolean,
): readonly LeftBehind[] {
  const row = new Float64Array(buffer, worker * ROW_CELLS * 8, ROW_CELLS);
  const left: LeftBehind[] = [];
  const written = new Map<number, boolean>();
  const isIn = (bytes: number) => {
    const known = written.get(bytes) ?? isWritten({ segment: row[0] ?? 0, bytes });
    written.set(bytes, known);
    return known;
  };
  for (let at = HEAD_CELLS; at < ROW_CELLS; at += SLOT_CELLS) {
    const place = row[at] ?? 0;
    const units = row[at + 1] ?? 0;
    if (place === 0 || units === 0) continue;
    if (units > 0 || !isIn(row[at + 2] ?? 0)) left.push(leftAt(place, Math.abs(units)));
  }
  row.fill(0);
  return left;
}

/** Units reserved and not settled, by place of the counter table; for whoever compares counters with the ledger. */
export function reservedUnits(buffer: SharedArrayBuffer): ReadonlyMap<number, number> {
  const cells = new Float64Array(buffer);
  const reserved = new Map<number, number>();
  for (let row = 0; row < cells.length; row += ROW_CELLS) {
    for (let at = row + HEAD_CELLS; at < row + ROW_CELLS; at += SLOT_CELLS) {
      const place = cells[at] ?? 0;
      const { table, entry, units } = leftAt(place, Math.abs(cells[at + 1] ?? 0));
      if (place !== 0 && table === "counters") reserved.set(entry, (reserved.get(entry) ?? 0) + units);
    }
  }
  return reserved;
}

function leftAt(place: number, units: number): LeftBehind {
  if (place > TAKEN_OFF) return { table: "counters", entry: place - TAKEN_OFF - 1, units: -units };
  if (place > SLOT_TABLE) return { table: "slots", entry: place - SLOT_TABLE - 1, units };
  return { table: "counters", entry: place - 1, units };
}
