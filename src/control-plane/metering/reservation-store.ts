/** The store of reservations (`reservations.ts`). Main thread; who calls holds the store's connection. */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Selectable } from "kysely";
import type { Burn } from "#shared/journal-format.ts";
import type { UsageReservationsTable } from "#control-plane/store/tables.ts";

export type ReservationRow = Selectable<UsageReservationsTable>;

/** Settled ones stay as long as reported events do. */
const KEEP_MS = 37 * 86_400_000;
/** Rows looked at or dropped in one go. */
const ROWS_MAX = 500;

const COLUMNS = [
  ...(["id", "account", "key", "user", "route", "meter", "op", "units", "state", "confirmed_units"] as const),
  ...(["requests", "status", "at_ms", "burns", "created_ms", "expires_ms", "settled_ms"] as const),
] as const satisfies readonly (keyof ReservationRow)[];

export class ReservationStore {
  readonly #find: Statement<unknown[], ReservationRow>;
  readonly #over: Statement<unknown[], ReservationRow>;
  readonly #insert: Statement<unknown[]>;
  readonly #settle: Statement<unknown[]>;
  readonly #prune: Statement<unknown[]>;

  constructor(connection: Connection) {
    this.#find = connection.prepare("SELECT * FROM usage_reservations WHERE id = ?");
    this.#over = connection.prepare(
      `SELECT * FROM usage_reservations WHERE state = 'open' AND expires_ms <= ? ORDER BY expires_ms LIMIT ${ROWS_MAX}`,
    );
    this.#insert = connection.prepare(
      `INSERT INTO usage_reservations (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map((column) => `@${column}`).join(", ")})`,
    );
    this.#settle = connection.prepare(
      "UPDATE usage_reservations SET state = ?, confirmed_units = ?, burns = ?, settled_ms = ? WHERE id = ? AND state = 'open'",
    );
    this.#prune = connection.prepare(
      `DELETE FROM usage_reservations WHERE id IN
      (SELECT id FROM usage_reservations WHERE state <> 'open' AND expires_ms < ? LIMIT ${ROWS_MAX})`,
    );
  }

  find(id: string): ReservationRow | null {
    return this.#find.get(id) ?? null;
  }

  /** Open ones whose time is over, the oldest first; at most 500. */
  over(nowMs: number): readonly ReservationRow[] {
    return this.#over.all(nowMs);
  }

  insert(row: ReservationRow): void {
    this.#insert.run(row);
  }

  /** Ends an open one, and gives its row as it is then. */
  settle(
    row: ReservationRow,
    end: { readonly state: ReservationRow["state"]; readonly units: number | null; readonly burns: readonly Burn[] },
    nowMs: number,
  ): ReservationRow {
    const burns = JSON.stringify(end.burns);
    if (this.#settle.run(end.state, end.units, burns, nowMs, row.id).changes !== 1)
      throw new Error(`Reservation ${row.id} is not open any more`);
    return { ...row, state: end.state, confirmed_units: end.units, burns, settled_ms: nowMs };
  }

  /** Drops what was settled long ago, some at a time. */
  prune(nowMs: number): void {
    this.#prune.run(nowMs - KEEP_MS);
  }
}
