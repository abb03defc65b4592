/**
 * From a value as it was written (`12.5`, `1e3`, "7") to whole units of a meter, in exact decimal arithmetic. Pure, any thread.
 * Not here: where the value comes from (`core/meter-source.ts`), and what a fault costs the caller.
 */

/** A positive fraction in lowest terms; both parts 1 to 10^18. */
export interface Fraction {
  readonly num: bigint;
  readonly den: bigint;
}

/** How a fraction of a unit is counted; `nearest` takes a half up. */
export type Rounding = "up" | "down" | "nearest";

export interface Scaling {
  /** Units for each 1 of the value. */
  readonly scale: Fraction;
  readonly round: Rounding;
  /** Whole units, 0 to 2^53 - 1. The least that a value counts, 0 included: with a minimum of 1 a call of 0 s counts 1. */
  readonly minimum: number;
}

/**
 * Why there are no units:
 * `missing` nothing was found; `not_a_number` something else was; `negative` below 0; `too_large` above 2^53 - 1 units, or
 * written with more than 1024 characters; `over_cap` the body was larger than what is read of it; `unreadable` it was no JSON.
 */
export type QuantityFault = "missing" | "not_a_number" | "negative" | "too_large" | "over_cap" | "unreadable";

/** Longest numeral that is read, in characters: bounds the arithmetic, which grows with the digits. */
export const NUMERAL_CHARS_MAX = 1_024;

/**
 * Exponents beyond this change no result: at most 1024 digits and a scale within 10^±18 leave a value far above 2^53 units,
 * or far below half a unit, either way.
 */
const EXPONENT_MAX = 4_096;
const FRACTION_CHARS_MAX = 64;
const FRACTION_PART_MAX = 10n ** 18n;
const UNITS_MAX = BigInt(Number.MAX_SAFE_INTEGER);

/** Sign, whole digits, decimals, exponent. More than JSON has: `007`, `+5`, `.5` and `5.` say what they mean too. */
const NUMERAL = /^([+-]?)(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?(?:[eE]([+-]?[0-9]+))?$/;

/** Whether `unitsOf` can read the text as a number: decimal, no blanks, at most 1024 characters. */
export function isNumeral(text: string): boolean {
  return text.length <= NUMERAL_CHARS_MAX && NUMERAL.test(text);
}

/**
 * Units of a value, 0 to 2^53 - 1: value × scale, rounded, but at least the minimum. No step goes through a float: a text
 * counts as written, a number as the shortest text that reads back as it. Milliseconds as seconds are `${ms}e-3`.
 * `-0` is 0; `NaN`, `Infinity`, `0x10`, `1,000` and blanks are `not_a_number`. Never throws.
 */
export function unitsOf(value: string | number, scaling: Scaling): number | QuantityFault {
  const decimal = decimalOf(String(value));
  if (typeof decimal === "string") return decimal;
  if (decimal.num < 0n) return "negative";
  const { scale, round, minimum } = scaling;
  const units = rounded(decimal.num * scale.num, decimal.den * scale.den, round);
  return units > UNITS_MAX ? "too_large" : Math.max(Number(units), minimum);
}

/** The fraction in `1/60`, `0.001`, `2.5/3` or 1000; null when it is none, not above 0, or has a part above 10^18. */
export function parseFraction(value: string | number): Fraction | null {
  const text = String(value);
  const [above = "", below = "1", ...more] = text.split("/").map((part) => part.trim());
  if (text.length > FRACTION_CHARS_MAX || more.length > 0) return null;
  const [dividend, divisor] = [decimalOf(above), decimalOf(below)];
  if (typeof dividend === "string" || typeof divisor === "string") return null;
  if (dividend.num <= 0n || divisor.num <= 0n) return null;
  return lowestTerms(dividend.num * divisor.den, dividend.den * divisor.num);
}

/** A finite decimal, not reduced; `num` carries the sign. */
function decimalOf(text: string): Fraction | QuantityFault {
  const match = NUMERAL.exec(text);
  if (match === null) return "not_a_number";
  if (text.length > NUMERAL_CHARS_MAX) return "too_large";
  const [, sign, whole = "", decimals = "", exponent = "0"] = match;
  const digits = BigInt(whole + decimals);
  if (digits === 0n) return { num: 0n, den: 1n };
  const power = Math.min(Math.max(Number(exponent), -EXPONENT_MAX), EXPONENT_MAX) - decimals.length;
  const num = sign === "-" ? -digits : digits;
  return power < 0 ? { num, den: 10n ** BigInt(-power) } : { num: num * 10n ** BigInt(power), den: 1n };
}

/** `num` ≥ 0. */
function rounded(num: bigint, den: bigint, round: Rounding): bigint {
  const [whole, rest] = [num / den, num % den];
  const counts = round === "up" ? rest > 0n : round === "nearest" && rest * 2n >= den;
  return counts ? whole + 1n : whole;
}

function lowestTerms(num: bigint, den: bigint): Fraction | null {
  const widest = FRACTION_PART_MAX ** 4n; // what 64 characters without an exponent can come to; keeps the divisor's search short
  if (num > widest || den > widest) return null;
  const divisor = greatestDivisor(num, den);
  const lowest = { num: num / divisor, den: den / divisor };
  return lowest.num > FRACTION_PART_MAX || lowest.den > FRACTION_PART_MAX ? null : lowest;
}

function greatestDivisor(larger: bigint, smaller: bigint): bigint {
  return smaller === 0n ? larger : greatestDivisor(smaller, larger % smaller);
}
