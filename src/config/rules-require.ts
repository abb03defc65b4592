/** Rules for what a route asks of its callers and what it tells of owners: that it can be asked, and means something. Main thread. */
import { parseMeterSource } from "#core/meter-source.ts";
import { isOwn } from "#core/permissions.ts";
import type { Path } from "./locate.ts";
import { parseTemplate } from "./path-template.ts";
import type { Report } from "./report.ts";
import { requestPlace } from "./request-place.ts";
import { meanOrList } from "./suggest.ts";
import type { Item, RoutePart, View } from "./view.ts";

/** Headers that say who calls, or how a request came: the app gets the gateway's own, whatever a client sends. */
const GATEWAYS_HEADER = /^(x-(tollgate|consumer|user|credential|authenticated|anonymous|forwarded)-|forwarded$|host$)/;

/** Where ids are read from. */
export function checkResources({ resources }: View, report: Report): void {
  for (const { path, value } of resources) {
    const source = value.id === undefined ? null : parseMeterSource(value.id);
    if (source !== null && "fault" in source) report.value([...path, "id"], source.fault);
  }
}

export function checkRequire(view: View, route: Item<RoutePart>, report: Report): void {
  checkOwners(view, route, report);
  const { path, value } = route;
  const { require } = value;
  if (require === undefined) return;
  const at = [...path, "require"];
  for (const key of ["account", "owner", "own"] as const) {
    const place = require[key];
    if (place !== undefined && place !== "header" && place !== "resource")
      checkPlace(place, value, [...at, key], report);
  }
  if (require.resource !== undefined) {
    checkKind(view, require.resource.kind, [...at, "resource", "kind"], report);
    checkPlace(require.resource.id, value, [...at, "resource", "id"], report);
  } else if (require.own === "resource") {
    report.value([...at, "own"], "Expected a resource beside own: resource", "add resource: { kind, id }");
  }
  if (require.own !== undefined) checkOwn(require.permissions ?? [], at, report);
}

function checkOwners(view: View, { path, value }: Item<RoutePart>, report: Report): void {
  const { learns, forgets, require } = value;
  if (learns !== undefined) checkKind(view, learns, [...path, "learns"], report);
  if (learns !== undefined && value.auth === "none")
    report.key([...path, "learns"], "Expected no learns with auth: none", "nobody is identified");
  if (forgets !== undefined && forgets !== require?.resource?.kind)
    report.value([...path, "forgets"], "Expected the kind of require.resource", "it says which one is forgotten");
}

function checkKind({ names }: View, kind: string, at: Path, report: Report): void {
  if (names.resources.includes(kind)) return;
  report.value(at, `Unknown resource ${JSON.stringify(kind)}`, meanOrList(kind, names.resources, "resources"));
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
