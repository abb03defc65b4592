/** The rows about slow clients, on both lanes in one run of CI. */
import { describe } from "vitest";
import { LANES } from "#test/support/lanes.ts";
import { dosSlow } from "./dos-slow.ts";
import { testLoneRows } from "./runner.ts";

describe.each(LANES)("lane %s", (lane) => {
  testLoneRows(dosSlow(lane));
});
