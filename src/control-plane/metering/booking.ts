/**
 * Books charges: minute rows, windows, gauges, credits burnt and thresholds crossed, all within one transaction of the caller.
 * Main thread. In small steps, so that a long fold can let others have the thread. Not here: where charges come from (`ledger.ts`)
 * and the live counters (`counting.ts` says which have not heard of a charge, `ledger.ts` tells them after the commit).
 */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Logger } from "pino";
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { minuteOf, type Window } from "#core/windows.ts";
import { type CounterShape, holderOf } from "#shared/counter-shapes.ts";
import type { Charge, MeterUnits } from "#shared/journal-format.ts";
import type { Counting } from "./counting.ts";
import { addToRow, bookable, type MinuteRow, MinuteRows } from "./minute-rows.ts";
import { NOTHING, type Tally, tallied } from "./tally.ts";
import { type Mark, Thresholds } from "./thresholds.ts";
import type { AccountFacts, UsageWindows } from "./usage-windows.ts";

/** Charges taken in with one step. */
const STEP_CHARGES = 32;

const HOLDERS = ["account", "key", "user"] as const;

/** A live counter and its row. */
export interface CounterPlace {
  readonly account: string;
  readonly shape: CounterShape;
  readonly holder: string;
  readonly window: Window;
}

/** A live counter that has not heard of what was booked. */
export interface CounterChange extends CounterPlace {
  readonly tally: Tally;
}

/** A window as one booking changes it. */
interface Change {
  readonly account: AccountFacts;
  readonly shape: CounterShape;
  readonly holder: string;
  readonly window: Window;
  readonly marks: readonly Mark[];
  tally: Tally;
}

export interface BookingParts {
  readonly connection: Connection;
  readonly settings: () => Settings;
  readonly counting: Counting;
  readonly windows: UsageWindows;
  readonly log: Logger;
  /** Hears of every live counter whose value was set by what is booked. */
  readonly noteSet: (place: CounterPlace) => void;
}

export class Booking {
  readonly #parts: BookingParts;
  readonly #thresholds: Thresholds;
  readonly #row: Statement<unknown[]>;
  readonly #gauge: Statement<unknown[]>;
  readonly #burn: Statement<unknown[]>;

  constructor(parts: BookingParts) {
    this.#parts = parts;
    const { connection } = parts;
    this.#thresholds = new Thresholds(connection, parts.settings);
    this.#row = connection.prepare(
      `INSERT INTO usage (account, meter, minute, route, key, user, status, op, units, requests, at_ms)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, at_ms = max(at_ms, excluded.at_ms), units = CASE op
        WHEN 'add' THEN max(-9007199254740991, min(9007199254740991, units + excluded.units))
        WHEN 'max' THEN max(units, excluded.units)
        ELSE CASE WHEN excluded.at_ms >= at_ms THEN excluded.units ELSE units END END`,
    );
    this.#gauge = connection.prepare(
      `INSERT INTO gauges (account, holder, meter, value, at_ms) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET value = excluded.value, at_ms = excluded.at_ms WHERE excluded.at_ms >= gauges.at_ms`,
    );
    this.#burn = connection.prepare("UPDATE credit_grants SET used = used + ? WHERE id = ?");
  }

  /**
   * Books the charges, a little with each step; ends with the live counters to change when the transaction is committed.
   * `isOurs`: their epochs are of this run. One that is no charge is said and left out, so that it does not hold up the others.
   */
  *book(charges: readonly Charge[], isOurs: boolean): Generator<void, readonly CounterChange[]> {
    const batch = new Batch(this.#parts, this.#thresholds, isOurs);
    for (const [index, charge] of charges.entries()) {
      batch.add(charge);
      if (index % STEP_CHARGES === STEP_CHARGES - 1) yield;
    }
    for (const row of batch.rows.values()) {
      this.#writeRow(row);
      yield;
    }
    for (const { account, shape, holder, window, tally } of batch.changes.values()) {
      this.#parts.windows.write(account.id, shape, holder, window, tally);
      yield;
    }
    for (const { account, holder, meter, tally } of batch.gauges.values())
      this.#gauge.run(account, holder, meter, tally.units, Math.floor(tally.atMs));
    for (const [grant, credits] of batch.burns) this.#writeBurn(grant, credits);
    return [...batch.unheard.values()];
  }

  #writeRow({ account, meter, minute, route, key, user, status, op, tally, requests }: MinuteRow): void {
    this.#row.run(account, meter, minute, route, key, user, status, op, tally.units, requests, Math.floor(tally.atMs));
  }

  #writeBurn(grant: string, credits: number): void {
    if (this.#burn.run(credits, grant).changes > 0) return;
    this.#parts.log.error(
      { event: "burn-unknown", grant, credits },
      "Credits were burnt of a grant that does not exist",
    );
  }
}

