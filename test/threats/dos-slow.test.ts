/** The rows about slow clients, on both lanes in one run. */
import { describe } from "vitest";
import { dosSlow } from "./dos-slow.ts";
import { testLoneRows } from "./runner.ts";

describe.each(["auto", "full"] as const)("lane %s", (lane) => {
  testLoneRows(dosSlow(lane));
});
