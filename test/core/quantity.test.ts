/** Whole units from values as written, against BigInt arithmetic that starts from digits and exponent instead of text. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Fraction, isNumeral, parseFraction, type Rounding, type Scaling, unitsOf } from "#core/quantity.ts";

const ONE: Fraction = { num: 1n, den: 1n };
const PLAIN: Scaling = { scale: ONE, round: "up", minimum: 0 };
const UNITS_MAX = 2n ** 53n - 1n;

/** The exact units of digits × 10^exponent, by comparing products only: no division, no text. */
function isRight(units: bigint, digits: bigint, exponent: number, { scale, round }: Scaling): boolean {
  const num = digits * scale.num * 10n ** BigInt(Math.max(exponent, 0));
  const den = scale.den * 10n ** BigInt(Math.max(-exponent, 0));
  if (round === "up") return (units - 1n) * den < num && num <= units * den;
  if (round === "down") return units * den <= num && num < (units + 1n) * den;
  return (2n * units - 1n) * den <= 2n * num && 2n * num < (2n * units + 1n) * den;
}

const rounding = fc.constantFrom<Rounding>("up", "down", "nearest");
const anyScale = fc
  .tuple(fc.bigInt({ min: 1n, max: 10n ** 18n }), fc.bigInt({ min: 1n, max: 10n ** 18n }))
  .map(([num, den]) => ({ num, den }));
const fewScales = fc.constantFrom<Fraction>(
  ONE,
  { num: 1n, den: 60n },
  { num: 1n, den: 1_000n },
  { num: 1_000n, den: 1n },
);
const scaling = fc.record({ scale: fc.oneof(fewScales, anyScale), round: rounding, minimum: fc.constant(0) });

/** Digits with the decimal point anywhere, leading zeros and an exponent. */
const numeral = fc
  .record({
    digits: fc.oneof(fc.bigInt({ min: 0n, max: 10n ** 4n }), fc.bigInt({ min: 0n, max: 10n ** 40n })),
    zeros: fc.nat({ max: 3 }),
    point: fc.nat({ max: 45 }),
    exponent: fc.option(fc.integer({ min: -60, max: 60 }), { nil: null }),
    capital: fc.boolean(),
    plus: fc.boolean(),
  })
  .map(({ digits, zeros, point, exponent, capital, plus }) => {
    const all = "0".repeat(zeros) + String(digits);
    const decimals = Math.min(point, all.length);
    const whole = all.slice(0, all.length - decimals);
    const mantissa = decimals === 0 ? whole : `${whole}.${all.slice(all.length - decimals)}`;
    const sign = plus && exponent !== null && exponent >= 0 ? "+" : "";
    const tail = exponent === null ? "" : `${capital ? "E" : "e"}${sign}${exponent}`;
    return { text: mantissa + tail, digits, exponent: (exponent ?? 0) - decimals };
  });

test("units are exact, whatever the value, the scale and the rounding", () => {
  fc.assert(
    fc.property(numeral, scaling, ({ text, digits, exponent }, how) => {
      const units = unitsOf(text, how);
      const isExact = typeof units === "number" && isRight(BigInt(units), digits, exponent, how);
      expect(isAbove(digits, exponent, how) ? units === "too_large" : isExact).toBe(true);
    }),
    { numRuns: 3_000 },
  );
});

/** Whether the value comes to more than 2^53 - 1 units. */
function isAbove(digits: bigint, exponent: number, { scale: { num, den }, round }: Scaling): boolean {
  const left = digits * num * 10n ** BigInt(Math.max(exponent, 0));
  const right = den * 10n ** BigInt(Math.max(-exponent, 0));
  if (round === "up") return left > UNITS_MAX * right;
  return round === "down" ? left >= (UNITS_MAX + 1n) * right : 2n * left >= (2n * UNITS_MAX + 1n) * right;
}

test("the same text below zero is negative, unless it is zero", () => {
  fc.assert(
    fc.property(numeral, scaling, ({ text, digits }, how) => {
      expect(unitsOf(`-${text}`, how)).toBe(digits === 0n ? 0 : "negative");
    }),
  );
});

