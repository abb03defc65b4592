/**
 * How `npm test` runs: every test/**\/*.test.ts, each file in its own process, two at a time (the tests start gateways of
 * their own, and the smallest machine has two cores). Leaves nothing out; what counts as a failure in CI is tools/summary.mjs.
 */
import { defineConfig } from "vitest/config";

// oxlint-disable-next-line import/no-default-export -- vitest reads its configuration from the default export
export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: [],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    passWithNoTests: false,
    allowOnly: false,
  },
});
