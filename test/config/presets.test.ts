/** What the presets of issuers fill in, and what they want said. */
import { expect, test } from "vitest";
import { BASE, faultsOf, settingsOf } from "./faults-of.ts";

const file = (issuer: object) => `${BASE}identity: { issuers: [${JSON.stringify({ name: "a", ...issuer })}] }\n`;
const issuerOf = (issuer: object) => settingsOf(file(issuer)).identity.issuers[0];

const CLERK = { preset: "clerk", issuer: "https://clerk.example.com" };
const AUTH0 = { preset: "auth0", issuer: "https://t.auth0.com/", audiences: ["b"] };
const COGNITO = {
  preset: "cognito",
  issuer: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_A",
  authorizedParties: ["c"],
};
const DYNAMIC = { preset: "dynamic", issuer: "app.dynamic.xyz/0b8a-1c", audiences: ["b"] };

test.each<[object, object]>([
  [CLERK, { kind: "url", url: "https://clerk.example.com/.well-known/jwks.json" }],
  [AUTH0, { kind: "url", url: "https://t.auth0.com/.well-known/jwks.json" }],
  [COGNITO, { kind: "url", url: "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_A/.well-known/jwks.json" }],
  [DYNAMIC, { kind: "url", url: "https://app.dynamic.xyz/api/v0/sdk/0b8a-1c/.well-known/jwks" }],
  [
    { issuer: "https://id.example/", audiences: ["b"] },
    { kind: "discovery", url: "https://id.example/.well-known/openid-configuration" },
  ],
  [
    { issuer: "https://id.example/realms/a", audiences: ["b"] },
    { kind: "discovery", url: "https://id.example/realms/a/.well-known/openid-configuration" },
  ],
  [
    { ...CLERK, jwks: "https://else.example/k" },
    { kind: "url", url: "https://else.example/k" },
  ],
  [{ preset: "local", audiences: ["b"] }, { kind: "local" }],
])("%j has its keys at %j", (issuer, jwks) => {
  expect(issuerOf(issuer)?.jwks).toEqual(jwks);
});

test("presets say what claims mean; the file's own words go before", () => {
  const who = { user: "sub", account: null, email: "email", name: "name" };
  const plain = { ...who, roles: null, permissions: null, scopes: "scope", plan: null };
  expect(issuerOf(CLERK)?.claims).toEqual({ ...plain, roles: "org_role", permissions: "org_permissions" });
  expect(issuerOf(AUTH0)?.claims).toEqual({ ...plain, permissions: "permissions" });
  expect(issuerOf(COGNITO)?.claims).toEqual({ ...plain, roles: "cognito:groups" });
  expect(issuerOf(DYNAMIC)?.claims).toEqual(plain);
  expect(issuerOf({ ...CLERK, claims: { account: "org_id", roles: "role" } })?.claims).toEqual({
    ...plain,
    account: "org_id",
    roles: "role",
    permissions: "org_permissions",
  });
  expect(issuerOf({ ...DYNAMIC, scopes: ["a"] })?.scopes).toEqual(["a"]);
  expect([issuerOf(CLERK)?.types, issuerOf(AUTH0)?.types]).toEqual([["JWT"], ["JWT", "at+jwt"]]);
  expect(issuerOf({ ...COGNITO, tokenUse: "any" })?.tokenUse).toBe("any");
});

test("a rate's claim is a path too", () => {
  const rate = (by: unknown) => faultsOf(`${BASE}rates: ${JSON.stringify({ a: { limit: 1, per: "1m", by } })}\n`);
  expect([rate('claim:a["b.c"]'), rate(["ip", "claim:a.b"]), rate("claim:https://a.example/b")]).toEqual([[], [], []]);
  const fault = [expect.stringContaining("Expected a claim path")];
  expect([rate("claim:a[b]"), rate(["ip", "claim:a['b']"])]).toEqual([fault, fault]);
});

test.each<[string, object, string]>([
  ["oidc without audiences", { issuer: "https://a.example" }, 'Missing key "audiences"'],
  ["local without audiences", { preset: "local" }, 'Missing key "audiences"'],
  ["auth0 without audiences", { ...AUTH0, audiences: undefined }, 'Missing key "audiences"'],
  ["auth0 without its slash", { ...AUTH0, issuer: "https://t.auth0.com" }, "Expected a slash at its end"],
  ["cognito without its clients", { ...COGNITO, authorizedParties: undefined }, 'Missing key "authorizedParties"'],
  ["dynamic without audiences", { ...DYNAMIC, audiences: undefined }, 'Missing key "audiences"'],
  [
    "local with parties",
    { preset: "local", audiences: ["b"], authorizedParties: ["c"] },
    "Expected no authorizedParties with preset: local",
  ],
  ["local with scopes", { preset: "local", audiences: ["b"], scopes: ["c"] }, "Expected no scopes with preset: local"],
  ["clerk with a slash", { ...CLERK, issuer: "https://clerk.example.com/" }, "Expected no slash at its end"],
  ["a query", { issuer: "https://id.example/?a=b", audiences: ["b"] }, "Expected a URL without query and fragment"],
  ["a fragment", { ...AUTH0, issuer: "https://t.auth0.com/#/" }, "Expected a URL without query and fragment"],
  ["brackets without quotes", { ...CLERK, claims: { roles: "a[b].c" } }, "Expected a claim path"],
  ["single quotes in what is required", { ...CLERK, required: ["a['b']"] }, "Expected a claim path"],
  ["tokenUse elsewhere", { ...CLERK, tokenUse: "id" }, "Expected tokenUse with preset: cognito only"],
  ["another tokenUse", { ...COGNITO, tokenUse: "refresh" }, 'Expected "access", "id" or "any"'],
  ["clerk without a scheme", { ...CLERK, issuer: "clerk.example.com" }, "Expected an http(s) URL"],
  ["clerk over plain http", { ...CLERK, issuer: "http://clerk.example.com" }, "Expected https for a key set"],
  ["dynamic of another shape", { ...DYNAMIC, issuer: "https://app.dynamic.xyz/1" }, 'Missing key "jwks"'],
  ["an issuer that cannot be asked", { issuer: "opaque", audiences: ["b"] }, 'Missing key "jwks"'],
  ["discovery over plain http", { issuer: "http://id.example", audiences: ["b"] }, "Expected https for a key set"],
  [
    "discovery with a password",
    { issuer: "https://u:p@id.example", audiences: ["b"] },
    "without user name and password",
  ],
  ["no audience at all", { ...CLERK, audiences: [] }, "Expected at least one item"],
  ["an unknown preset", { preset: "okta", issuer: "https://a.example" }, "Expected"],
  ["a claim with open quotes", { ...CLERK, claims: { roles: 'a["b' } }, "Expected a claim path"],
])("%s", (_title, issuer, fault) => {
  expect(faultsOf(file(issuer))).toEqual([expect.stringContaining(fault)]);
});
