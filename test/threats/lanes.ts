/** Rows that have to hold on both lanes, whichever one the run is for: each lane has a world of its own. */
import { describe } from "vitest";
import { type Row, testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";
import type { WorldOptions } from "./world-config.ts";

export function testRowsOnBothLanes(rows: readonly Row[], options: WorldOptions = {}): void {
  describe.each(["auto", "full"] as const)("on the lane %s", (lane) => {
    testRows(rows, sharedWorld({ ...options, lane }));
  });
}
