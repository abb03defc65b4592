/** Issuers with every default filled. Main thread. */
import path from "node:path";
import { durationMs } from "./normalize-values.ts";
import { issuerClaim } from "./rules-identity.ts";
import type { IssuerSettings } from "./settings.ts";
import type { IssuerPart } from "./view.ts";

/** Settings of a checked issuer; a `file:` key set is relative to `folder`. */
export function normalizeIssuer(issuer: IssuerPart, folder: string): IssuerSettings {
  return {
    name: issuer.name,
    issuer: issuerClaim(issuer) ?? "",
    jwks: keySet(issuer.jwks, folder),
    audiences: issuer.audiences,
    algorithms: issuer.algorithms ?? ["RS256", "ES256", "EdDSA"],
    types: issuer.types ?? ["JWT", "at+jwt"],
    clockSkewMs: durationMs(issuer.clockSkew ?? "0s"),
    maxLifetimeMs: issuer.maxLifetime === undefined ? null : durationMs(issuer.maxLifetime),
    required: issuer.required ?? [],
    claims: {
      user: issuer.claims?.user ?? "sub",
      account: issuer.claims?.account ?? null,
      roles: issuer.claims?.roles ?? null,
      permissions: issuer.claims?.permissions ?? null,
      scopes: issuer.claims?.scopes ?? "scope",
      plan: issuer.claims?.plan ?? null,
    },
  };
}

function keySet(jwks: string | undefined, folder: string): IssuerSettings["jwks"] {
  if (jwks === undefined) return { kind: "local" };
  if (jwks.startsWith("file:")) return { kind: "file", path: path.resolve(folder, jwks.slice("file:".length)) };
  return { kind: "url", url: jwks };
}
