/**
 * Books charges: minute rows, windows, gauges, credits burnt and thresholds crossed, all within one transaction of the caller.
 * Main thread. In small steps, so that a long fold can let others have the thread. Not here: where charges come from (`ledger.ts`)
 * and the live counters (`counting.ts` says which have not heard of a charge, `ledger.ts` tells them after the commit).
 */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Logger } from "pino";
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import type { Window } from "#core/windows.ts";
import { type CounterShape, holderOf } from "#shared/counter-shapes.ts";
import type { Charge, MeterUnits } from "#shared/journal-format.ts";
import type { Counting } from "./counting.ts";
import { bookable, type MinuteRow, MinuteRows } from "./minute-rows.ts";
import { NOTHING, type Tally, tallied } from "./tally.ts";
import { type Mark, Thresholds } from "./thresholds.ts";
import type { AccountFacts, UsageWindows } from "./usage-windows.ts";

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
    for (const charge of charges) {
      batch.add(charge);
      yield;
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

/** What one call of `book` has come to. */
class Batch {
  readonly rows = new MinuteRows();
  readonly changes = new Map<string, Change>();
  readonly gauges = new Map<string, { account: string; holder: string; meter: string; tally: Tally }>();
  readonly burns = new Map<string, number>();
  readonly unheard = new Map<string, CounterChange>();
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
    for (const line of charge.units) this.#addLine(charge, line);
    for (const { grant, credits } of charge.burns) this.burns.set(grant, (this.burns.get(grant) ?? 0) + credits);
  }

  #addLine(charge: Charge, line: MeterUnits): void {
    this.rows.add(charge, line);
    if (line.op === "set") this.#addGauge(charge, line);
    for (const shape of this.#parts.counting.shapesOf(line.meter)) {
      const holder = shape.op === line.op ? holderOf(shape.by, charge.key, charge.user) : null;
      if (holder === null) continue;
      const change = this.#change(charge, shape, holder);
      this.#grow(change, line.units, charge.atMs);
      if (line.op === "set") this.#parts.noteSet({ account: charge.account, shape, holder, window: change.window });
      // What is older than the last value changes nothing.
      if (line.op !== "set" || change.tally.atMs === charge.atMs) this.#noteUnheard(charge, line, shape, holder);
    }
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

  #noteUnheard({ account, epoch, atMs }: Charge, { op, units }: MeterUnits, shape: CounterShape, holder: string): void {
    for (const window of this.#parts.counting.unheard(account, shape, this.#isOurs ? epoch : 0, atMs)) {
      const id = `${window.startMs} ${window.endMs} ${shape.key} ${account} ${holder}`;
      const before = this.unheard.get(id)?.tally ?? NOTHING;
      this.unheard.set(id, { account, shape, holder, window, tally: tallied(op, before, units, atMs) });
    }
  }

  /** As they are in this transaction. */
  #account(id: string): AccountFacts {
    const known = this.#accounts.get(id) ?? this.#parts.windows.account(id);
    this.#accounts.set(id, known);
    return known;
  }
}
