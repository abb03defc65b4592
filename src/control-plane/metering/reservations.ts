/**
 * Units set aside for work that is measured later: reserved under the account's limits, then confirmed with what it came to, or
 * released, or expired. Main thread. A reservation is in the store before it is answered: a restart finds the open ones, and the
 * seeder takes their units again. Confirmed ones are booked at the time they were made (`confirming.ts`).
 * Store and live counters change while the store's connection is ours, so that seeding never sees half of it.
 */
import type { Settings } from "#config/settings.ts";
import { forgetMs, rfc3339, wallMs } from "#core/clock.ts";
import type { CreditGrant } from "#core/credits.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { newId } from "#core/ids.ts";
import { usageOp } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { CreditBurner } from "#shared/credit-burner.ts";
import type { AccountRecord, HolderLimits } from "#shared/principals.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import { Confirming, giveBackHeld } from "./confirming.ts";
import type { Ledger } from "./ledger.ts";
import { countersOf } from "./live-places.ts";
import { type ReservationRow, ReservationStore } from "./reservation-store.ts";
import { tooMuch, type UnitsTaker } from "./units-taker.ts";

export interface ReservationsParts {
  readonly db: Database;
  readonly settings: () => Settings;
  readonly account: (id: string) => Promise<Account | null>;
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly burner: CreditBurner;
  readonly taker: UnitsTaker;
  /** Credits the account may burn. */
  readonly grants: (account: string) => Promise<readonly CreditGrant[]>;
}

/** Units that someone wants set aside. */
export interface ReservationWish {
  readonly account: Account;
  /** One of the file. */
  readonly meter: string;
  /** Whole units, from 1. */
  readonly units: number;
  /** Empty: none. */
  readonly key: string;
  readonly user: string;
  readonly route: string;
  /** Limits of the key and of the user. */
  readonly ownLimits: readonly HolderLimits[];
  /** From now on. */
  readonly lifetimeMs: number;
}

export class Reservations {
  readonly #parts: ReservationsParts;
  readonly #store: ReservationStore;

  constructor(parts: ReservationsParts) {
    this.#parts = parts;
    this.#store = new ReservationStore(connectionOf(parts.db));
  }

  /** Takes the units and remembers them, or says which limit refuses. */
  async reserve(wish: ReservationWish): Promise<ReservationRow | Refusal> {
    const { settings, db } = this.#parts;
    const meter = settings().meters[wish.meter];
    if (meter === undefined || usageOp(meter) !== "add") {
      const detail = `Expected a meter whose units add up, got "${wish.meter}"`;
      return refuse("malformed_request", "reservation:meter", detail);
    }
    const account = await this.#record(wish.account);
    return db.connection().execute(async () => this.#reserve(wish, account));
  }

  /** In one go: no other shapes of windows come between the counters and the store. */
  #reserve(wish: ReservationWish, account: AccountRecord): ReservationRow | Refusal {
    const { meter, units, key, user, ownLimits } = wish;
    const now = wallMs();
    const taken = this.#parts.taker.take({ account, key, user, meter, op: "add", atMs: now, ownLimits }, units);
    if ("code" in taken) return taken;
    const row = rowOf(wish, now, JSON.stringify(taken.credits.map(({ grant, credits }) => ({ grant, credits }))));
    try {
      this.#store.insert(row);
    } catch (error) {
      this.#parts.taker.giveBack(taken);
      throw error;
    }
    return row;
  }

