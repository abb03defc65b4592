/**
 * Credits that plans grant at the beginning of each window, and what of the unused goes over into the next: when. Main thread.
 * Made at first sight of an account and by a timer, the next window's ahead of time, so that the boundary has no gap.
 * Not here: which grants an account should have (`plan-grants.ts`).
 * Known limit: the plan is the account's own or the default one; a plan that only tokens claim grants nothing.
 */
import type { PlanCredits as PlanCreditsSettings, Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { type Window, windowAt } from "#core/windows.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Database } from "#control-plane/store/database.ts";
import { PlanGrants } from "./plan-grants.ts";

/** How long before it begins a window has its grant. */
const AHEAD_MS = 10 * 60_000;

export interface PlanCreditsParts {
  readonly db: Database;
  readonly counters: CounterTable;
  readonly settings: () => Settings;
  readonly account: (id: string) => Promise<Account | null>;
  /** Tells the workers that the account's grants are others now. */
  readonly announce: (account: string) => Promise<void>;
}

/** What the account was last brought up to date by, and from when until when that holds: a clock may jump back behind it. */
interface Done {
  readonly settings: Settings;
  readonly plan: string | null;
  readonly anchorMs: number;
  readonly fromMs: number;
  readonly dueMs: number;
}

export class PlanCredits {
  readonly #parts: PlanCreditsParts;
  /** Accounts seen in this run. */
  readonly #done = new Map<string, Done>();
  /** The last piece of work on an account: one at a time, as two could both find the same grant missing. */
  readonly #last = new Map<string, Promise<void>>();

  constructor(parts: PlanCreditsParts) {
    this.#parts = parts;
  }

  /** Makes sure that the account has what its plan grants by now; before anybody is told what credits it has, and after its plan changed. */
  ensure(account: string): Promise<void> {
    const next = (this.#last.get(account) ?? Promise.resolve()).then(() => this.#ensure(account));
    const quiet = next
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(account) === quiet) this.#last.delete(account);
      });
    this.#last.set(account, quiet);
    return next;
  }

  /** The timer's work: accounts seen whose time has come, or all of them when the file changed. */
  async tick(): Promise<void> {
    const settings = this.#parts.settings();
    const now = wallMs();
    for (const [account, done] of this.#done)
      if (done.settings !== settings || !holds(done, now)) await this.ensure(account);
  }

  async #ensure(id: string): Promise<void> {
    const account = await this.#parts.account(id);
    if (account === null) return;
    const settings = this.#parts.settings();
    const now = wallMs();
    const done = this.#done.get(id);
    const { plan, anchorMs } = account;
    const isSame = done?.settings === settings && done.plan === plan && done.anchorMs === anchorMs;
    if (isSame && holds(done, now)) return;
    const { credits } = planOf(settings, plan);
    const windows = credits === null ? [] : windowsFrom(credits, now, anchorMs);
    const changed = await this.#bring(account, credits, windows, now);
    const fromMs = windows[0]?.startMs ?? -Infinity;
    this.#done.set(id, { settings, plan, anchorMs, fromMs, dueMs: dueAt(windows) });
    // At first sight nobody knows anything older. When the clock went back, the workers may know nothing of what holds again.
    if (done !== undefined && (changed || now < done.fromMs)) await this.#parts.announce(id);
  }

  #bring(
    { id, anchorMs }: Account,
    credits: PlanCreditsSettings | null,
    windows: readonly Window[],
    now: number,
  ): Promise<boolean> {
    return this.#parts.db.transaction().execute(async (db) => {
      const grants = await PlanGrants.of(db, this.#parts.counters, id, now);
      if (credits === null) await grants.end();
      else {
        await grants.rollInto(windows[0], credits, anchorMs);
        for (const window of windows) await grants.grant(window, credits);
      }
      await grants.withdrawAllBut(windows);
      return grants.changed;
    });
  }
}

function holds({ fromMs, dueMs }: Done, now: number): boolean {
  return fromMs <= now && now < dueMs;
}

/** The window of now, and those that begin soon. */
function windowsFrom({ window: spec }: PlanCreditsSettings, now: number, anchorMs: number): readonly Window[] {
  const windows: Window[] = [];
  for (let at = now; at <= now + AHEAD_MS; ) {
    const window = windowAt(spec, at, anchorMs);
    windows.push(window);
    at = window.endMs;
  }
  return windows;
}

/** When the next window has to be granted, or this one's unused goes over. */
function dueAt(windows: readonly Window[]): number {
  const [first] = windows;
  const last = windows.at(-1);
  return first === undefined || last === undefined ? Infinity : Math.min(last.endMs - AHEAD_MS, first.endMs);
}
