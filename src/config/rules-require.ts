/** Rules for what a route asks of its callers: that it can be asked, and means something. Main thread. */
import { isOwn } from "#core/permissions.ts";
import type { Path } from "./locate.ts";
import { parseTemplate } from "./path-template.ts";
import type { Report } from "./report.ts";
import { requestPlace } from "./request-place.ts";
import { checkPermissions } from "./rules-roles.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, RoutePart } from "./view.ts";

/** Headers that say who calls, or how a request came: the app gets the gateway's own, whatever a client sends. */
const GATEWAYS_HEADER = /^(x-(tollgate|consumer|user|credential|authenticated|anonymous|forwarded)-|forwarded$|host$)/;

export function checkRequire({ path, value }: Item<RoutePart>, report: Report): void {
  const { require } = value;
  if (require === undefined) return;
  const at = [...path, "require"];
  checkPermissions(require.permissions ?? [], [...at, "permissions"], report);
  for (const key of ["account", "owner", "own"] as const) {
    const place = require[key];
    if (place !== undefined && place !== "header") checkPlace(place, value, [...at, key], report);
  }
  if (require.own !== undefined) checkOwn(require.permissions ?? [], at, report);
}

function checkPlace(text: string, route: RoutePart, at: Path, report: Report): void {
  const { in: where, name } = requestPlace(text);
  if (where === "header" && GATEWAYS_HEADER.test(name))
    report.value(
      at,
      `Expected a header of the client's own, got ${JSON.stringify(name)}`,
      "the gateway writes this one",
    );
  if (where !== "path") return;
  const parameters = parametersOf(route);
  if (parameters === null || parameters.includes(name)) return;
  const hint =
    parameters.length === 0 ? `the path has none; write {${name}}` : meanOrList(name, parameters, "parameters");
  report.value(at, `Unknown path parameter ${JSON.stringify(name)}`, hint);
}

/** null: the template is broken, and that is told elsewhere. */
function parametersOf({ match }: RoutePart): readonly string[] | null {
  const template = parseTemplate(match.path);
  if (template.kind === "fault") return null;
  return template.segments.flatMap((segment) => (segment.kind === "parameter" ? [segment.name] : []));
}

function checkOwn(permissions: readonly string[], at: Path, report: Report): void {
  if (permissions.length === 0)
    report.key([...at, "own"], "Expected permissions beside own", "it is for callers who have them with :own only");
  for (const [index, permission] of permissions.entries()) {
    if (isOwn(permission))
      report.value(
        [...at, "permissions", index],
        `Expected the permission without :own beside own, got ${JSON.stringify(permission)}`,
        "callers who have it with :own get in by own",
      );
  }
}
