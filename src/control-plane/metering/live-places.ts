/**
 * The live counters that usage of an account at a moment stands in, and what its plan and spend cap say of each. Main thread.
 * Changes nothing. The account's counters must be seeded; the places hold as long as no other shapes come in between, so who changes
 * counters finds them in the same go, or while the store's connection is its own (`counting.ts`).
 */
import type { Settings } from "#config/settings.ts";
import { type Window, windowAt } from "#core/windows.ts";
import { type CounterShape, counterName, holderOf, shapesOfMeter, type UsageOp } from "#shared/counter-shapes.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import { ownQuotas } from "#shared/own-limits.ts";
import type { AccountRecord, HolderLimits } from "#shared/principals.ts";
import { type QuotaCounter, quotaCounter } from "#shared/quota-limits.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import { type Counting, isSameWindow } from "./counting.ts";

/** Where usage is counted. */
export interface UsageKey {
  /** Account id. */
  readonly account: string;
  /** Empty: none. */
  readonly key: string;
  readonly user: string;
  readonly meter: string;
  readonly op: UsageOp;
  readonly atMs: number;
}

/** Usage of an account, with what its limits depend on. */
export interface Usage extends Omit<UsageKey, "account"> {
  readonly account: AccountRecord;
  /** Limits of the key and of the member; left out where they refuse nothing. */
  readonly ownLimits?: readonly HolderLimits[];
}

export interface LiveCounter {
  /** `counterName`. */
  readonly name: string;
  readonly counter: CounterKey;
  readonly shape: CounterShape;
  readonly holder: string;
}

export interface Place extends LiveCounter, QuotaCounter {}

export interface CountersParts {
  readonly counting: Counting;
  readonly counters: CounterTable;
}

export interface PlacesParts extends CountersParts {
  readonly settings: Settings;
}

/** None while the account is not seeded. */
export function countersOf({ counting, counters }: CountersParts, usage: UsageKey): readonly LiveCounter[] {
  const { account, key, user, meter, op, atMs } = usage;
  return counting.seededAt(account, meter, atMs).flatMap(({ shape, window }) => {
    const holder = shape.op === op ? holderOf(shape.by, key, user) : null;
    if (holder === null) return [];
    const name = counterName(account, shape.key, holder, window);
    return [{ name, counter: counters.key(name, window), shape, holder }];
  });
}

export function placesOf(parts: PlacesParts, usage: Usage): readonly Place[] {
  const { account, atMs } = usage;
  const plan = planOf(parts.settings, account.plan);
  const meter = parts.settings.meters[usage.meter];
  const shapes = meter === undefined ? [] : shapesOfMeter(parts.settings, meter);
  const own = ownQuotas(shapes, usage.ownLimits ?? []);
  return countersOf(parts, { ...usage, account: account.id }).map((live) => {
    // Windows by a former anchor are counted, but limit nothing.
    const isNow = isSameWindow(live.counter.window, windowAt(live.shape.window, atMs, account.anchorMs));
    return { ...live, ...(isNow ? quotaCounter(live.counter, live.shape, { plan, account, own }) : UNLIMITED) };
  });
}

/** Whether the window's counter may be gone, or was never filled: over for longer than a clock may jump back (`seeder.ts`). */
export function isLongOver({ startMs, endMs }: Window, nowMs: number): boolean {
  return endMs < nowMs - (endMs - startMs <= HOUR_MS ? HOUR_MS : 26 * HOUR_MS);
}

const HOUR_MS = 3_600_000;
const UNLIMITED = { quota: null, own: null, hard: null, capped: false } as const;
