/** What a lane is given: all its connections and requests share it. Worker thread. */
import type { Gate } from "#data-plane/gate.ts";
import type { FaultListener } from "#data-plane/metering/measurement.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import type { RefusalLog } from "#data-plane/refusal-log.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";
import type { Saturation } from "#data-plane/saturation.ts";
import type { ClientRoom } from "./client-room.ts";
import type { LastingOnes } from "./lasting.ts";

export interface LaneParts {
  readonly gate: Gate;
  readonly settler: Settler;
  readonly meterFault: FaultListener;
  readonly metrics: WorkerMetrics;
  readonly refusals: RefusalLog;
  readonly room: ClientRoom;
  readonly saturation: Saturation;
  readonly lasting: LastingOnes;
}
