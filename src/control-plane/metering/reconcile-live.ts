/**
 * Reconcile, third part: the live counters of a running gateway beside the store, less what requests and reservations under way hold.
 * Main thread. Traffic goes on meanwhile, so a counter is right when it lies between what the store had before and what it has after;
 * one that does not is looked at again, as a charge may be between its counter and its record for some microseconds. Changes nothing.
 */
import { setTimeout } from "node:timers/promises";
import type { Database as Connection } from "better-sqlite3";
import { wallMs } from "#core/clock.ts";
import { LIFETIME_END_MS } from "#core/windows.ts";
import { type CounterShape, counterName, grantCounterName, holderOf, type UsageOp } from "#shared/counter-shapes.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import { reservedUnits } from "#shared/in-flight-table.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { Ledger } from "./ledger.ts";
import { type Difference, type Found, type Pause, timeView } from "./reconcile-found.ts";
import { burnsOf } from "./seeder.ts";

/** Looks at a counter that seems wrong, and the time between two. */
const LOOKS = 20;
const LOOK_MS = 50;

export interface LiveCompared {
  readonly accounts: number;
  readonly counters: number;
  readonly credits: number;
  /** Counters that never stood still long enough to be compared. */
  readonly moving: number;
}

export interface LiveParts {
  readonly db: Database;
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly inFlight: SharedArrayBuffer;
}

/** A live counter, and what the store has for it. */
interface Spot {
  readonly name: string;
  readonly kind: Difference["kind"];
  readonly where: Difference["where"];
  readonly counter: CounterKey;
  /** Sums of requests only grow; others may be anywhere between two looks. */
  readonly grows: boolean;
  units: number;
}

type Spots = ReadonlyMap<string, Spot>;

/** A counter that lies outside what the store has; without a difference where the store was moving and it cannot be said. */
interface Outsider {
  readonly name: string;
  readonly difference: Difference | null;
}

export async function compareLive(parts: LiveParts, found: Found, pause: Pause): Promise<LiveCompared> {
  const accounts = parts.ledger.counting.accounts();
  const totals = { accounts: accounts.length, counters: 0, credits: 0, moving: 0 };
  /** Names of counters to look at again, by account; null: all of them. */
  let suspects = new Map<string, ReadonlySet<string> | null>(accounts.map((account) => [account, null]));
  for (let look = 1; suspects.size > 0; look++) {
    if (look > 1) await setTimeout(LOOK_MS);
    const next = new Map<string, ReadonlySet<string>>();
    for (const [account, names] of suspects) {
      const { spots, outside } = await lookAt(parts, account, names);
      if (names === null) totals.counters += countOf(spots, "counter");
      if (names === null) totals.credits += countOf(spots, "credits");
      if (outside.length > 0) next.set(account, new Set(outside.map(({ name }) => name)));
      if (look === LOOKS) totals.moving += say(outside, found);
      await pause();
    }
    suspects = look === LOOKS ? new Map() : next;
  }
  return totals;
}

/** Returns how many cannot be said. */
function say(outside: readonly Outsider[], found: Found): number {
  const differences = outside.flatMap(({ difference }) => difference ?? []);
  for (const difference of differences) found.add(difference);
  return outside.length - differences.length;
}

/** One look at an account's counters, or at those named: the ones that lie outside what the store has. */
async function lookAt(
  parts: LiveParts,
  account: string,
  names: ReadonlySet<string> | null,
): Promise<{ readonly spots: Spots; readonly outside: readonly Outsider[] }> {
  const before = await spotsOf(parts, account);
  const live = liveUnits(parts, before);
  const after = await spotsOf(parts, account);
  return { spots: before, outside: outsiders(before, live, after, names) };
}

function countOf(spots: Spots, kind: Difference["kind"]): number {
  return [...spots.values()].filter((spot) => spot.kind === kind).length;
}

/** Reads counters and what is reserved of them together, as near to one moment as may be. */
function liveUnits({ counters, inFlight }: LiveParts, spots: Spots): ReadonlyMap<string, number> {
  const used = new Map([...spots].map(([name, { counter }]) => [name, counters.used(counter)]));
  const reserved = reservedUnits(inFlight);
  return new Map(
    [...used].map(([name, units]) => [name, units - (reserved.get(spots.get(name)?.counter.entry ?? -1) ?? 0)]),
  );
}

