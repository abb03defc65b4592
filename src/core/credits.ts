/**
 * Credit grants: which are usable, in which order they burn, what rolls over. Pure, any thread.
 * Does not take anything: each grant has a counter of what is used, with its amount as the limit, and others keep it.
 */

/** Credits given once. Usable while `startMs <= now < expiresMs`. */
export interface CreditGrant {
  readonly id: string;
  /** Whole credits, from 0. */
  readonly amount: number;
  /** Lower burns first. */
  readonly priority: number;
  readonly startMs: number;
  /** Exclusive; null: never. */
  readonly expiresMs: number | null;
  readonly createdMs: number;
  /** Where it came from: a plan, a purchase, a promotion, an admin. No part of the order. */
  readonly source: string;
}

/** What is left of a window's credits for the next one. */
export interface RolloverRule {
  /** Whole credits, from 0. Wins over `min`. */
  readonly max: number;
  /** Whole credits the next window gets even when fewer are left. Default 0. */
  readonly min?: number;
}

/** Whether credits of `grant` may be taken at `nowMs`; says nothing of how many are left. */
export function isUsable(grant: CreditGrant, nowMs: number): boolean {
  return grant.startMs <= nowMs && (grant.expiresMs === null || nowMs < grant.expiresMs);
}

/**
 * The grants usable at `nowMs`, the next to burn first: lowest priority, soonest expiry (never is last), oldest, then id.
 * A new array; `grants` stays as it is. With ids that differ, the same order on every thread and after every restart.
 */
export function burnOrder(grants: readonly CreditGrant[], nowMs: number): readonly CreditGrant[] {
  return grants.filter((grant) => isUsable(grant, nowMs)).sort(burnsBefore);
}

/** Credits that roll over into the next window: `min(max, max(unused, min))`. `unused`: whole credits, from 0. */
export function rolledOver(unused: number, rule: RolloverRule): number {
  return Math.min(rule.max, Math.max(unused, rule.min ?? 0));
}

function burnsBefore(a: CreditGrant, b: CreditGrant): number {
  return (
    compare(a.priority, b.priority) ||
    compare(a.expiresMs ?? Infinity, b.expiresMs ?? Infinity) ||
    compare(a.createdMs, b.createdMs) ||
    compare(a.id, b.id)
  );
}

/** By `<`, not by difference (Infinity − Infinity is NaN) and not by locale (which is the machine's). */
function compare<T extends number | string>(a: T, b: T): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
