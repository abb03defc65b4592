/** What routes and endpoints ask of their callers, from the file to settings. Main thread, pure. See `normalize.ts`. */
import { SCHEMES, type EndpointRule, type OwnRule, type RequireSettings, type RouteRate } from "./access-settings.ts";
import { requestPlace } from "./request-place.ts";
import type { EndpointRulePart, RoutePart } from "./view.ts";

export function normalizeEndpointRule(rule: EndpointRulePart): EndpointRule {
  return {
    operations: rule.operations,
    schemes: rule.schemes ?? SCHEMES,
    require: normalizeRequire(rule.require ?? {}),
    rates: normalizeRates(rule.rates),
  };
}

export function normalizeRates(rates: RoutePart["rates"]): readonly RouteRate[] {
  return (rates ?? []).map((rate) =>
    typeof rate === "string" ? { name: rate, cost: 1 } : { name: rate.rate, cost: rate.cost },
  );
}

export function normalizeRequire(require: NonNullable<RoutePart["require"]>): RequireSettings {
  return {
    roles: require.roles ?? [],
    permissions: require.permissions ?? [],
    scopes: require.scopes ?? [],
    features: require.features ?? [],
    account: require.account === undefined ? null : requestPlace(require.account),
    owner: require.owner === undefined ? null : requestPlace(require.owner),
    own: require.own === undefined ? null : ownRule(require.own),
    resource:
      require.resource === undefined ? null : { kind: require.resource.kind, id: requestPlace(require.resource.id) },
  };
}

function ownRule(text: string): OwnRule {
  if (text === "resource") return { in: "resource" };
  return text === "header" ? { in: "data-scope" } : requestPlace(text);
}
