/**
 * What one event counts: whether it is new, in which window, how many units, which credits. Main thread, within the transaction
 * that books it (`usage-events.ts`). Live counters of units hear of it after the commit; credits are taken from theirs at once, and
 * units of a gauge off theirs, as only that is exact while workers do the same; when the transaction fails all goes back.
 */
import { hash } from "node:crypto";
import type { MeterSettings, Settings } from "#config/settings.ts";
import { rfc3339, wallMs } from "#core/clock.ts";
import { formatDuration } from "#core/units.ts";
import { windowAt } from "#core/windows.ts";
import { type UsageOp, usageOp } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { CreditBurner } from "#shared/credit-burner.ts";
import type { Charge } from "#shared/journal-format.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import { EventCounters } from "./event-counters.ts";
import { type EventRow, type EventStore, SHARED_SCOPE } from "./event-store.ts";
import type { Ledger } from "./ledger.ts";
import type { EventError, EventFault, ReportedEvent } from "./usage-event-reader.ts";

export interface EventBookingParts {
  /** Those in force when the events came. */
  readonly settings: Settings;
  readonly store: EventStore;
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly burner: CreditBurner;
}

/** An event whose account, meter and key exist. */
export interface Wanted {
  readonly event: ReportedEvent;
  readonly account: AccountRecord;
}

/** What is to be booked of an event. */
interface Line {
  readonly atMs: number;
  readonly key: string;
  readonly user: string;
  readonly route: string;
  readonly op: UsageOp;
  readonly units: number;
  /** The value it stands for. */
  readonly value: number;
  /** What was counted for the same usage before: of a correction. */
  readonly before: readonly EventRow[];
}

export class EventBooking {
  readonly #parts: EventBookingParts;
  readonly #live: EventCounters;
  readonly #nowMs = wallMs();
  #charges: Charge[] = [];

  constructor(parts: EventBookingParts) {
    this.#parts = parts;
    this.#live = new EventCounters(parts);
  }

  /** Takes an event in, or says why not. What it comes to is in `charges`. */
  take({ event, account }: Wanted): "accepted" | "duplicate" | EventFault {
    const { store } = this.#parts;
    const digest = digestOf(event, account.id);
    const known = store.find(event.source, event.id);
    if (known !== null) {
      if (known.digest === digest) return "duplicate";
      return fault("conflict", `Source "${event.source}" has reported another event with the id "${event.id}"`);
    }
    const line =
      event.corrects === null ? this.#fresh(event, account) : this.#correction(event, account, event.corrects);
    if ("error" in line) return line;
    return this.#count(event, account, digest, line);
  }

  /** The charges of all events taken since this was asked last. */
  charges(): readonly Charge[] {
    const charges = this.#charges;
    this.#charges = [];
    return charges;
  }

  /** The transaction failed. */
  undo(): void {
    this.#live.undo();
  }

  /** The transaction is committed; before the ledger tells the live counters. */
  committed(): void {
    this.#live.committed();
  }

  /** Accounts whose grants got credits back. */
  get refunded(): ReadonlySet<string> {
    return this.#live.refunded;
  }

