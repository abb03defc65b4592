/** The micro-benchmark of admit and settle runs, and comes to microseconds. What it really costs is measured on a quiet machine: `bench/micro/admit.ts`. */
import { expect, test } from "vitest";
import { measureAdmit } from "../../../bench/micro/admit.ts";

test.each([false, true])("three rates and two quotas, journal written: %s", async (journalled) => {
  const micros = await measureAdmit(2_000, journalled);
  // CPU time of a thread that shares its cores with all other tests; a hundred times what is promised.
  expect(micros).toBeGreaterThan(0.1);
  expect(micros).toBeLessThan(200);
});
