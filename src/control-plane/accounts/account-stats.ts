/**
 * Figures over all accounts: how many, by which plan, new by day, seen lately, and what they called. Main thread; reads only.
 * Counting accounts is a walk over one index, some 20 ms for 100,000. Calls are a walk over the ledger, some 150 ms for a million rows, in
 * steps of a few hundred accounts between which this thread does other work.
 */
import { setImmediate } from "node:timers/promises";
import { sql } from "kysely";
import type { Settings } from "#config/settings.ts";
import type { Database } from "#control-plane/store/database.ts";
import { planOf } from "./account-plan.ts";

const DAY_MS = 86_400_000;
const SIGN_UP_DAYS = 30;
const STEP = 500;

export interface AccountFigures {
  readonly active: number;
  readonly suspended: number;
  readonly deleted: number;
  /** Not deleted ones by the plan in force; a plan that nobody has is there with 0. */
  readonly byPlan: ReadonlyMap<string, number>;
}

/** Accounts made on a day (UTC), deleted ones too. */
export interface SignUps {
  readonly dayMs: number;
  readonly accounts: number;
}

export class AccountStats {
  readonly #db: Database;
  readonly #settings: () => Settings;

  constructor(db: Database, settings: () => Settings) {
    this.#db = db;
    this.#settings = settings;
  }

  async figures(): Promise<AccountFigures> {
    const { rows } = await sql<{ state: "active" | "suspended" | "deleted"; plan: string | null; n: number }>`
      SELECT CASE WHEN deleted_ms IS NULL THEN state ELSE 'deleted' END AS state, plan, count(*) AS n
      FROM accounts INDEXED BY accounts_filter GROUP BY 1, 2`.execute(this.#db);
    const count = { active: 0, suspended: 0, deleted: 0 };
    const byPlan = this.#noPlans();
    for (const { state, plan, n } of rows) {
      count[state] += n;
      if (state !== "deleted") add(byPlan, planOf(this.#settings(), plan).id, n);
    }
    return { ...count, byPlan };
  }

  /** Accounts, and users, that were seen since then. */
  async seenSince(sinceMs: number): Promise<{ readonly accounts: number; readonly users: number }> {
    const { rows } = await sql<{ accounts: number; users: number }>`SELECT
      (SELECT count(*) FROM accounts WHERE coalesce(seen_ms, 0) >= ${sinceMs}) AS accounts,
      (SELECT count(*) FROM users WHERE seen_ms >= ${sinceMs}) AS users`.execute(this.#db);
    return rows[0] ?? { accounts: 0, users: 0 };
  }

  /** Users that are not deleted. */
  async users(): Promise<{ readonly active: number; readonly suspended: number }> {
    const { rows } = await sql<{ state: string; n: number }>`SELECT state, count(*) AS n FROM users GROUP BY 1`.execute(
      this.#db,
    );
    const of = (state: string) => rows.find((row) => row.state === state)?.n ?? 0;
    return { active: of("active"), suspended: of("suspended") };
  }

  /** By day, the last one being that of `nowMs`; days without any are there. */
  async signUps(nowMs: number): Promise<readonly SignUps[]> {
    const first = Math.floor(nowMs / DAY_MS) - SIGN_UP_DAYS + 1;
    const dayMs = sql.lit(DAY_MS);
    const { rows } = await sql<{ day: number; n: number }>`SELECT created_at / ${dayMs} AS day, count(*) AS n
      FROM accounts WHERE created_at >= ${first * DAY_MS} GROUP BY 1`.execute(this.#db);
    const byDay = new Map(rows.map(({ day, n }) => [day, n]));
    return Array.from({ length: SIGN_UP_DAYS }, (_, index) => {
      const day = first + index;
      return { dayMs: day * DAY_MS, accounts: byDay.get(day) ?? 0 };
    });
  }

  /** Requests in the ledger from one time until another, by the plan that their account has now; deleted accounts too. */
  async requestsByPlan(fromMs: number, toMs: number): Promise<ReadonlyMap<string, number>> {
    const byPlan = this.#noPlans();
    for (let after = ""; ; await setImmediate()) {
      const last = await this.#stepEnd(after);
      if (last === null) return byPlan;
      // The sign keeps SQLite from the index of minutes, by which it would look up each row.
      const { rows } = await sql<{ plan: string | null; n: number }>`SELECT a.plan AS plan, sum(u.requests) AS n
        FROM usage u JOIN accounts a ON a.id = u.account
        WHERE u.account > ${after} AND u.account <= ${last} AND +u.minute >= ${fromMs} AND +u.minute < ${toMs}
        GROUP BY 1`.execute(this.#db);
      for (const { plan, n } of rows) add(byPlan, planOf(this.#settings(), plan).id, n);
      after = last;
    }
  }

  /** The last account of a step that begins behind this one; null: there is none any more. */
  async #stepEnd(after: string): Promise<string | null> {
    const { rows } = await sql<{ last: string | null }>`SELECT max(id) AS last
      FROM (SELECT id FROM accounts WHERE id > ${after} ORDER BY id LIMIT ${STEP})`.execute(this.#db);
    return rows[0]?.last ?? null;
  }

  #noPlans(): Map<string, number> {
    return new Map(Object.keys(this.#settings().plans).map((plan) => [plan, 0]));
  }
}

function add(counts: Map<string, number>, name: string, n: number): void {
  counts.set(name, (counts.get(name) ?? 0) + n);
}
