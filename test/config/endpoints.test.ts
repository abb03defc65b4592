/** `endpoints.rules`: which of the gateway's own endpoints a file may name, and what several rules ask of one. */
import { expect, test } from "vitest";
import { demandsOn } from "#config/endpoint-rules.ts";
import { BUILTIN_ROUTES } from "#config/builtin-routes.ts";
import { BASE, faultsOf, settingsOf } from "./faults-of.ts";

const MORE =
  "roles: { Admin: ['*'], Owner: ['*'] }\nrates: { few: { limit: 5, per: 1h }, slow: { limit: 2, per: 1h } }\n";

/** Line 8 on is `rules`, one for each line. */
function file(...rules: readonly unknown[]): string {
  const lines = rules.map((rule) => `    - ${JSON.stringify(rule)}\n`).join("");
  return `${BASE}${MORE}endpoints:\n  rules:\n${lines}`;
}

test.each([
  [{ operations: ["tollgate.api-keys.crate"] }, '10:22 Unknown endpoint "tollgate.api-keys.crate" (did you mean "tollgate.api-keys.create"?)'],
  [{ operations: ["api-keys.*"] }, expect.stringContaining('10:22 Unknown endpoint "api-keys.*" (see docs/endpoints.md')],
  [{ operations: ["tollgate.admin.*"] }, expect.stringContaining("10:22 Unknown endpoint \"tollgate.admin.*\" (the admin API is on listen with server.adminOnListen: true alone")],
  [{ operations: [] }, expect.stringContaining("10:21 Expected")],
  [{ operations: ["tollgate.auth.me"], require: { account: "path.id" } }, expect.stringContaining('Unknown key "account"')],
  [{ operations: ["tollgate.auth.me"], require: { roles: ["Admn"] } }, expect.stringContaining('Unknown role "Admn" (did you mean "Admin"?)')],
  [{ operations: ["tollgate.auth.me"], require: { permissions: ["a*"] } }, expect.stringContaining("Expected * alone or at the end")],
  [{ operations: ["tollgate.auth.me"], require: { features: ["sso"] } }, expect.stringContaining('No plan has the feature "sso"')],
  [{ operations: ["tollgate.auth.me"], rates: ["fwe"] }, expect.stringContaining('Unknown rate "fwe" (did you mean "few"?)')],
  [{ operations: ["tollgate.auth.me"], rates: [{ rate: "few", cost: 6 }] }, expect.stringContaining("Expected at most 5")],
  [{ operations: ["tollgate.auth.me"], schemes: ["jwt"] }, expect.stringContaining("Expected an issuer for schemes: [jwt]")],
  [{ operations: ["tollgate.health"], require: { roles: ["Admin"] } }, expect.stringContaining("Expected an endpoint that takes credentials beside require")],
  [{ operations: ["tollgate.health*"], schemes: ["key"] }, expect.stringContaining('Expected an endpoint that takes credentials beside schemes, got "tollgate.health*"')],
])("%j is refused", (rule, fault) => {
  expect(faultsOf(file(rule))).toEqual([fault]);
}); // biome-ignore format: a table

test("what several rules ask of one endpoint has to be possible, and is said once", () => {
  const keys = ["tollgate.api-keys.*"];
  const roles = (name: string) => ({ operations: keys, require: { roles: [name] } });
  expect(faultsOf(file(roles("Admin"), roles("Owner")))).toEqual([
    expect.stringContaining("Another rule names roles for tollgate.api-keys.list already (name them in one rule)"),
  ]);
  const rates = { operations: keys, rates: ["few"] };
  expect(faultsOf(file(rates, { operations: ["tollgate.*"], rates: ["slow", "few"] }))).toEqual([
    expect.stringMatching(/^11:\d+ The rate "few" holds for tollgate\.api-keys\.list already/),
  ]);
  const issuer = "identity: { issuers: [{ name: local, preset: local, audiences: [a] }] }\n";
  const schemes = (scheme: string) => ({ operations: keys, schemes: [scheme] });
  expect(faultsOf(issuer + file(schemes("jwt"), schemes("key")))).toEqual([
    expect.stringContaining("Expected a scheme that all rules for tollgate.api-keys.list take"),
  ]);
  expect(faultsOf(issuer + file(schemes("jwt"), { ...schemes("jwt"), rates: ["few"] }))).toEqual([]);
});

test("rules add up; those who are not identified are asked for nothing", () => {
  const { endpoints } = settingsOf(
    file(
      { operations: ["tollgate.*"], require: { scopes: ["own"] }, rates: ["few"] },
      {
        operations: ["tollgate.api-keys.create"],
        require: { roles: ["Admin"], scopes: ["own", "keys"] },
        schemes: ["key"],
      },
    ),
  );
  const on = (name: string) => {
    const route = BUILTIN_ROUTES.find((one) => one.name === name);
    if (route === undefined) throw new Error(name);
    const { schemes, require, rates } = demandsOn(route, endpoints.rules);
    return [schemes, require.roles, require.scopes, rates.map((rate) => rate.name)];
  };
  expect(on("tollgate.api-keys.create")).toEqual([["key"], ["Admin"], ["own", "keys"], ["few"]]);
  expect(on("tollgate.api-keys.list")).toEqual([["jwt", "key"], [], ["own"], ["few"]]);
  expect(on("tollgate.health")).toEqual([["jwt", "key"], [], [], ["few"]]);
});