test("numbers count as the shortest text that reads back as them", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 2 ** 53 - 1, noNaN: true }), (value) => {
      expect(unitsOf(value, PLAIN)).toBe(Math.ceil(value));
      expect(unitsOf(value, { ...PLAIN, round: "down" })).toBe(Math.floor(value));
    }),
  );
});

test("a value that was found counts at least the minimum, and more when it comes to more", () => {
  fc.assert(
    fc.property(numeral, scaling, fc.nat({ max: 1_000 }), ({ text }, how, minimum) => {
      const without = unitsOf(text, how);
      const wanted = typeof without === "string" ? without : Math.max(without, minimum);
      expect(unitsOf(text, { ...how, minimum })).toBe(wanted);
    }),
  );
});

test.each([
  ["0", 0], ["-0", 0], ["-0.0e9", 0], ["0e99999", 0], ["7", 7], ["007", 7], ["+5", 5], [".5", 1], ["5.", 5], ["1.5", 2],
  ["12.5e1", 125], ["1e0", 1], ["1E+3", 1_000], ["1e-400", 1], ["9007199254740991", 2 ** 53 - 1], ["9007199254740990.1", 2 ** 53 - 1],
  ["9007199254740991.1", "too_large"], ["9007199254740992", "too_large"], ["9007199254740993", "too_large"],
  ["1e400", "too_large"], ["1e999999999999999999999", "too_large"], 
  
  
  ["-1", "negative"], ["-1e-9999", "negative"], ["-1e9999", "negative"],
  ["", "not_a_number"], [" 5", "not_a_number"], ["5 ", "not_a_number"], ["5\n", "not_a_number"], ["abc", "not_a_number"],
  ["NaN", "not_a_number"], ["Infinity", "not_a_number"], ["-Infinity", "not_a_number"], ["0x10", "not_a_number"], ["1_000", "not_a_number"],
  ["1,000", "not_a_number"], ["1e", "not_a_number"], ["1e+", "not_a_number"], ["1e1.5", "not_a_number"], ["e5", "not_a_number"],
  [".", "not_a_number"], ["-", "not_a_number"], ["+", "not_a_number"], ["--1", "not_a_number"], ["1.2.3", "not_a_number"],
  ["٣", "not_a_number"], ["1\u0000", "not_a_number"], 
  [Number.NaN, "not_a_number"], [Number.POSITIVE_INFINITY, "not_a_number"], [-1, "negative"], [-0, 0], [1.5, 2], [1e21, "too_large"],
  [Number.MAX_VALUE, "too_large"], [Number.MIN_VALUE, 1], [2 ** 53, "too_large"], [2 ** 53 - 1, 2 ** 53 - 1], [0.1 + 0.2, 1],
] as const)("%j counts %j", (value, expected) => {
  expect(unitsOf(value, PLAIN)).toBe(expected);
}); // biome-ignore format: a table

test("1024 characters are read exactly, one more is too_large when it is a number at all", () => {
  const units = (text: string) => unitsOf(text, PLAIN);
  expect(units(`${"1".repeat(1_018)}e-1017`)).toBe(2);
  expect(units(`${"0".repeat(1_023)}5`)).toBe(5);
  expect(units(`0.${"0".repeat(1_021)}1`)).toBe(1);
  expect(units(`0.${"0".repeat(1_022)}1`)).toBe("too_large");
  expect(units(`1e${"9".repeat(1_000)}`)).toBe("too_large");
  expect(units(`1e-${"9".repeat(1_000)}`)).toBe(1);
  expect(units("a".repeat(1_025))).toBe("not_a_number");
});

test.each([
  ["0.4", "up", 1], ["0.4", "down", 0], ["0.4", "nearest", 0], ["0.5", "nearest", 1], ["0.49999999999999999999", "nearest", 0],
  ["1.5", "nearest", 2], ["2.5", "nearest", 3], ["1e-999999", "up", 1], ["1e-999999", "down", 0], ["1e-999999", "nearest", 0],
  ["9007199254740991.4", "nearest", 2 ** 53 - 1], ["9007199254740991.5", "nearest", "too_large"],
  ["9007199254740991.9", "down", 2 ** 53 - 1],
] as const)("%s rounded %s counts %s", (value, round, expected) => {
  expect(unitsOf(value, { ...PLAIN, round })).toBe(expected);
}); // biome-ignore format: a table

