/** Rules for `endpoints`: words name endpoints, and what several rules ask of one can be had. Main thread. */
import { SCHEMES } from "./access-settings.ts";
import { type BuiltinRoute, builtinRoutesOf } from "./builtin-routes.ts";
import { isNamed } from "./endpoint-rules.ts";
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkAccess } from "./rules-access.ts";
import { didYouMean } from "./suggest.ts";
import type { EndpointRulePart, Item, View } from "./view.ts";

export function checkEndpoints(view: View, report: Report): void {
  const served = builtinRoutesOf({ adminOnListen: view.server.adminOnListen ?? false });
  for (const rule of view.endpointRules) {
    checkAccess(view, rule, report);
    for (const [index, word] of rule.value.operations.entries())
      checkWord(word, served, [...rule.path, "operations", index], report);
    checkOpen(rule, served, report);
  }
  const said = new Set<string>();
  for (const { name } of served) checkTogether(rulesOn(name, view.endpointRules), name, said, report);
}

type Rule = Item<EndpointRulePart>;

function rulesOn(name: string, rules: readonly Rule[]): readonly Rule[] {
  return rules.filter(({ value }) => value.operations.some((word) => isNamed(name, word)));
}

function checkWord(word: string, served: readonly BuiltinRoute[], at: Path, report: Report): void {
  if (served.some(({ name }) => isNamed(name, word))) return;
  const names = served.map(({ name }) => name);
  const isOff = builtinRoutesOf({ adminOnListen: true }).some(({ name }) => isNamed(name, word));
  const hint = isOff
    ? "the admin API is on listen with server.adminOnListen: true alone; rules are not for the admin listener"
    : (didYouMean(word, names) ?? "see docs/endpoints.md, such as tollgate.api-keys.create or tollgate.api-keys.*");
  report.value(at, `Unknown endpoint ${JSON.stringify(word)}`, hint);
}

/** Of those who call endpoints without credentials nothing can be asked: a word that names no other would say something that does not hold. */
function checkOpen({ path, value }: Rule, served: readonly BuiltinRoute[], report: Report): void {
  for (const [index, word] of value.operations.entries()) {
    const named = served.filter(({ name }) => isNamed(name, word));
    if (named.length === 0 || named.some(({ auth }) => auth !== "none")) continue;
    for (const key of ["require", "schemes"] as const)
      if (value[key] !== undefined)
        report.value(
          [...path, "operations", index],
          `Expected an endpoint that takes credentials beside ${key}, got ${JSON.stringify(word)}`,
          "it identifies nobody",
        );
  }
}

/** What several rules ask of one endpoint: roles are one of a list, so that two lists cannot be one. Each fault once, for its first endpoint. */
function checkTogether(rules: readonly Rule[], name: string, said: Set<string>, report: Report): void {
  const say = (at: Path, message: string, hint?: string) => {
    const key = at.join("/");
    if (!said.has(key)) report.value(at, message, hint);
    said.add(key);
  };
  const withRoles = rules.filter(({ value }) => (value.require?.roles ?? []).length > 0);
  for (const { path } of withRoles.slice(1))
    say([...path, "require", "roles"], `Another rule names roles for ${name} already`, "name them in one rule");
  const rates = rules.flatMap(({ path, value }) =>
    (value.rates ?? []).map((rate, index) => ({
      at: [...path, "rates", index],
      rate: typeof rate === "string" ? rate : rate.rate,
    })),
  );
  for (const [index, { at, rate }] of rates.entries())
    if (rates.slice(0, index).some((before) => before.rate === rate))
      say(at, `The rate ${JSON.stringify(rate)} holds for ${name} already`, "name it once for each endpoint");
  const narrowed = rules.filter(({ value }) => value.schemes !== undefined);
  const last = narrowed.at(-1);
  const isTaken = SCHEMES.some((scheme) => narrowed.every(({ value }) => value.schemes?.includes(scheme) === true));
  if (last !== undefined && !isTaken)
    say([...last.path, "schemes"], `Expected a scheme that all rules for ${name} take`);
}
