/** The micro-benchmark of the fast lane runs, and comes to microseconds. What it really costs is measured on a quiet machine: `bench/micro/fast-lane.ts`. */
import { expect, test } from "vitest";
import { measureFastLane } from "../../../../bench/micro/fast-lane.ts";

test.each([
  { path: "bare", varied: false },
  { path: "models", varied: true },
] as const)("a request to /$path; fields that change: $varied", async (one) => {
  const micros = await measureFastLane(2_000, one);
  // CPU time of a thread that shares its cores with all other tests; fifty times what it is.
  expect(micros).toBeGreaterThan(0.3);
  expect(micros).toBeLessThan(500);
});
