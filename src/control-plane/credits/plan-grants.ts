/**
 * Which grants of its plan an account should have, made so within one transaction. Main thread.
 * Each window is granted once, whatever dies or comes twice: its name is in `credit_grants.once`, unique with the account.
 * A plan's grant is worth what the plan gives now: after a change of plan or file its amount is the new one, and nothing where the
 * plan gives none; what is burnt of it stays burnt, what has rolled over stays. What an operator voided is left alone.
 */
import type { PlanCredits } from "#config/settings.ts";
import { rolledOver } from "#core/credits.ts";
import { newId } from "#core/ids.ts";
import { type Window, windowAt } from "#core/windows.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Database } from "#control-plane/store/database.ts";
import { type GrantRow, usedOf } from "./grants.ts";

/** Windows without sight of the account that are caught up on, for what rolls over through them. */
const CAUGHT_UP_MAX = 10_000;
/** Rows of the window before, and then some. */
const OVER_MAX = 8;

export class PlanGrants {
  /** Whether anything is others than it was. */
  changed = false;
  readonly #db: Database;
  readonly #counters: CounterTable;
  readonly #account: string;
  readonly #now: number;
  /** Grants of plans: all that are not over, and the latest that are. */
  readonly #known: readonly GrantRow[];

  static async of(db: Database, counters: CounterTable, account: string, now: number): Promise<PlanGrants> {
    const all = db
      .selectFrom("credit_grants")
      .selectAll()
      .where("account", "=", account)
      .where(({ eb, or }) => or([eb("once", "like", "plan:%"), eb("once", "like", "rollover:%")]));
    const open = await all
      .where(({ eb, or }) => or([eb("expires_ms", "is", null), eb("expires_ms", ">", now)]))
      .execute();
    const over = await all.where("expires_ms", "<=", now).orderBy("expires_ms", "desc").limit(OVER_MAX).execute();
    return new PlanGrants(db, counters, account, now, [...open, ...over]);
  }

  private constructor(db: Database, counters: CounterTable, account: string, now: number, known: readonly GrantRow[]) {
    this.#db = db;
    this.#counters = counters;
    this.#account = account;
    this.#now = now;
    this.#known = known;
  }

  /** The grant of a window. */
  async grant(window: Window, { amount, priority }: PlanCredits): Promise<void> {
    const once = nameOf("plan", window);
    const row = this.#known.find((known) => known.once === once);
    if (row === undefined) return this.#insert("plan", window, amount, priority);
    if (row.voided_ms !== null || (row.amount === amount && row.priority === priority)) return;
    await this.#set(row, { amount, priority });
  }

  /** What is unused of the window before goes into this one. Where the account was not seen for some windows, nothing was used in them. */
  async rollInto(window: Window | undefined, credits: PlanCredits, anchorMs: number): Promise<void> {
    const rule = credits.rollover;
    const before = this.#latestOver();
    if (window === undefined || rule === null || before === null || this.#isRolled(before.endMs)) return;
    let carried = rolledOver(this.#unusedOf(before.endMs), rule);
    let at = before.endMs;
    for (let count = 0; at < window.startMs && count < CAUGHT_UP_MAX; count++) {
      const missed = windowAt(credits.window, at, anchorMs);
      if (missed.startMs !== at) return;
      carried = rolledOver(credits.amount + carried, rule);
      at = missed.endMs;
    }
    // Windows of another kind do not adjoin: nothing goes from them into these.
    if (at === window.startMs && carried > 0) await this.#insert("rollover", window, carried, credits.priority);
  }

  /** Where the latest window ended that the plan gave something for; null when there is none, or the plan gave nothing since. */
  #latestOver(): { readonly endMs: number } | null {
    const over = this.#known.filter((row) => row.expires_ms !== null && row.expires_ms <= this.#now);
    const endMs = Math.max(0, ...over.map((row) => row.expires_ms ?? 0));
    const isGiven = over.some((row) => row.expires_ms === endMs && row.source === "plan" && row.amount > 0);
    return isGiven ? { endMs } : null;
  }

  /** The plan grants nothing from now on: windows to come are none in which nothing was used. Said by a grant of nothing for no time. */
  async end(): Promise<void> {
    const begun = this.#known.filter((row) => row.start_ms <= this.#now);
    const latest = begun.toSorted((one, other) => one.start_ms - other.start_ms).at(-1);
    if (latest === undefined || latest.start_ms === latest.expires_ms) return;
    await this.#insert("plan", { startMs: this.#now, endMs: this.#now }, 0, 0);
  }

  /** Takes back what plans granted for other windows that are not over. */
  async withdrawAllBut(windows: readonly Window[]): Promise<void> {
    const kept = new Set(windows.map((window) => nameOf("plan", window)));
    for (const row of this.#known) {
      const isOver = row.expires_ms !== null && row.expires_ms <= this.#now;
      const isPlans = row.once?.startsWith("plan:") === true && !kept.has(row.once);
      if (isPlans && !isOver && row.amount > 0) await this.#set(row, { amount: 0 });
    }
  }

  #unusedOf(endMs: number): number {
    const rows = this.#known.filter((row) => row.expires_ms === endMs && row.voided_ms === null);
    return rows.reduce((sum, row) => sum + Math.max(0, row.amount - usedOf(this.#counters, row)), 0);
  }

  /** What is unused goes over once, also when windows become others meanwhile. */
  #isRolled(endMs: number): boolean {
    return this.#known.some((row) => row.source === "rollover" && row.start_ms >= endMs);
  }

  async #insert(
    source: "plan" | "rollover",
    window: Pick<Window, "startMs" | "endMs">,
    amount: number,
    priority: number,
  ): Promise<void> {
    this.changed = true;
    const once = nameOf(source, window);
    const place = { id: newId("grant"), account: this.#account, once, source, note: null };
    // The lifetime window begins in 1970 and has no end.
    const isForever = window.startMs === 0;
    const times = { start_ms: window.startMs, expires_ms: isForever ? null : window.endMs, created_ms: this.#now };
    await this.#db
      .insertInto("credit_grants")
      .values({ ...place, ...times, amount, priority })
      .execute();
  }

  async #set({ id }: GrantRow, change: { readonly amount: number; readonly priority?: number }): Promise<void> {
    this.changed = true;
    await this.#db.updateTable("credit_grants").set(change).where("id", "=", id).execute();
  }
}

function nameOf(source: "plan" | "rollover", { startMs, endMs }: Pick<Window, "startMs" | "endMs">): string {
  return `${source}:${startMs}:${endMs}`;
}
