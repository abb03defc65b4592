/**
 * How `npm test` runs: every test/**\/*.test.ts, two at a time (the tests start gateways of their own, and the smallest machine has two
 * cores), each file in its own process, but for those of `UNITS`. What counts as a failure in CI is tools/summary.mjs.
 * Everybody's own run is to end within five minutes: what takes long by its nature (`SLOW`) runs in CI, and when files are named, as in
 * `npm test -- test/threats/dos.test.ts`.
 * Gateways of the tests have the fast lane; TOLLGATE_LANE=full runs everything on the other one. With TOLLGATE_LONG=1 (CI) what is about
 * the wire runs on both, and the other tests of traffic run a second time on the full lane, with short rounds: `server.lane` may make no
 * difference to any of them.
 */
import { defineConfig } from "vitest/config";

/** A guard against hanging, not a measure of speed: long rounds do up to fifty times the work, on machines that others use too. */
const IS_LONG = process.env.TOLLGATE_LONG === "1";
const TEST_TIMEOUT_MS = IS_LONG ? 600_000 : 30_000;

/**
 * What waits for time limits and disks, floods, tries every value everywhere, or starts gateways, commands or a browser again and again.
 * What each of these features is has a test in everybody's own run too.
 */
const SLOW = [
  "test/threats/{config,dos,dos-*,durability,durability-*,jwt-keys,jwt-presets,limits}.test.ts",
  "test/durability/{admin-kill,kill}.test.ts",
  "test/lanes/differential.test.ts",
  "test/hostile/{accepted,splits}.test.ts",
  "test/blackbox/{client-tls-life,crowd,docs-page,exact-crowd,explain,limits-clock,limits-flood,odd-values,reconcile,restarts,slow-readers}.test.ts",
  "test/blackbox/{admin-bulk,admin-storm,cli-accounts,cli-audit,cli-keys,first-sight-races,imports,key-restarts,keys-import,ownership-model,propagation,users-bulk}.test.ts",
];
const namesFiles = process.argv.slice(3).some((argument) => !argument.startsWith("-"));

/** What calls the code itself. Two processes for all of them: to start one takes longer than most of these files. */
const UNITS = "test/{config,control-plane,core,data-plane,guards,shared}/**/*.test.ts";

const units = { extends: true as const, test: { name: "units", include: [UNITS], isolate: false } };

const everything = {
  extends: true as const,
  test: { name: "tests", include: ["test/**/*.test.ts"], exclude: [UNITS, ...(IS_LONG || namesFiles ? [] : SLOW)] },
};

const fullLane = {
  extends: true as const,
  test: {
    name: "full lane",
    include: ["test/{blackbox,durability,threats}/**/*.test.ts"],
    exclude: [
      // These start gateways of both lanes by themselves.
      "test/threats/{framing,path,response,dos}*.test.ts",
      "test/blackbox/{client-tls,client-tls-life,ends-of-both-lanes,held-requests,lanes,ownership}.test.ts",
      "test/blackbox/{revoked-streams,tenant-rules,upstream-credentials}.test.ts",
      // Disks, commands and the control API's own affairs do not know lanes.
      "test/threats/{durability-media,config}.test.ts",
      "test/durability/admin-kill.test.ts",
      "test/blackbox/{audit,cli*,explain,imports,secrets,docs-page,odd-values,operations,golden-matrix}.test.ts",
      "test/blackbox/{key-power,key-reveal,keys-import,keys-verify,ownership-admin}.test.ts",
      "test/blackbox/{admin-accounts,admin-bulk,admin-clear-limits,admin-stats,admin-storm,admin-token,users-admin,users-bulk}.test.ts",
    ],
    env: { TOLLGATE_LANE: "full", TOLLGATE_LONG: "" },
  },
};

// oxlint-disable-next-line import/no-default-export -- vitest reads its configuration from the default export
export default defineConfig({
  test: {
    projects: IS_LONG ? [units, everything, fullLane] : [units, everything],
    setupFiles: ["test/support/properties.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: TEST_TIMEOUT_MS,
    hookTimeout: 60_000,
    passWithNoTests: false,
    allowOnly: false,
  },
});
