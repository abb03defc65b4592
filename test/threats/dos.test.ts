/** The rows about exhaustion, on both lanes in one run of CI. Slow clients: `dos-slow.test.ts`; floods: `dos-floods.test.ts`. */
import { describe } from "vitest";
import { LANES } from "#test/support/lanes.ts";
import { dosConnections } from "./dos-connections.ts";
import { dosLogs } from "./dos-logs.ts";
import { dosOverload } from "./dos-overload.ts";
import { testLoneRows } from "./runner.ts";

describe.each(LANES)("lane %s", (lane) => {
  testLoneRows([dosConnections(lane), dosLogs(lane), dosOverload(lane)].flat());
});
