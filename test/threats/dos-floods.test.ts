/** The rows about floods, on both lanes in one run of CI. */
import { describe } from "vitest";
import { LANES } from "#test/support/lanes.ts";
import { DOS_CACHES, dosCaches } from "./dos-caches.ts";
import { dosFloods } from "./dos-floods.ts";
import { dosMemory } from "./dos-memory.ts";
import { testLoneRows } from "./runner.ts";

testLoneRows(DOS_CACHES);

describe.each(LANES)("lane %s", (lane) => {
  testLoneRows([dosFloods(lane), dosCaches(lane), dosMemory(lane)].flat());
});
