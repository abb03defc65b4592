/**
 * From charges to rows of the ledger: one for each minute, account, meter, route, key, user, status and op. Main thread, pure.
 * Not here: the table (`booking.ts` writes it, `reconcile.ts` compares with it).
 */
import { minuteOf } from "#core/windows.ts";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type { Charge, MeterUnits } from "#shared/journal-format.ts";
import { type Tally, tallied } from "./tally.ts";

/** As `UsageTable`. */
export interface MinuteRow {
  readonly account: string;
  readonly meter: string;
  readonly minute: number;
  readonly route: string;
  readonly key: string;
  readonly user: string;
  readonly status: number;
  readonly op: UsageOp;
  tally: Tally;
  requests: number;
}

export class MinuteRows {
  readonly #rows = new Map<string, MinuteRow>();

  get size(): number {
    return this.#rows.size;
  }

  add(charge: Charge, line: MeterUnits): MinuteRow {
    const { account, route, key, user, status, atMs } = charge;
    const { meter, op, units } = line;
    const minute = minuteOf(atMs);
    // Meters have no blanks, but the others come from outside: JSON keeps apart what a separator could not.
    const id = `${meter} ${minute} ${status} ${op} ${JSON.stringify([account, route, key, user])}`;
    const row = this.#rows.get(id);
    if (row !== undefined) {
      addToRow(row, charge, units);
      return row;
    }
    const requests = charge.first ? 1 : 0;
    const made = { account, meter, minute, route, key, user, status, op, tally: firstOf(op, units, atMs), requests };
    this.#rows.set(id, made);
    return made;
  }

  values(): Iterable<MinuteRow> {
    return this.#rows.values();
  }
}

/** Adds a charge's units to the row it belongs to. */
export function addToRow(row: MinuteRow, { first, atMs }: Charge, units: number): void {
  row.tally = tallied(row.op, row.tally, units, atMs);
  if (first) row.requests++;
}

/** The last millisecond of the year 9999: later times are no times. */
const LATEST_MS = 253_402_300_799_999;

/**
 * What of a charge can be booked: all of it, or what holds numbers, and what is wrong with the rest. Whole records with numbers that
 * are none are bugs of their writer; they must not hold up the charges of others.
 */
export function bookable(charge: Charge): { readonly charge: Charge; readonly faults: readonly string[] } {
  if (isSound(charge)) return { charge, faults: NO_FAULTS };
  const faults = [
    ...(isMoment(charge.atMs) ? [] : [`time ${charge.atMs}`]),
    ...charge.units.flatMap(({ meter, units }) => (Number.isSafeInteger(units) ? [] : [`${units} units of ${meter}`])),
    ...charge.burns.flatMap(({ grant, credits }) =>
      Number.isSafeInteger(credits) ? [] : [`${credits} credits of ${grant}`],
    ),
  ];
  const units = isMoment(charge.atMs) ? charge.units.filter((line) => Number.isSafeInteger(line.units)) : [];
  return {
    charge: { ...charge, units, burns: charge.burns.filter(({ credits }) => Number.isSafeInteger(credits)) },
    faults,
  };
}

const NO_FAULTS: readonly string[] = [];

function isSound({ atMs, units, burns }: Charge): boolean {
  return (
    isMoment(atMs) &&
    units.every((line) => Number.isSafeInteger(line.units)) &&
    burns.every(({ credits }) => Number.isSafeInteger(credits))
  );
}

/** Whether a charge can be of this time. */
export function isMoment(ms: number): boolean {
  return ms >= 0 && ms <= LATEST_MS;
}

/** The first value is the largest so far, whatever it is. */
function firstOf(op: UsageOp, units: number, atMs: number): Tally {
  return { units, atMs: op === "set" ? atMs : 0 };
}
