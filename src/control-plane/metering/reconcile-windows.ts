/**
 * Reconcile, second part: what the minute rows come to by window and by gauge, beside the sums and values that are kept. Main thread;
 * reads a snapshot of the store, account by account. Changes nothing.
 */
import type { Database as Connection } from "better-sqlite3";
import { type CounterShape, holderOf, type UsageOp } from "#shared/counter-shapes.ts";
import type { Window } from "#core/windows.ts";
import { type Found, type Pause, timeView } from "./reconcile-found.ts";
import { NOTHING, type Tally, tallied } from "./tally.ts";
import { UsageWindows } from "./usage-windows.ts";
import { WindowCache } from "./window-cache.ts";

export interface WindowsCompared {
  readonly accounts: number;
  readonly windows: number;
  readonly gauges: number;
}

interface UsageRow {
  readonly meter: string;
  readonly minute: number;
  readonly key: string;
  readonly user: string;
  readonly op: UsageOp;
  readonly units: number;
  readonly at_ms: number;
}

interface WindowRow {
  readonly shape: string;
  readonly start_ms: number;
  readonly end_ms: number;
  readonly holder: string;
  readonly used: number;
}

/** A sum as the minute rows have it. */
interface Sum {
  readonly shape: CounterShape;
  readonly holder: string;
  readonly window: Window;
  readonly value: Value;
}

export async function compareWindows(
  snapshot: Connection,
  shapes: readonly CounterShape[],
  nowMs: number,
  found: Found,
  pause: Pause,
): Promise<WindowsCompared> {
  const accounts = snapshot
    .prepare<[], { readonly account: string }>(
      "SELECT account FROM usage UNION SELECT account FROM usage_windows UNION SELECT account FROM gauges",
    )
    .all();
  const comparison = new Comparison(snapshot, shapes, nowMs, found, pause);
  for (const { account } of accounts) await comparison.compare(account);
  return { accounts: accounts.length, ...comparison.counts };
}

class Comparison {
  readonly counts = { windows: 0, gauges: 0 };
  readonly #snapshot: Connection;
  readonly #shapes: ReadonlyMap<string, readonly CounterShape[]>;
  readonly #nowMs: number;
  readonly #found: Found;
  readonly #pause: Pause;
  readonly #windows: UsageWindows;
  readonly #cache = new WindowCache();

  constructor(snapshot: Connection, shapes: readonly CounterShape[], nowMs: number, found: Found, pause: Pause) {
    this.#snapshot = snapshot;
    this.#shapes = Map.groupBy(shapes, ({ meter }) => meter);
    this.#nowMs = nowMs;
    this.#found = found;
    this.#pause = pause;
    this.#windows = new UsageWindows(snapshot);
  }

  async compare(account: string): Promise<void> {
    const { sums, gauges } = await this.#sum(account);
    this.#compareGauges(account, gauges);
    await this.#compareWindows(account, sums);
  }

  async #sum(account: string): Promise<{ sums: Map<string, Sum>; gauges: Map<string, Value> }> {
    const facts = this.#windows.account(account);
    const rows = this.#snapshot.prepare<[string], UsageRow>(
      "SELECT meter, minute, key, user, op, units, at_ms FROM usage WHERE account = ?",
    );
    const sums = new Map<string, Sum>();
    const gauges = new Map<string, Value>();
    let steps = 0;
    for (const row of rows.iterate(account)) {
      if (row.op === "set") {
        for (const by of ["account", "key", "user"] as const) {
          const holder = holderOf(by, row.key, row.user);
          if (holder !== null) valueIn(gauges, JSON.stringify([row.meter, holder]), row.op).add(row);
        }
      }
      for (const shape of this.#shapes.get(row.meter) ?? []) {
        const holder = shape.op === row.op ? holderOf(shape.by, row.key, row.user) : null;
        if (holder === null) continue;
        const window = this.#cache.of(shape, row.minute, facts.anchorMs);
        const id = windowId(shape.key, window.startMs, window.endMs, holder);
        const sum = sums.get(id) ?? { shape, holder, window, value: new Value(shape.op) };
        sum.value.add(row);
        sums.set(id, sum);
      }
      if (++steps % 1000 === 0) await this.#pause();
    }
    return { sums, gauges };
  }

  /** A row has to be right; one that is not there has to be needless: `UsageWindows` then says what is in the minutes. */
  async #compareWindows(account: string, sums: Map<string, Sum>): Promise<void> {
    const rows = this.#snapshot.prepare<[string], WindowRow>(
      "SELECT shape, start_ms, end_ms, holder, used FROM usage_windows WHERE account = ?",
    );
    for (const { shape, start_ms: startMs, end_ms: endMs, holder, used } of rows.all(account)) {
      const id = windowId(shape, startMs, endMs, holder);
      const sum = sums.get(id);
      sums.delete(id);
      this.counts.windows++;
      if (sum?.value.mayBe(used) ?? used === 0) continue;
      const where = { account, shape, holder, start: timeView(startMs) };
      this.#found.add({ kind: "window", where, expected: sum?.value.units ?? 0, found: used });
    }
    const facts = this.#windows.account(account);
    for (const { shape, holder, window, value } of sums.values()) {
      if (!this.#windows.isComplete(facts, shape, window, this.#nowMs) || value.units === 0) continue;
      const where = { account, shape: shape.key, holder, start: timeView(window.startMs) };
      this.#found.add({ kind: "window", where, expected: value.units, found: null });
    }
    await this.#pause();
  }

  #compareGauges(account: string, gauges: Map<string, Value>): void {
    const rows = this.#snapshot.prepare<
      [string],
      { readonly holder: string; readonly meter: string; readonly value: number }
    >("SELECT holder, meter, value FROM gauges WHERE account = ?");
    for (const { holder, meter, value } of rows.all(account)) {
      const id = JSON.stringify([meter, holder]);
      const own = gauges.get(id);
      gauges.delete(id);
      this.counts.gauges++;
      if (own?.mayBe(value) !== true)
        this.#found.add({
          kind: "gauge",
          where: { account, meter, holder },
          expected: own?.units ?? null,
          found: value,
        });
    }
    for (const [id, { units }] of gauges) {
      const [meter, holder] = JSON.parse(id);
      this.#found.add({ kind: "gauge", where: { account, meter, holder }, expected: units, found: null });
    }
  }
}

/** What rows come to together. Of values set in the same millisecond any may be the one that stayed. */
class Value {
  readonly #op: UsageOp;
  #tally: Tally = NOTHING;
  #ties = new Set<number>();

  constructor(op: UsageOp) {
    this.#op = op;
  }

  get units(): number {
    return this.#tally.units;
  }

  add({ units, at_ms: atMs }: Pick<UsageRow, "units" | "at_ms">): void {
    if (this.#op === "set" && atMs > this.#tally.atMs) this.#ties = new Set();
    if (this.#op === "set" && atMs >= this.#tally.atMs) this.#ties.add(units);
    this.#tally = tallied(this.#op, this.#tally, units, atMs);
  }

  mayBe(units: number): boolean {
    return this.#tally.units === units || this.#ties.has(units);
  }
}

function valueIn(values: Map<string, Value>, id: string, op: UsageOp): Value {
  const value = values.get(id) ?? new Value(op);
  values.set(id, value);
  return value;
}

function windowId(shape: string, startMs: number, endMs: number, holder: string): string {
  return `${shape} ${startMs} ${endMs} ${holder}`;
}
