/** Units that are reserved before they are known: the route's constants, a number, or what a header says as far as it can be believed. */
import { expect, test } from "vitest";
import { reservedUnits } from "#data-plane/policy/estimates.ts";
import { runtimeOf } from "./limit-site.ts";
import { routeOf } from "./limit-worker.ts";

const runtime = runtimeOf(`
meters: { a: {}, b: { aggregate: count }, c: { from: upstream, estimate: 7 }, d: { from: upstream }, e: { from: upstream, estimate: "request.header:X-Max" } }
routes:
  - { name: fixed, match: { path: /fixed }, upstream: app, meters: { c: measured, a: 5, d: measured, b: 9 } }
  - { name: told, match: { path: /told }, upstream: app, meters: { e: measured, a: 5 } }
`);

test("constants come first, a count is one, then estimates", () => {
  const route = routeOf(runtime, "fixed");
  expect(route.lines.map(({ meter }) => meter.name)).toEqual(["a", "b", "c", "d"]);
  expect(reservedUnits(route, [])).toEqual([5, 1, 7, 0]);
});

test.each([
  ["12", 12],
  ["0", 0],
  ["0012", 12],
  ["1000000000", 1_000_000_000],
  ["9999999999", 1_000_000_000],
  ["99999999999", 0],
  ["-1", 0],
  ["1.5", 0],
  ["1e3", 0],
  [" 7", 0],
  ["", 0],
  ["NaN", 0],
])("a header of %j reserves %i", (value, units) => {
  expect(reservedUnits(routeOf(runtime, "told"), ["Accept", "*/*", "x-MAX", value, "X-Max", "500"])).toEqual([
    5,
    units,
  ]);
});

test("a header that is not there reserves nothing", () => {
  expect(reservedUnits(routeOf(runtime, "told"), ["X-Maximum", "5"])).toEqual([5, 0]);
});
