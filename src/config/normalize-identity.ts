/** How callers are identified, with every default filled. Main thread. */
import path from "node:path";
import { KEY_ENVIRONMENTS, type KeyFormat, STANDARD_FORMAT } from "#core/key-format.ts";
import { durationMs } from "./normalize-values.ts";
import { PRESETS } from "./issuer-presets.ts";
import { issuerClaim, keySetAddress } from "./rules-identity.ts";
import type { IdentitySettings, IssuerSettings } from "./identity-settings.ts";
import type { IdentityPart, IssuerPart } from "./view.ts";

/** Settings of a checked part; `file:` key sets are relative to `folder`. */
export function normalizeIdentity(identity: IdentityPart, folder: string): IdentitySettings {
  const { issuers = [], keys = {}, members = {}, accountHeader = null } = identity;
  return {
    issuers: issuers.map((issuer) => normalizeIssuer(issuer, folder)),
    keys: {
      format: keyFormat(keys),
      accept: (keys.accept ?? []).map(keyFormat),
      environments: keys.environments ?? KEY_ENVIRONMENTS,
      headers: keys.headers ?? ["authorization", "x-api-key"],
      foreign: (keys.foreign ?? []).map(({ prefix, alphabet, length }) => ({
        prefix,
        alphabet: alphabet ?? "base62",
        length: typeof length === "number" ? { min: length, max: length } : length,
      })),
      storage: keys.storage ?? "hash",
      quotaWindows: keys.quotaWindows ?? [],
    },
    members: {
      firstRoles: members.firstRoles ?? [],
      roles: members.roles ?? [],
      quotaWindows: members.quotaWindows ?? [],
    },
    accountHeader,
  };
}

function keyFormat({ brand, kind, length, checksum }: Partial<KeyFormat>): KeyFormat {
  return {
    brand: brand ?? STANDARD_FORMAT.brand,
    kind: kind ?? STANDARD_FORMAT.kind,
    length: length ?? STANDARD_FORMAT.length,
    checksum: checksum ?? STANDARD_FORMAT.checksum,
  };
}

function normalizeIssuer(issuer: IssuerPart, folder: string): IssuerSettings {
  const preset = issuer.preset ?? "oidc";
  const facts = PRESETS[preset];
  return {
    name: issuer.name,
    preset,
    issuer: issuerClaim(issuer) ?? "",
    jwks: keySet(issuer, folder),
    audiences: issuer.audiences ?? [],
    authorizedParties: issuer.authorizedParties ?? [],
    tokenUse: issuer.tokenUse ?? "access",
    scopes: issuer.scopes ?? [],
    algorithms: issuer.algorithms ?? ["RS256", "ES256", "EdDSA"],
    types: issuer.types ?? facts.types,
    clockSkewMs: durationMs(issuer.clockSkew ?? "0s"),
    maxLifetimeMs: issuer.maxLifetime === undefined ? null : durationMs(issuer.maxLifetime),
    required: issuer.required ?? [],
    claims: {
      user: "sub",
      account: null,
      roles: null,
      permissions: null,
      scopes: "scope",
      plan: null,
      email: "email",
      name: "name",
      ...facts.claims,
      ...issuer.claims,
    },
    roleSource: issuer.roleSource ?? "token",
  };
}

function keySet(issuer: IssuerPart, folder: string): IssuerSettings["jwks"] {
  if (issuer.preset === "local") return { kind: "local" };
  const text = issuer.jwks ?? keySetAddress(issuer);
  if (text === null) return { kind: "discovery", url: discoveryAddress(issuerClaim(issuer) ?? "") };
  if (text.startsWith("file:")) return { kind: "file", path: path.resolve(folder, text.slice("file:".length)) };
  return { kind: "url", url: text };
}

/** OpenID Connect Discovery 1.0 §4. */
function discoveryAddress(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
}