  #count(event: ReportedEvent, account: AccountRecord, digest: string, line: Line): "accepted" | EventFault {
    const { atMs, key, user, route, op, value, before } = line;
    const counted = this.#live.count({ account, key, user, meter: event.meter, op, atMs }, line.units, before);
    if (counted === null)
      return fault(
        "invalid_value",
        `Expected a value that keeps ${event.meter} below 2^53, got ${line.units} units more`,
      );
    const { units, burns } = counted;
    const place = { account: account.id, key, user, route };
    this.#parts.store.insert({
      ...place,
      scope: SHARED_SCOPE,
      source: event.source,
      id: event.id,
      meter: event.meter,
      op,
      units,
      requests: 0,
      status: 0,
      at_ms: atMs,
      event_ms: event.timeMs ?? this.#nowMs,
      received_ms: this.#nowMs,
      value,
      corrects: event.corrects,
      reason: event.reason,
      digest,
      burns: JSON.stringify(burns),
    });
    const units1 = [{ meter: event.meter, op, units }];
    this.#charges.push({
      ...place,
      atMs,
      status: 0,
      first: false,
      epoch: 0,
      requestId: event.id,
      units: units1,
      burns,
    });
    return "accepted";
  }

  #fresh(event: ReportedEvent, account: AccountRecord): Line | EventFault {
    const meter = this.#meter(event.meter);
    const value = valueOf(event, meter);
    if (typeof value !== "number") return value;
    const atMs = this.#time(event, account);
    if (typeof atMs !== "number") return atMs;
    const { key, user, route } = event;
    return { atMs, key, user, route, op: usageOp(meter), units: value, value, before: [] };
  }

  #meter(name: string): MeterSettings {
    const meter = this.#parts.settings.meters[name];
    if (meter === undefined) throw new Error(`An event of the unknown meter ${name} was let through`);
    return meter;
  }

  /** The moment the event counts at. */
  #time({ timeMs, meter }: ReportedEvent, account: AccountRecord): number | EventFault {
    const { late, maxAgeMs, maxAheadMs } = this.#parts.settings.metering.events;
    const now = this.#nowMs;
    if (timeMs === null) return now;
    if (timeMs > now + maxAheadMs)
      return fault(
        "time_in_future",
        `Expected a time at most ${formatDuration(maxAheadMs)} ahead of ${rfc3339(now)}, got ${shown(timeMs)}`,
      );
    if (timeMs < 0 || timeMs < now - maxAgeMs)
      return fault(
        "time_too_old",
        `Expected a time at most ${formatDuration(maxAgeMs)} before ${rfc3339(now)}, got ${shown(timeMs)}`,
      );
    if (late === "own" || this.#endOf(meter, account, timeMs) > now) return timeMs;
    if (late === "current") return now;
    return fault("window_over", `Expected a time in a window of ${meter} that is not over, got ${shown(timeMs)}`);
  }

  /** When the last of the windows ends that limit the meter for the account, or by which it is shown where nothing does. */
  #endOf(meter: string, account: AccountRecord, atMs: number): number {
    const quotas = planOf(this.#parts.settings, account.plan).quotas[meter] ?? [];
    const limits = quotas.length > 0 ? quotas : this.#parts.ledger.counting.shapesOf(meter);
    return Math.max(...limits.map(({ window }) => windowAt(window, atMs, account.anchorMs).endMs));
  }

  #correction(event: ReportedEvent, account: AccountRecord, corrects: string): Line | EventFault {
    const { store } = this.#parts;
    const original = store.find(event.source, corrects);
    if (original === null)
      return fault("unknown_event", `Source "${event.source}" has reported no event "${corrects}" that is still known`);
    const isOther = mismatch(event, account, original);
    if (isOther !== null) return isOther;
    const { op, key, user, route, at_ms: atMs } = original;
    const value = valueOf(event, this.#meter(event.meter));
    if (typeof value !== "number") return value;
    const before = [original, ...store.correctionsOf(event.source, corrects)];
    const line = { atMs, key, user, route, op, value, before };
    if (op === "set") return { ...line, units: value };
    if (op === "add") return { ...line, units: value - before.reduce((sum, { units }) => sum + units, 0) };
    const largest = Math.max(...before.map(({ units }) => units));
    if (value >= largest) return { ...line, units: value };
    return fault(
      "not_correctable",
      `Expected at least ${largest}, as the largest value of ${event.meter} stays, got ${value}`,
    );
  }
}

/** A correction is of the same usage as what it corrects; what it does not say it takes from there. */
function mismatch(event: ReportedEvent, account: AccountRecord, original: EventRow): EventFault | null {
  if (original.corrects !== null)
    return fault(
      "not_correctable",
      `Expected the id of an event, "${original.id}" is itself a correction of "${original.corrects}"`,
    );
  const pairs: readonly (readonly [string, string, string])[] = [
    ["subject", account.id, original.account],
    ["type", event.meter, original.meter],
    ["data.key", event.key === "" ? original.key : event.key, original.key],
    ["data.user", event.user === "" ? original.user : event.user, original.user],
    ["data.route", event.route === "" ? original.route : event.route, original.route],
  ];
  const other = pairs.find(([, got, wanted]) => got !== wanted);
  if (other === undefined) return null;
  const [name, got] = other;
  return fault("not_correctable", `Expected the ${name} of the event that is corrected, got "${got}"`);
}

/** The value an event stands for, by its meter: only a gauge that goes up and down may go down. */
function valueOf(event: ReportedEvent, meter: MeterSettings): number | EventFault {
  const op = usageOp(meter);
  const { value } = event;
  if (value === null) {
    if (op === "add" && event.corrects === null) return 1;
    return fault("invalid_value", "Expected a whole number in data.value, got nothing");
  }
  if (value >= 0 || (meter.aggregate === "last" && op === "add")) return value;
  return fault(
    "invalid_value",
    `Expected at least 0 in data.value, got ${value}; data.corrects sets right what was reported before`,
  );
}

/** What two reports of the same event have in common. */
function digestOf(event: ReportedEvent, account: string): string {
  const { meter, timeMs, value, key, user, route, corrects, reason } = event;
  return hash(
    "sha256",
    JSON.stringify([account, meter, timeMs, value, key, user, route, corrects, reason]),
    "base64url",
  );
}

function shown(ms: number): string {
  return Math.abs(ms) <= 8_640_000_000_000_000 ? rfc3339(ms) : String(ms);
}

function fault(error: EventError, detail: string): EventFault {
  return { error, detail };
}