/** A counter change that grows. */
interface Unheard extends CounterPlace {
  tally: Tally;
}

/** What charges alike add to: of one caller, route, status, epoch and minute. Most charges follow others like them. */
interface Track {
  /** The first of them. */
  readonly like: Charge;
  readonly minute: number;
  /** By line; as far as they are known. */
  readonly lines: (LineTrack | null)[];
}

interface LineTrack {
  readonly row: MinuteRow;
  readonly targets: readonly LineTarget[];
}

interface LineTarget {
  readonly change: Change;
  readonly unheard: readonly Unheard[];
}

function trackId({ account, key, user, route, status, epoch, units, atMs }: Charge): string {
  const meters = units.map(({ meter, op }) => `${meter} ${op}`).join(" ");
  return `${minuteOf(atMs)} ${status} ${epoch} ${meters} ${JSON.stringify([account, route, key, user])}`;
}

/** Whether a charge belongs on a track: texts that came from one frame are the same ones, and compare at once. */
function isOn({ like, minute }: Track, charge: Charge): boolean {
  return (
    charge.account === like.account &&
    charge.key === like.key &&
    charge.user === like.user &&
    charge.route === like.route &&
    charge.status === like.status &&
    charge.epoch === like.epoch &&
    charge.units.length === like.units.length &&
    minuteOf(charge.atMs) === minute &&
    charge.units.every(({ meter, op }, index) => meter === like.units[index]?.meter && op === like.units[index].op)
  );
}

/** What one call of `book` has come to. */
class Batch {
  readonly rows = new MinuteRows();
  readonly changes = new Map<string, Change>();
  readonly gauges = new Map<string, { account: string; holder: string; meter: string; tally: Tally }>();
  readonly burns = new Map<string, number>();
  readonly unheard = new Map<string, Unheard>();
  readonly #tracks = new Map<string, Track>();
  #last: Track | null = null;
  readonly #parts: BookingParts;
  readonly #thresholds: Thresholds;
  readonly #isOurs: boolean;
  readonly #accounts = new Map<string, AccountFacts>();
  readonly #nowMs = wallMs();

  constructor(parts: BookingParts, thresholds: Thresholds, isOurs: boolean) {
    this.#parts = parts;
    this.#thresholds = thresholds;
    this.#isOurs = isOurs;
  }

  add(given: Charge): void {
    const { charge, faults } = bookable(given);
    if (faults.length > 0) {
      this.#parts.log.error(
        { event: "charge-unusable", account: charge.account, request_id: charge.requestId, faults },
        "A charge holds numbers that are none; they were not booked",
      );
    }
    const { lines } = this.#trackOf(charge);
    for (const [index, line] of charge.units.entries()) {
      const known = lines[index];
      if (known === undefined) lines.push(this.#addLine(charge, line));
      else if (known === null) this.#addLine(charge, line);
      else this.#addOn(known, charge, line.units);
    }
    for (const { grant, credits } of charge.burns) this.burns.set(grant, (this.burns.get(grant) ?? 0) + credits);
  }

