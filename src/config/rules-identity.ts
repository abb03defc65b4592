/** Rules for `identity`: who may sign tokens and where their keys come from. Main thread. */
import { addressOf, isLoopback } from "./listen-address.ts";
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

function checkIssuer({ path, value }: Item<IssuerPart>, report: Report): void {
  if (value.clockSkew !== "0s") checkDuration(value.clockSkew, CLOCK_SKEW_MS_MAX, [...path, "clockSkew"], report);
  checkDuration(value.maxLifetime, LIFETIME_MS_MAX, [...path, "maxLifetime"], report);
  if (value.preset === "local") {
    if (value.jwks !== undefined)
      report.key([...path, "jwks"], "Expected no jwks with preset: local", "remove this key");
    return;
  }
  const at = [...path, "name"];
  if (value.issuer === undefined)
    report.key(at, 'Missing key "issuer"', "add issuer: the exact iss claim of its tokens");
  if (value.jwks === undefined) report.key(at, 'Missing key "jwks"', "add jwks: the URL of its key set, or file:PATH");
  else if (!value.jwks.startsWith("file:")) checkKeySetUrl(value.jwks, [...path, "jwks"], report);
}

function checkKeySetUrl(text: string, path: readonly (string | number)[], report: Report): void {
  const url = URL.parse(text);
  if (url === null) return report.value(path, "Expected a URL that can be read");
  if (url.username !== "" || url.password !== "") report.value(path, "Expected a URL without user name and password");
  if (url.protocol !== "https:" && !isLoopback(addressOf(url).host)) {
    report.value(path, "Expected https for a key set", "http is accepted for localhost only");
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