function outsiders(
  before: Spots,
  live: ReadonlyMap<string, number>,
  after: Spots,
  names: ReadonlySet<string> | null,
): readonly Outsider[] {
  return [...live].flatMap(([name, units]) => {
    const [first, then] = [before.get(name), after.get(name)];
    if (first === undefined || then === undefined || names?.has(name) === false) return [];
    const [low, high] = [Math.min(first.units, then.units), Math.max(first.units, then.units)];
    if (low <= units && units <= high) return [];
    const { kind, where } = then;
    const isSure = then.grows || low === high;
    return [{ name, difference: isSure ? { kind, where, expected: then.units, found: units } : null }];
  });
}

/** Everything of an account that has a live counter, by name, after a fold. */
async function spotsOf(parts: LiveParts, account: string): Promise<Spots> {
  await parts.ledger.fold();
  return parts.db.connection().execute(async () => {
    const connection = connectionOf(parts.db);
    const spots = new Map<string, Spot>();
    for (const spot of [...windowSpots(parts, account), ...grantSpots(parts, connection, account)])
      spots.set(spot.name, spot);
    addReservations(parts, connection, account, spots);
    return spots;
  });
}

function windowSpots({ ledger, counters }: LiveParts, account: string): readonly Spot[] {
  const { counting, windows } = ledger;
  const now = wallMs();
  const anchorMs = counting.anchorOf(account)?.anchorMs ?? 0;
  const facts = { ...windows.account(account), anchorMs };
  return [...counting.shapes()].flatMap((shape) => {
    const windowAt = (atMs: number) => counting.windows.of(shape, atMs, anchorMs);
    const times = { fromMs: now, toMs: now, nowMs: now };
    const current = windowAt(now);
    const used = windows
      .usedBetween(facts, shape, times, windowAt)
      .filter(({ window }) => window.startMs === current.startMs);
    const own =
      shape.by === "account" && used.length === 0 ? [{ holder: "", window: current, tally: { units: 0 } }] : used;
    return own.map(({ holder, window, tally }) => {
      const name = counterName(account, shape.key, holder, window);
      const where = { account, shape: shape.key, holder, start: timeView(window.startMs) };
      return {
        name,
        kind: "counter",
        where,
        counter: counters.key(name, window),
        grows: growsOnly(shape),
        units: tally.units,
      };
    });
  });
}

/** Gauges, whose windows never end, go down too. */
function growsOnly({ op, window }: CounterShape): boolean {
  return op !== "set" && window.kind !== "lifetime";
}

function grantSpots({ counters }: LiveParts, connection: Connection, account: string): readonly Spot[] {
  const grants = connection.prepare<
    [string, number],
    { readonly id: string; readonly used: number; readonly start_ms: number; readonly expires_ms: number | null }
  >(
    "SELECT id, used, start_ms, expires_ms FROM credit_grants WHERE account = ? AND (expires_ms IS NULL OR expires_ms > ?)",
  );
  return grants.all(account, wallMs()).map(({ id, used, start_ms: startMs, expires_ms: expiresMs }) => {
    const name = grantCounterName(id);
    const counter = counters.key(name, { kind: "lifetime", startMs, endMs: expiresMs ?? LIFETIME_END_MS });
    return { name, kind: "credits", where: { account, grant: id }, counter, grows: false, units: used };
  });
}

interface Reservation {
  readonly key: string;
  readonly user: string;
  readonly meter: string;
  readonly op: UsageOp;
  readonly units: number;
  readonly at_ms: number;
  readonly burns: string;
}

/** Open reservations stand in the counters, not in the ledger. */
function addReservations(
  { ledger }: LiveParts,
  connection: Connection,
  account: string,
  spots: Map<string, Spot>,
): void {
  const open = connection.prepare<[string], Reservation>(
    "SELECT key, user, meter, op, units, at_ms, burns FROM usage_reservations WHERE account = ? AND state = 'open'",
  );
  for (const { key, user, meter, op, units, at_ms: atMs, burns } of open.all(account)) {
    for (const { shape, window } of ledger.counting.seededAt(account, meter, atMs)) {
      const holder = shape.op === op ? holderOf(shape.by, key, user) : null;
      const spot = holder === null ? undefined : spots.get(counterName(account, shape.key, holder, window));
      if (spot !== undefined) spot.units += units;
    }
    for (const { grant, credits } of burnsOf(burns)) {
      const spot = spots.get(grantCounterName(grant));
      if (spot !== undefined) spot.units += credits;
    }
  }
}
