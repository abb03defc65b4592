/** What a request names at a place of it, for rules that compare it with the caller. Worker thread, pure. */
import type { RequestPlace } from "#config/access-settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { Target } from "#data-plane/route/path.ts";
import { queryParameter } from "#data-plane/route/query.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";

/** A request whose route is known. */
export interface Asked {
  readonly route: CompiledRoute;
  /** The path parameters, in the order of `route.parameters`, as they stand in the path. */
  readonly values: readonly string[];
  readonly target: Target;
  readonly head: RequestHead;
}

/** The text there, null when there is none, or why two apps could read it in two ways. */
export function namedValue(place: RequestPlace, asked: Asked): string | null | Refusal {
  switch (place.in) {
    case "path":
      return pathParameter(place.name, asked);
    case "query":
      return queryParameter(asked.target.query, place.name);
    case "header":
      return headerValue(place.name, asked.head);
  }
}

/** The decoded value; the path was checked to be valid UTF-8. */
function pathParameter(name: string, { route, values }: Asked): string | null {
  const value = values[route.parameters.indexOf(name)];
  return value === undefined ? null : decodeURIComponent(value);
}

/** Once and under its own name: to some apps `x.account` is `x-account`. What `Connection` names does not reach the app. */
function headerValue(wanted: string, { names, raw, connectionOptions }: RequestHead): string | null | Refusal {
  let value: string | null = null;
  for (const [index, name] of names.entries()) {
    if (name.replace(/[^a-z0-9-]/g, "-") !== wanted) continue;
    if (value !== null || name !== wanted || connectionOptions.includes(name)) return unclear(wanted);
    value = raw[2 * index + 1] ?? "";
  }
  return value;
}

function unclear(name: string): Refusal {
  return refuse("malformed_request", `header:${name}`, `The header ${name} must be there once, and no other like it`);
}
