/**
 * Sums of the ledger by window (`usage_windows`): what is there is read, what is not is computed from the minutes. Main thread.
 * Works on the store's connection; who calls holds it (a transaction or `connection()` of Kysely). Does not book charges.
 */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Window } from "#core/windows.ts";
import type { CounterShape, UsageOp } from "#shared/counter-shapes.ts";
import { NOTHING, saturated, type Tally } from "./tally.ts";

const DAY_MS = 86_400_000;
/** Rows of windows that ended longer ago are dropped. */
const KEEP_MS = 14 * DAY_MS;
/** Of windows that ended longer ago a row may have been dropped, whatever the clock did in between. */
const TRUST_MS = 7 * DAY_MS;
/** Rows dropped in one go: some 5 ms. */
const PRUNE_ROWS = 1000;

/** What windows of an account depend on. */
export interface AccountFacts {
  readonly id: string;
  readonly anchorMs: number;
  /** Billing periods that began before may lack rows. */
  readonly anchorSinceMs: number;
  /** null: the default plan. */
  readonly plan: string | null;
}

interface WindowRow {
  readonly start_ms: number;
  readonly end_ms: number;
  readonly holder: string;
  readonly used: number;
  readonly at_ms: number;
}

interface SumRow {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly at_ms: number;
}

/** A sum is taken in two halves: SQLite fails where one goes beyond 2^63. `units` beside one `max()` is from the row it found. */
const SUMS: Readonly<Record<UsageOp, string>> = {
  add: "sum(units / 4294967296) AS high, sum(units % 4294967296) AS low, 0 AS at_ms",
  max: "0 AS high, max(units) AS low, 0 AS at_ms",
  set: "0 AS high, units AS low, max(at_ms) AS at_ms",
};
const HIGH = 2 ** 32;

export class UsageWindows {
  readonly #connection: Connection;
  readonly #sums = new Map<string, Statement<unknown[], SumRow>>();
  readonly #row: Statement<unknown[], WindowRow>;
  readonly #rows: Statement<unknown[], WindowRow>;
  readonly #write: Statement<unknown[]>;
  readonly #account: Statement<unknown[], AccountRow>;
  #since: ReadonlyMap<string, number>;