  #trackOf(charge: Charge): Track {
    if (this.#last !== null && isOn(this.#last, charge)) return this.#last;
    const id = trackId(charge);
    const track = this.#tracks.get(id) ?? { like: charge, minute: minuteOf(charge.atMs), lines: [] };
    this.#tracks.set(id, track);
    this.#last = track;
    return track;
  }

  #addOn({ row, targets }: LineTrack, charge: Charge, units: number): void {
    addToRow(row, charge, units);
    for (const { change, unheard } of targets) {
      this.#grow(change, units, charge.atMs);
      for (const one of unheard) one.tally = tallied(row.op, one.tally, units, charge.atMs);
    }
  }

  /** Returns where units of more such charges go; null where each has to be looked at by itself. */
  #addLine(charge: Charge, line: MeterUnits): LineTrack | null {
    const row = this.rows.add(charge, line);
    const targets: LineTarget[] = [];
    if (line.op === "set") this.#addGauge(charge, line);
    for (const shape of this.#parts.counting.shapesOf(line.meter)) {
      const holder = shape.op === line.op ? holderOf(shape.by, charge.key, charge.user) : null;
      if (holder === null) continue;
      const change = this.#change(charge, shape, holder);
      this.#grow(change, line.units, charge.atMs);
      if (line.op === "set") this.#parts.noteSet({ account: charge.account, shape, holder, window: change.window });
      // What is older than the last value changes nothing.
      const isNews = line.op !== "set" || change.tally.atMs === charge.atMs;
      targets.push({ change, unheard: isNews ? this.#noteUnheard(charge, line, shape, holder) : [] });
    }
    return line.op === "add" ? { row, targets } : null;
  }

  #addGauge({ account, key, user, atMs }: Charge, { meter, op, units }: MeterUnits): void {
    for (const by of HOLDERS) {
      const holder = holderOf(by, key, user);
      if (holder === null) continue;
      const id = JSON.stringify([account, holder, meter]);
      const before = this.gauges.get(id)?.tally ?? NOTHING;
      this.gauges.set(id, { account, holder, meter, tally: tallied(op, before, units, atMs) });
    }
  }

  #change(charge: Charge, shape: CounterShape, holder: string): Change {
    const { counting, windows } = this.#parts;
    const account = this.#account(charge.account);
    const window = counting.windows.of(shape, charge.atMs, account.anchorMs);
    const id = `${window.startMs} ${shape.key} ${account.id} ${holder}`;
    const known = this.changes.get(id);
    if (known !== undefined) return known;
    const tally = windows.used(account, shape, holder, window, this.#nowMs);
    const change = { account, shape, holder, window, tally, marks: this.#thresholds.marks(account.plan, shape.key) };
    this.changes.set(id, change);
    return change;
  }

  /** Charge by charge, so that what is crossed does not depend on how many are booked together. */
  #grow(change: Change, units: number, atMs: number): void {
    const before = change.tally.units;
    change.tally = tallied(change.shape.op, change.tally, units, atMs);
    const used = change.tally.units;
    if (used <= before || change.marks.length === 0) return;
    const { account, shape, holder, window } = change;
    this.#thresholds.record(change.marks, {
      account: account.id,
      shape: shape.key,
      holder,
      window,
      before,
      used,
      atMs,
    });
  }

  #noteUnheard(
    { account, epoch, atMs }: Charge,
    { op, units }: MeterUnits,
    shape: CounterShape,
    holder: string,
  ): readonly Unheard[] {
    return this.#parts.counting.unheard(account, shape, this.#isOurs ? epoch : 0, atMs).map((window) => {
      const id = `${window.startMs} ${window.endMs} ${shape.key} ${account} ${holder}`;
      const noted = this.unheard.get(id) ?? { account, shape, holder, window, tally: NOTHING };
      noted.tally = tallied(op, noted.tally, units, atMs);
      this.unheard.set(id, noted);
      return noted;
    });
  }

  /** As they are in this transaction. */
  #account(id: string): AccountFacts {
    const known = this.#accounts.get(id) ?? this.#parts.windows.account(id);
    this.#accounts.set(id, known);
    return known;
  }
}
