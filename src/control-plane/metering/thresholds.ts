/**
 * Thresholds of quotas (80, 90, 100 % of the limit) and the stream of events they make: each once a window and limit, for ever. Main thread.
 * They are crossed where charges are booked, so they hold for the account's own plan or the default one: a plan that a token
 * claims is not known there.
 */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { PlanSettings, QuotaSettings, Settings } from "#config/settings.ts";
import { rfc3339 } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { LIFETIME_END_MS, type Window } from "#core/windows.ts";
import { shapeKey } from "#shared/counter-shapes.ts";
import type { Database } from "#control-plane/store/database.ts";

/** A share of a limit that is watched. */
export interface Mark {
  readonly percent: number;
  /** Units at which it is reached; may be a fraction. */
  readonly units: number;
  readonly quota: QuotaSettings;
  readonly plan: string;
}

/** A counter that grew. */
export interface Growth {
  readonly account: string;
  readonly shape: string;
  readonly holder: string;
  readonly window: Window;
  readonly before: number;
  readonly used: number;
  readonly atMs: number;
}

/** An event as it is listed. */
export interface EventView {
  /** Cursor: the next page begins after it. */
  readonly seq: number;
  readonly id: string;
  readonly type: string;
  readonly account: string;
  readonly at: string;
  readonly data: unknown;
}

const THRESHOLD_EVENT = "quota.threshold";

export class Thresholds {
  readonly #settings: () => Settings;
  readonly #insert: Statement<unknown[]>;
  #marks: { readonly of: Settings; readonly byPlan: ReadonlyMap<string, ReadonlyMap<string, readonly Mark[]>> } | null =
    null;

  constructor(connection: Connection, settings: () => Settings) {
    this.#settings = settings;
    this.#insert = connection.prepare(
      "INSERT INTO events (id, type, account, at_ms, data, once) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (once) DO NOTHING",
    );
  }

  /** What is watched of a shape for accounts of a plan (null: the default one); empty: nothing. */
  marks(plan: string | null, shape: string): readonly Mark[] {
    const settings = this.#settings();
    if (this.#marks?.of !== settings) this.#marks = { of: settings, byPlan: marksByPlan(settings) };
    const { byPlan } = this.#marks;
    return (byPlan.get(plan ?? settings.defaultPlan) ?? byPlan.get(settings.defaultPlan))?.get(shape) ?? [];
  }

  /** Writes an event for each mark that was crossed and has none yet. Within the transaction that books the growth. */
  record(marks: readonly Mark[], growth: Growth): void {
    const { account, shape, holder, window, before, used, atMs } = growth;
    for (const { percent, units, quota, plan } of marks) {
      if (before >= units || used < units) continue;
      const data = {
        meter: quota.meter,
        by: quota.by,
        holder: holder === "" ? null : holder.slice(holder.indexOf(":") + 1),
        threshold: percent,
        used,
        limit: quota.limit,
        plan,
        window: windowView(window),
      };
      const once = JSON.stringify([THRESHOLD_EVENT, account, shape, holder, window.startMs, percent, quota.limit]);
      this.#insert.run(newId("evt"), THRESHOLD_EVENT, account, Math.floor(atMs), JSON.stringify(data), once);
    }
  }
}

function marksByPlan(settings: Settings): ReadonlyMap<string, ReadonlyMap<string, readonly Mark[]>> {
  return new Map(Object.values(settings.plans).map((plan) => [plan.id, marksOf(plan)]));
}

function marksOf(plan: PlanSettings): ReadonlyMap<string, readonly Mark[]> {
  const quotas = Object.values(plan.quotas).flat();
  return new Map(
    quotas.map((quota) => {
      const { limit, thresholds, meter, by, window } = quota;
      const marks = thresholds.map((percent) => ({
        percent,
        units: ((limit ?? 0) * percent) / 100,
        quota,
        plan: plan.id,
      }));
      return [shapeKey(meter, by, window), limit === null ? [] : marks];
    }),
  );
}

/** A window as answers show it; one without end has none. */
export function windowView({ kind, startMs, endMs }: Window): {
  readonly kind: string;
  readonly start: string;
  readonly end: string | null;
} {
  return { kind, start: rfc3339(startMs), end: endMs === LIFETIME_END_MS ? null : rfc3339(endMs) };
}

/** Events in the order they were made; `after` is the `seq` of the last one known, 0 for the beginning. `account` null: of all. */
export async function eventsAfter(
  db: Database,
  wish: { readonly after: number; readonly account: string | null; readonly limit: number },
): Promise<readonly EventView[]> {
  let query = db.selectFrom("events").selectAll().where("seq", ">", wish.after).orderBy("seq").limit(wish.limit);
  if (wish.account !== null) query = query.where("account", "=", wish.account);
  return (await query.execute()).map(({ seq, id, type, account, at_ms: atMs, data }) => {
    const content: unknown = JSON.parse(data);
    return { seq, id, type, account, at: rfc3339(atMs), data: content };
  });
}
