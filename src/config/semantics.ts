/**
 * Meaning across keys: names that lead nowhere, routes that collide, listeners that loop. Main thread.
 * The rules live in `rules-*.ts`; here they are listed. Not here: the shape of single values (`validate.ts`).
 */
import type { Fault } from "./faults.ts";
import { createReport } from "./report.ts";
import { checkEndpoints } from "./rules-endpoints.ts";
import { checkForeignKeys, checkIssuers } from "./rules-identity.ts";
import { checkMembers } from "./rules-members.ts";
import { checkMetering, checkMeterParts, checkRates, checkTimeZone } from "./rules-limits.ts";
import { checkPlans } from "./rules-plans.ts";
import { checkResources } from "./rules-require.ts";
import { checkRoles } from "./rules-roles.ts";
import { checkRoutePairs, checkRoutes } from "./rules-routes.ts";
import { checkServer } from "./rules-server.ts";
import { checkUpstreams } from "./rules-upstreams.ts";
import type { View } from "./view.ts";
import type { YamlSource } from "./yaml-source.ts";

/** Every fault of meaning in the parts of the file whose shape is right. */
export function meaningFaults(source: YamlSource, view: View): readonly Fault[] {
  const report = createReport(source);
  checkServer(view, report);
  checkIssuers(view, report);
  checkForeignKeys(view, report);
  checkMembers(view, report);
  checkRoles(view, report);
  checkTimeZone(view.timeZone, ["timeZone"], report);
  checkRates(view, report);
  checkMeterParts(view, report);
  checkMetering(view, report);
  checkPlans(view, report);
  checkUpstreams(view, report);
  checkResources(view, report);
  checkRoutes(view, report);
  checkRoutePairs(view, report);
  checkEndpoints(view, report);
  return report.faults;
}
