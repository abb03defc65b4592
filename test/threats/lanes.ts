/** Rows that have to hold on both lanes: each lane has a world of its own. */
import { describe } from "vitest";
import { LANES } from "#test/support/lanes.ts";
import { type Row, testRows } from "./runner.ts";
import { sharedWorld } from "./shared-world.ts";
import type { WorldOptions } from "./world-config.ts";

export function testRowsOnBothLanes(rows: readonly Row[], options: WorldOptions = {}): void {
  describe.each(LANES)("on the lane %s", (lane) => {
    testRows(rows, sharedWorld({ ...options, lane }));
  });
}
