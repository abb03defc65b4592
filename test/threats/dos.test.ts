/** The rows about exhaustion, on both lanes in one run. */
import { describe } from "vitest";
import { dosConnections } from "./dos-connections.ts";
import { dosOverload } from "./dos-overload.ts";
import { testLoneRows } from "./runner.ts";

describe.each(["auto", "full"] as const)("lane %s", (lane) => {
  testLoneRows([dosConnections(lane), dosOverload(lane)].flat());
});
