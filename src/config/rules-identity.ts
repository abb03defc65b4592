/** Rules for `identity`: who may sign tokens and where their keys come from. Main thread. */
import { parseClaimPath } from "#core/claim-path.ts";
import { PRESETS, urlFault } from "./issuer-presets.ts";
import { addressOf, isLoopback } from "./listen-address.ts";
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkDuration } from "./rules-server.ts";
import { STANDARD } from "./standard.ts";
import type { IssuerPart, Item, View } from "./view.ts";

const CLOCK_SKEW_MS_MAX = 300_000;
const LIFETIME_MS_MAX = 3_660 * 86_400_000;

/** Checks each issuer, then what must differ between them. */
export function checkIssuers({ issuers }: View, report: Report): void {
  for (const issuer of issuers) checkIssuer(issuer, report);
  refuseRepeated(issuers, ({ name }) => name, "name", report);
  refuseRepeated(issuers, issuerClaim, "issuer", report);
  const [, ...others] = issuers.filter(({ value }) => value.preset === "local");
  for (const { path } of others) report.value([...path, "preset"], "Expected at most one local issuer");
}

/** The exact `iss` value; null where the file has to name one and does not. */
export function issuerClaim(issuer: IssuerPart): string | null {
  return issuer.issuer ?? (issuer.preset === "local" ? STANDARD.localIssuer : null);
}

/** Where the preset has its keys; null: nowhere that can be told from its name. */
export function keySetAddress({ preset, issuer }: IssuerPart): string | null {
  return issuer === undefined ? null : PRESETS[preset ?? "oidc"].keySet(issuer);
}

function checkIssuer(issuer: Item<IssuerPart>, report: Report): void {
  const { path, value } = issuer;
  if (value.clockSkew !== "0s") checkDuration(value.clockSkew, CLOCK_SKEW_MS_MAX, [...path, "clockSkew"], report);
  checkDuration(value.maxLifetime, LIFETIME_MS_MAX, [...path, "maxLifetime"], report);
  checkWhomFor(issuer, report);
  checkClaimPaths(issuer, report);
  if (value.tokenUse !== undefined && value.preset !== "cognito")
    report.key([...path, "tokenUse"], "Expected tokenUse with preset: cognito only", "remove this key");
  if (value.preset === "local") {
    if (value.scopes !== undefined)
      report.key([...path, "scopes"], "Expected no scopes with preset: local", "remove this key");
    if (value.jwks !== undefined)
      report.key([...path, "jwks"], "Expected no jwks with preset: local", "remove this key");
    return;
  }
  if (value.issuer === undefined)
    report.key([...path, "name"], 'Missing key "issuer"', "add issuer: the exact iss claim of its tokens");
  else checkSource(issuer, value.issuer, report);
}

/** That each token says whom it is for, in the way of its preset. */
function checkWhomFor({ path, value }: Item<IssuerPart>, report: Report): void {
  const preset = value.preset ?? "oidc";
  const facts = PRESETS[preset];
  const hints = {
    audiences: "add audiences: accepted values of the aud claim",
    authorizedParties: "add authorizedParties: the ids of its app clients",
  };
  for (const key of ["audiences", "authorizedParties"] as const) {
    if (facts[key] === "required" && value[key] === undefined)
      report.key([...path, "name"], `Missing key "${key}"`, hints[key]);
    if (facts[key] === "none" && value[key] !== undefined)
      report.key([...path, key], `Expected no ${key} with preset: ${preset}`, "remove this key");
  }
}

/** Where its keys come from: the file, the preset, or its OpenID configuration. */
function checkSource(item: Item<IssuerPart>, issuer: string, report: Report): void {
  const { path, value } = item;
  const fault = PRESETS[value.preset ?? "oidc"].issuerFault(issuer);
  if (fault !== null) report.value([...path, "issuer"], fault);
  else if (value.jwks !== undefined && !value.jwks.startsWith("file:"))
    checkKeySetUrl(value.jwks, [...path, "jwks"], report);
  else if (value.jwks === undefined) checkDerived(item, issuer, report);
}

function checkDerived({ path, value }: Item<IssuerPart>, issuer: string, report: Report): void {
  const hint = "add jwks: the URL of its key set, or file:PATH";
  // Only an OpenID provider's configuration can be asked for its keys.
  const source = keySetAddress(value) ?? (value.preset === "dynamic" ? "" : issuer);
  if (/^https?:\/\//.test(source)) {
    const fault = urlFault(source);
    if (fault !== null) report.value([...path, "issuer"], fault);
    else checkKeySetUrl(source, [...path, "issuer"], report);
  } else report.key([...path, "name"], 'Missing key "jwks"', hint);
}

function checkClaimPaths({ path, value }: Item<IssuerPart>, report: Report): void {
  for (const [key, claim] of Object.entries(value.claims ?? {}))
    if (claim !== null) checkClaimPath(claim, [...path, "claims", key], report);
  if (value.claims?.scopes === null && (value.scopes ?? []).length > 0)
    report.value([...path, "scopes"], "Expected no scopes with claims.scopes: null", "these tokens have none");
  for (const [index, claim] of (value.required ?? []).entries())
    checkClaimPath(claim, [...path, "required", index], report);
}

/** Brackets and quotes that make no path would name nothing, unseen. */
export function checkClaimPath(claim: string, path: Path, report: Report): void {
  if (/[[\]"]/.test(claim) && parseClaimPath(claim) === null)
    report.value(path, 'Expected a claim path such as app["https://a.example/roles"].list');
}

function checkKeySetUrl(text: string, path: readonly (string | number)[], report: Report): void {
  const url = URL.parse(text);
  if (url === null) return report.value(path, "Expected a URL that can be read");
  if (url.username !== "" || url.password !== "") report.value(path, "Expected a URL without user name and password");
  if (url.protocol !== "https:" && !isLoopback(addressOf(url).host)) {
    report.value(path, "Expected https for a key set", "http is accepted for localhost only");
  }
}

/** A length that no text can have would take no key at all, unseen. */
export function checkForeignKeys({ identity }: View, report: Report): void {
  for (const [index, { length }] of (identity.keys?.foreign ?? []).entries()) {
    if (typeof length === "number" || length.min <= length.max) continue;
    const path = ["identity", "keys", "foreign", index, "length", "max"];
    report.value(path, `Expected at least min, which is ${length.min}, got ${length.max}`);
  }
}

function refuseRepeated(
  issuers: readonly Item<IssuerPart>[],
  pick: (issuer: IssuerPart) => string | null,
  key: string,
  report: Report,
): void {
  const seen = new Map<string, string>();
  for (const { path, value } of issuers) {
    const text = pick(value);
    if (text === null) continue;
    const earlier = seen.get(text);
    if (earlier === undefined) seen.set(text, value.name);
    else report.value([...path, key], `Expected another ${key}: ${JSON.stringify(text)} is taken by an earlier issuer`);
  }
}
