/**
 * What units beyond a limit cost, in whole minor units of a currency (cents). Pure, any thread.
 * Not here: currencies, taxes, which units are beyond a limit (`core/limits.ts` compares).
 */

/** `price` for every `per` units, pro rata: $0.10 a minute is `{ price: 10, per: 1 }`, $2 a thousand calls is `{ price: 200, per: 1000 }`. */
export interface UnitPrice {
  /** Minor units, integer from 0. */
  readonly price: number;
  /** Units, integer from 1. */
  readonly per: number;
}

const MOST = Number.MAX_SAFE_INTEGER;

/**
 * What `units` cost together, in minor units: exact, rounded once, half up, at the total. At most `Number.MAX_SAFE_INTEGER`.
 * `units` is a safe integer; below 0 counts as 0. Throws RangeError for numbers that are not whole, or a `per` of 0.
 */
export function overageCost(units: number, price: UnitPrice): number {
  const per = BigInt(price.per);
  // BigInt always: a second path for small products would have to be proven equal, and this costs well below 1 µs.
  return safe((2n * atLeast0(units) * BigInt(price.price) + per) / (2n * per));
}

/**
 * How many units `money` minor units pay for: the largest u with `overageCost(u, price) <= money`, at most
 * `Number.MAX_SAFE_INTEGER` (also for a price of 0). `money` is a safe integer; below 0 pays for nothing.
 */
export function unitsForMoney(money: number, price: UnitPrice): number {
  if (money < 0) return 0;
  if (price.price === 0 || money >= MOST) return MOST; // costs saturate there, so that sum pays for any number of units
  // A cost rounds to `money` or less while u × price / per < money + 1/2: the largest u below a fraction, so ceil − 1.
  const below = (2n * BigInt(money) + 1n) * BigInt(price.per);
  return safe((below - 1n) / (2n * BigInt(price.price)));
}

function atLeast0(units: number): bigint {
  return units < 0 ? 0n : BigInt(units);
}

function safe(value: bigint): number {
  return value > BigInt(MOST) ? MOST : Number(value);
}