  constructor(connection: Connection) {
    this.#connection = connection;
    const columns = "SELECT start_ms, end_ms, holder, used, at_ms FROM usage_windows WHERE account = ? AND shape = ?";
    this.#row = connection.prepare(`${columns} AND start_ms = ? AND holder = ?`);
    this.#rows = connection.prepare(`${columns} AND start_ms >= ?`);
    this.#write = connection.prepare(
      `INSERT INTO usage_windows (account, shape, start_ms, holder, end_ms, used, at_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
      ON CONFLICT DO UPDATE SET end_ms = excluded.end_ms, used = excluded.used, at_ms = excluded.at_ms`,
    );
    this.#account = connection.prepare(
      "SELECT plan, created_at, billing_anchor_ms, anchor_since_ms FROM accounts WHERE id = ?",
    );
    this.#since = this.#readSince();
  }

  /** Facts of an account; of one that is not there, those of one made in 1970. */
  account(id: string): AccountFacts {
    const row = this.#account.get(id);
    if (row === undefined) return { id, anchorMs: 0, anchorSinceMs: 0, plan: null };
    return { id, anchorMs: anchorOf(row), anchorSinceMs: row.anchor_since_ms ?? 0, plan: row.plan };
  }

  /** Units of a holder in a window. */
  used(account: AccountFacts, shape: CounterShape, holder: string, window: Window, nowMs: number): Tally {
    const row = this.#row.get(account.id, shape.key, window.startMs, holder);
    if (row !== undefined && row.end_ms === window.endMs) return tallyOf(row);
    return this.isComplete(account, shape, window, nowMs) ? NOTHING : this.computed(account.id, shape, holder, window);
  }

  /** Units of every holder with usage in the windows that touch the time from `fromMs` to `toMs`, and in those behind that have rows. */
  usedBetween(
    account: AccountFacts,
    shape: CounterShape,
    times: { readonly fromMs: number; readonly toMs: number; readonly nowMs: number },
    windowAt: (atMs: number) => Window,
  ): readonly WindowUsage[] {
    const first = windowAt(times.fromMs);
    const rows = this.#rows.all(account.id, shape.key, first.startMs);
    const byStart = Map.groupBy(rows, (row) => row.start_ms);
    const found: WindowUsage[] = [];
    let next = first.startMs;
    while (next <= times.toMs) {
      const window = windowAt(next);
      found.push(...this.#usedIn(account, shape, window, byStart.get(next) ?? [], times.nowMs));
      next = window.endMs;
    }
    const kind = shape.window.kind;
    for (const row of rows) {
      if (row.start_ms < next) continue;
      found.push({
        holder: row.holder,
        window: { kind, startMs: row.start_ms, endMs: row.end_ms },
        tally: tallyOf(row),
      });
    }
    return found;
  }

  #usedIn(
    account: AccountFacts,
    shape: CounterShape,
    window: Window,
    rows: readonly WindowRow[],
    nowMs: number,
  ): readonly WindowUsage[] {
    const known = rows
      .filter((row) => row.end_ms === window.endMs)
      .map((row) => ({ holder: row.holder, window, tally: tallyOf(row) }));
    const isWhole = shape.by === "account" && known.length > 0;
    if (isWhole || this.isComplete(account, shape, window, nowMs)) return known;
    return this.computedAll(account.id, shape, window);
  }

  /** From the minutes alone. */
  computed(account: string, shape: CounterShape, holder: string, window: Window): Tally {
    const name = holder.slice(shape.by === "account" ? 0 : shape.by.length + 1);
    const range = [account, shape.meter, window.startMs, window.endMs] as const;
    const row =
      shape.by === "account" ? this.#sum(shape, null).get(...range) : this.#sum(shape, "one").get(...range, name);
    return row === undefined ? NOTHING : sumOf(row);
  }

  /** From the minutes alone, for every holder. */
  computedAll(account: string, shape: CounterShape, window: Window): readonly WindowUsage[] {
    const { by } = shape;
    const rows = this.#sum(shape, by === "account" ? null : "all").all(
      account,
      shape.meter,
      window.startMs,
      window.endMs,
    );
    return rows.map((row) => ({ holder: by === "account" ? "" : `${by}:${row.name}`, window, tally: sumOf(row) }));
  }

  #sum({ op, by }: CounterShape, holders: "one" | "all" | null): Statement<unknown[], SumRow> {
    const id = `${op} ${by} ${holders}`;
    const known = this.#sums.get(id);
    if (known !== undefined) return known;
    const column = by === "account" ? "''" : by;
    const which = { one: `AND ${by} = ? GROUP BY ${by}`, all: `AND ${by} <> '' GROUP BY ${by}` };
    const made = this.#connection.prepare<unknown[], SumRow>(
      `SELECT ${column} AS name, ${SUMS[op]} FROM usage WHERE account = ? AND meter = ? AND minute >= ? AND minute < ?
      AND op = '${op}' ${holders === null ? "GROUP BY account" : which[holders]}`,
    );
    this.#sums.set(id, made);
    return made;
  }

  /** Keeps the sum; it must be whole: of all minutes of the window that are booked. */
  write(
    account: string,
    shape: CounterShape,
    holder: string,
    { startMs, endMs }: Window,
    { units, atMs }: Tally,
  ): void {
    this.#write.run(account, shape.key, startMs, holder, endMs, units, atMs);
  }

  /** Whether a row that is not there says that there was no usage. */
  isComplete({ anchorSinceMs }: AccountFacts, shape: CounterShape, { startMs, endMs }: Window, nowMs: number): boolean {
    const since = this.#since.get(shape.key) ?? Number.POSITIVE_INFINITY;
    const anchorSince = shape.window.kind === "billing-period" ? anchorSinceMs : 0;
    return startMs >= since && startMs >= anchorSince && endMs >= nowMs - TRUST_MS;
  }

  /** The moment from which on nothing is booked yet, whatever the clock did: windows that begin later are empty. */
  untouchedFrom(nowMs: number): number {
    const latest = this.#connection.prepare<[], { readonly minute: number | null }>(
      "SELECT max(minute) AS minute FROM usage",
    );
    return Math.max(nowMs, (latest.get()?.minute ?? 0) + 60_000);
  }

  /** From now on rows of these shapes are kept. Within a transaction of the caller. */
  keep(shapes: Iterable<CounterShape>, nowMs: number): void {
    const since = this.untouchedFrom(nowMs);
    const insert = this.#connection.prepare(
      "INSERT INTO usage_shapes (shape, op, since_ms) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    );
    for (const { key, op } of shapes) insert.run(key, op, since);
    this.#since = this.#readSince();
  }

  /** Drops the rows of all other shapes: nobody would keep them up. Within a transaction of the caller. */
  dropOthers(shapes: Iterable<CounterShape>): void {
    const kept = new Map([...shapes].map(({ key, op }) => [key, op]));
    const known = this.#connection.prepare<[], { readonly shape: string; readonly op: UsageOp }>(
      "SELECT shape, op FROM usage_shapes",
    );
    const rows = this.#connection.prepare("DELETE FROM usage_windows WHERE shape = ?");
    const names = this.#connection.prepare("DELETE FROM usage_shapes WHERE shape = ?");
    for (const { shape, op } of known.all()) {
      if (kept.get(shape) === op) continue;
      rows.run(shape);
      names.run(shape);
    }
    this.#since = this.#readSince();
  }

  /** Drops rows of windows long over, some at a time; true when there may be more. */
  prune(nowMs: number): boolean {
    const some = this.#connection.prepare(
      `DELETE FROM usage_windows WHERE (account, shape, start_ms, holder) IN
      (SELECT account, shape, start_ms, holder FROM usage_windows WHERE end_ms < ? LIMIT ${PRUNE_ROWS})`,
    );
    return some.run(nowMs - KEEP_MS).changes === PRUNE_ROWS;
  }

  #readSince(): ReadonlyMap<string, number> {
    const all = this.#connection.prepare<[], { readonly shape: string; readonly since_ms: number }>(
      "SELECT shape, since_ms FROM usage_shapes",
    );
    return new Map(all.all().map((row) => [row.shape, row.since_ms]));
  }
}

/** Units of a holder in a window. */
export interface WindowUsage {
  readonly holder: string;
  readonly window: Window;
  readonly tally: Tally;
}

interface AccountRow {
  readonly plan: string | null;
  readonly created_at: number;
  readonly billing_anchor_ms: number | null;
  readonly anchor_since_ms: number | null;
}

/** Where the billing periods of an account begin. */
export function anchorOf({
  billing_anchor_ms: anchor,
  created_at: created,
}: Pick<AccountRow, "billing_anchor_ms" | "created_at">): number {
  return anchor ?? Math.floor(created / 60_000) * 60_000;
}

function tallyOf({ used, at_ms: atMs }: WindowRow): Tally {
  return { units: used, atMs };
}

function sumOf({ high, low, at_ms: atMs }: SumRow): Tally {
  return { units: saturated(high * HIGH + low), atMs };
}