  /** Books what it came to; `units` null is what was reserved. The same again is answered the same. */
  async confirm(id: string, units: number | null): Promise<ReservationRow | Refusal> {
    const { db, ledger } = this.#parts;
    const account = await this.#accountOf(id);
    if (account === null) return unknown(id);
    const record = await this.#record(account);
    const confirmings: Confirming[] = [];
    try {
      const outcome = await db.transaction().execute(async (trx) => {
        const row = this.#store.find(id);
        if (row === null) return unknown(id);
        const actual = units ?? row.confirmed_units ?? row.units;
        const refusal = notConfirmable(row, actual);
        if (refusal !== null || row.state === "confirmed") return refusal ?? row;
        if (this.#isTooMuch(row, actual)) return tooMuch(row.meter);
        const confirming = new Confirming(this.#parts, row, record, actual);
        confirmings.push(confirming);
        confirming.booked(ledger.book(trx, [confirming.charge()]));
        return this.#store.settle(row, { state: "confirmed", units: actual, burns: confirming.burns }, wallMs());
      });
      for (const confirming of confirmings) confirming.committed();
      return outcome;
    } catch (error) {
      for (const confirming of confirmings) confirming.undo();
      throw error;
    }
  }

  /** Gives the units back. One that is released or expired already stays so. */
  async release(id: string): Promise<ReservationRow | Refusal> {
    return this.#parts.db.connection().execute(async () => {
      const row = this.#store.find(id);
      if (row === null) return unknown(id);
      if (row.state === "confirmed")
        return refuse(
          "conflict",
          "reservation:state",
          `Reservation ${id} is confirmed with ${row.confirmed_units} units`,
        );
      return row.state === "open" ? this.#end(row, "released") : row;
    });
  }

  /**
   * Gives back what nobody has confirmed in time; at start, before anything is seeded, and by a timer. A clock that is ahead for a
   * while expires nothing.
   */
  async expire(): Promise<void> {
    const { db } = this.#parts;
    const expired = () => {
      const rows = this.#store.over(forgetMs());
      for (const row of rows) this.#end(row, "expired");
      return rows.length;
    };
    while ((await db.connection().execute(async () => expired())) > 0);
  }

  /** Forgets what was settled long ago. */
  async prune(): Promise<void> {
    await this.#parts.db.connection().execute(async () => this.#store.prune(forgetMs()));
  }

  /** Whether it would bring a counter beyond what can be counted exactly. */
  #isTooMuch({ account, key, user, meter, op, units, at_ms: atMs }: ReservationRow, actual: number): boolean {
    const { ledger, counters } = this.#parts;
    const live = countersOf({ counting: ledger.counting, counters }, { account, key, user, meter, op, atMs });
    return live.some(({ counter }) => counters.used(counter) + actual - units > Number.MAX_SAFE_INTEGER);
  }

  #end(row: ReservationRow, state: "released" | "expired"): ReservationRow {
    const { ledger, counters } = this.#parts;
    const ended = this.#store.settle(row, { state, units: null, burns: [] }, wallMs());
    giveBackHeld({ counting: ledger.counting, counters }, row);
    return ended;
  }

  async #accountOf(id: string): Promise<Account | null> {
    const row = await this.#parts.db.connection().execute(async () => this.#store.find(id));
    return row === null ? null : this.#parts.account(row.account);
  }

  /** The account as workers know it; its counters are seeded then. */
  async #record(account: Account): Promise<AccountRecord> {
    const grants = await this.#parts.grants(account.id);
    const { anchorMs, epoch } = await this.#parts.ledger.seeder.anchorOf(account.id);
    return { ...account, grants, anchorMs, epoch };
  }
}

function rowOf({ account, ...wish }: ReservationWish, now: number, burns: string): ReservationRow {
  const { meter, units, key, user, route, lifetimeMs } = wish;
  return {
    id: newId("rsv"),
    account: account.id,
    key,
    user,
    route,
    meter,
    op: "add",
    units,
    state: "open",
    confirmed_units: null,
    requests: 0,
    status: 0,
    at_ms: now,
    burns,
    created_ms: now,
    expires_ms: now + lifetimeMs,
    settled_ms: null,
  };
}

function notConfirmable(
  { id, state, confirmed_units: confirmed, expires_ms: expiresMs }: ReservationRow,
  units: number,
): Refusal | null {
  const isOver = state === "open" && expiresMs <= forgetMs();
  if (state === "open" && !isOver) return null;
  if (state === "confirmed" && confirmed === units) return null;
  const detail = {
    open: `Reservation ${id} expired at ${rfc3339(expiresMs)}: report the usage as an event`,
    expired: `Reservation ${id} expired at ${rfc3339(expiresMs)}: report the usage as an event`,
    released: `Reservation ${id} is released`,
    confirmed: `Reservation ${id} is confirmed with ${confirmed} units`,
  }[state];
  return refuse("conflict", "reservation:state", detail);
}

function unknown(id: string): Refusal {
  return refuse("not_found", "reservation:id", `No reservation ${id}`);
}