test("61 seconds are two minutes begun, 60 are one, and a call of no length counts the minimum", () => {
  const minutes: Scaling = { scale: { num: 1n, den: 60n }, round: "up", minimum: 1 };
  expect(["60", "60.001", "61", "120e0", "0", "60000e-3", "60001e-3"].map((text) => unitsOf(text, minutes))).toEqual([
    1, 2, 2, 2, 1, 1, 2,
  ]);
});

test("a float's error never rounds up to a unit", () => {
  expect(Math.ceil(0.07 * 100)).toBe(8);
  expect(unitsOf("0.07", { ...PLAIN, scale: { num: 100n, den: 1n } })).toBe(7);
  expect(Math.ceil(110 * 1.1)).toBe(122);
  expect(unitsOf("110", { ...PLAIN, scale: parseFraction("1.1") ?? ONE })).toBe(121);
});

test("a million digits, dots or signs are judged at once", () => {
  for (const text of ["9", ".", "-", "e", "0", " ", "1e"]) {
    const verdict = unitsOf(text.repeat(1_000_000), PLAIN);
    expect(["too_large", "not_a_number"]).toContain(verdict);
  }
});

test("isNumeral is what unitsOf can read", () => {
  const text = fc.oneof(
    numeral.map((one) => one.text),
    fc.string({ unit: fc.constantFrom("0", "9", ".", "e", "E", "+", "-", " ", "x"), maxLength: 8 }),
  );
  fc.assert(
    fc.property(text, (source) => {
      expect(isNumeral(source)).toBe(unitsOf(source, PLAIN) !== "not_a_number");
    }),
    { numRuns: 1_000 },
  );
  expect(isNumeral("1".repeat(1_024))).toBe(true);
  expect(isNumeral("1".repeat(1_025))).toBe(false);
});

test.each([
  ["1/60", 1n, 60n], ["0.001", 1n, 1_000n], [1_000, 1_000n, 1n], ["1000", 1_000n, 1n], [0.1, 1n, 10n], [1e-7, 1n, 10_000_000n],
  ["2/4", 1n, 2n], ["2.5/3", 5n, 6n], [" 1 / 60 ", 1n, 60n], ["1e3", 1_000n, 1n], ["1e18", 10n ** 18n, 1n], ["1/1e18", 1n, 10n ** 18n],
  ["1e20/1e10", 10n ** 10n, 1n],
] as const)("the fraction %j is %i/%i", (text, num, den) => {
  expect(parseFraction(text)).toEqual({ num, den });
}); // biome-ignore format: a table

test.each([
  "", "/", "1/", "/1", "1/0", "0", 0, "0/5", "-1", "-1/60", "1/-60", "-1/-60", "a", "1/2/3", "1 2", "1e19", "1e-19", "1e999999999",
  "1e-999999999", "1e9999/1e9999", Number.NaN, Number.POSITIVE_INFINITY, 1e300, "1:60", "1/60s",
])("%j is no fraction", (text) => {
  expect(parseFraction(text)).toBeNull();
}); // biome-ignore format: a list

test("a fraction has at most 64 characters", () => {
  expect(parseFraction(`${"0".repeat(63)}1`)).toEqual(ONE);
  expect(parseFraction(`${"0".repeat(64)}1`)).toBeNull();
});

test("fractions come in lowest terms and keep their value", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.integer({ min: 1, max: 2 ** 31 }), (above, below) => {
      const { num, den } = parseFraction(`${above}/${below}`) ?? { num: 0n, den: 0n };
      expect(num * BigInt(below)).toBe(den * BigInt(above));
      expect(parseFraction(`${num}/${den}`)).toEqual({ num, den });
      expect(num).toBeLessThanOrEqual(BigInt(above));
    }),
  );
});
