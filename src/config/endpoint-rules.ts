/** What the file asks of callers of the gateway's own endpoints: which rules name which endpoint, and what they ask together. Pure. */
import {
  SCHEMES,
  type EndpointRule,
  NOTHING_REQUIRED,
  type RequireSettings,
  type RouteRate,
  type Scheme,
} from "./access-settings.ts";
import type { BuiltinRoute } from "./builtin-routes.ts";

/** What an endpoint asks, by the file. */
export interface EndpointDemands {
  readonly schemes: readonly Scheme[];
  readonly require: RequireSettings;
  readonly rates: readonly RouteRate[];
}

/** Of endpoints on the admin listener, whom no rule is for. */
export const NO_DEMANDS: EndpointDemands = Object.freeze({ schemes: SCHEMES, require: NOTHING_REQUIRED, rates: [] });

/** Whether `word` of a rule is the endpoint's name, or its beginning with a `*`. */
export function isNamed(name: string, word: string): boolean {
  return word.endsWith("*") ? name.startsWith(word.slice(0, -1)) : word === name;
}

/** All rules that name the endpoint hold (`rules-endpoints.ts` sees to it that they can). Where nobody is identified, only rates do. */
export function demandsOn({ name, auth }: BuiltinRoute, rules: readonly EndpointRule[]): EndpointDemands {
  const own = rules.filter(({ operations }) => operations.some((word) => isNamed(name, word)));
  const rates = own.flatMap((rule) => rule.rates);
  if (auth === "none") return { schemes: SCHEMES, require: NOTHING_REQUIRED, rates };
  const all = (part: "roles" | "permissions" | "scopes" | "features") => [
    ...new Set(own.flatMap(({ require }) => require[part])),
  ];
  return {
    schemes: SCHEMES.filter((scheme) => own.every(({ schemes }) => schemes.includes(scheme))),
    require: {
      ...NOTHING_REQUIRED,
      roles: all("roles"),
      permissions: all("permissions"),
      scopes: all("scopes"),
      features: all("features"),
    },
    rates,
  };
}
