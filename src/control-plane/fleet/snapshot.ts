/** From settings to the snapshot workers get: a version, and a lasting place in the metrics table for each route. Main thread, pure. */
import type { Settings } from "#config/settings.ts";
import { builtinRoutesOf } from "#config/builtin-routes.ts";
import type { Snapshot } from "#shared/messages.ts";
import { ROUTE_METRICS_MAX } from "#shared/metrics-table.ts";

/** The place of requests without a route of their own. */
const OTHER = "other";

/** Workers open nothing that is sealed. */
function forWorkers(settings: Settings): Settings {
  return Object.freeze({ ...settings, store: Object.freeze({ ...settings.store, sealingKeys: [] }) });
}

/** `before` is the snapshot in force, whose routes keep their places; `epoch` as `metering/counting.ts` has it. */
export function snapshotOf(settings: Settings, before: Snapshot | null, epoch = 1): Snapshot {
  const places: Record<string, number> = { [OTHER]: ROUTE_METRICS_MAX - 1, ...before?.routeMetrics };
  let next = Object.keys(places).length - 1;
  for (const { name } of [...builtinRoutesOf(settings.server), ...settings.routes]) {
    if (Object.hasOwn(places, name)) continue;
    places[name] = Math.min(next++, ROUTE_METRICS_MAX - 1);
  }
  const version = (before?.version ?? 0) + 1;
  return Object.freeze({ version, epoch, settings: forWorkers(settings), routeMetrics: Object.freeze(places) });
}
