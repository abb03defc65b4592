/**
 * The store of reported events: which ones were counted, and as what. Main thread; writes within a transaction of the caller.
 * An event stays 37 days, longer than any may be old, so one that comes again is known. Not here: what an event counts.
 */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Selectable } from "kysely";
import type { UsageEventsTable } from "#control-plane/store/tables.ts";

export type EventRow = Selectable<UsageEventsTable>;

const DAY_MS = 86_400_000;
/** 35 days that an event may be old, one that it may lie ahead, and one to spare. */
const KEEP_MS = 37 * DAY_MS;
/** Rows dropped in one go: some milliseconds. */
const PRUNE_ROWS = 1000;

const COLUMNS = [
  ...([
    "scope",
    "source",
    "id",
    "account",
    "key",
    "user",
    "route",
    "meter",
    "op",
    "units",
    "requests",
    "status",
  ] as const),
  ...(["at_ms", "event_ms", "received_ms", "value", "corrects", "reason", "digest", "burns"] as const),
] as const satisfies readonly (keyof EventRow)[];

/** All reporters are trusted with all accounts, so they share one set of ids. */
export const SHARED_SCOPE = "";

export class EventStore {
  readonly #find: Statement<unknown[], EventRow>;
  readonly #corrections: Statement<unknown[], EventRow>;
  readonly #insert: Statement<unknown[]>;
  readonly #prune: Statement<unknown[]>;

  constructor(connection: Connection) {
    const ofSource = `SELECT * FROM usage_events WHERE scope = '${SHARED_SCOPE}' AND source = ?`;
    this.#find = connection.prepare(`${ofSource} AND id = ?`);
    this.#corrections = connection.prepare(`${ofSource} AND corrects = ? ORDER BY received_ms, rowid`);
    this.#insert = connection.prepare(
      `INSERT INTO usage_events (${COLUMNS.join(", ")}) VALUES (${COLUMNS.map((column) => `@${column}`).join(", ")})`,
    );
    this.#prune = connection.prepare(
      `DELETE FROM usage_events WHERE rowid IN (SELECT rowid FROM usage_events WHERE received_ms < ? LIMIT ${PRUNE_ROWS})`,
    );
  }

  find(source: string, id: string): EventRow | null {
    return this.#find.get(source, id) ?? null;
  }

  /** In the order they came. */
  correctionsOf(source: string, id: string): readonly EventRow[] {
    return this.#corrections.all(source, id);
  }

  /** Throws when there is one with this source and id. */
  insert(row: EventRow): void {
    this.#insert.run(row);
  }

  /** Drops what is too old to come again, some at a time; true when there may be more. */
  prune(nowMs: number): boolean {
    return this.#prune.run(nowMs - KEEP_MS).changes === PRUNE_ROWS;
  }
}
