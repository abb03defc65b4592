/**
 * How `npm test` runs: every test/**\/*.test.ts, each file in its own process, two at a time (the tests start gateways of
 * their own, and the smallest machine has two cores). Leaves nothing out; what counts as a failure in CI is tools/summary.mjs.
 */
import { defineConfig } from "vitest/config";

/** A guard against hanging, not a measure of speed: long rounds do up to fifty times the work, on machines that others use too. */
const TEST_TIMEOUT_MS = process.env.TOLLGATE_LONG === "1" ? 600_000 : 30_000;

// oxlint-disable-next-line import/no-default-export -- vitest reads its configuration from the default export
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: 60_000,
    passWithNoTests: false,
    allowOnly: false,
  },
});
