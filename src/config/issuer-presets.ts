/**
 * What the well-known issuers of tokens have in common, so that a file need not say it: where their keys are, which of their claims mean
 * what, and by what they say whom a token is for. Pure. Facts from their own documentation, November 2026.
 * Not here: reading Clerk's packed claims and the like (`data-plane/identity/preset-claims.ts`).
 */
import type { ClaimSettings, IssuerPreset } from "./identity-settings.ts";

type Wanted = "required" | "optional" | "none";

export interface PresetFacts {
  /** Whether the file must, may or cannot name accepted values of `aud`. */
  readonly audiences: Wanted;
  readonly authorizedParties: Wanted;
  /** Address of the key set by issuer; null: it cannot be told. */
  readonly keySet: (issuer: string) => string | null;
  /** What is wrong with this value of `issuer`; null: nothing. */
  readonly issuerFault: (issuer: string) => string | null;
  readonly claims: Partial<ClaimSettings>;
  /** Accepted values of the `typ` header. */
  readonly types: readonly string[];
}

const NO_FAULT = () => null;
const TYPES = ["JWT", "at+jwt"] as const;

/** Where these issuers, OpenID providers all, keep their keys. */
const WELL_KNOWN = (issuer: string) => `${issuer.replace(/\/$/, "")}/.well-known/jwks.json`;

export const PRESETS: Readonly<Record<IssuerPreset, PresetFacts>> = {
  /** Its key set is found by discovery (OpenID Connect Discovery 1.0) where the file names none. */
  oidc: {
    audiences: "required",
    authorizedParties: "optional",
    keySet: () => null,
    issuerFault: NO_FAULT,
    claims: {},
    types: TYPES,
  },
  /** Session tokens have no `aud` by default; `azp` is the origin they were made for. Organisation claims as in version 1. */
  clerk: {
    audiences: "optional",
    authorizedParties: "optional",
    keySet: WELL_KNOWN,
    issuerFault: bareUrlFault,
    claims: { roles: "org_role", permissions: "org_permissions" },
    // Access tokens of its OAuth clients are `at+jwt`, by the same key.
    types: ["JWT"],
  },
  auth0: {
    audiences: "required",
    authorizedParties: "optional",
    keySet: WELL_KNOWN,
    issuerFault: (issuer) =>
      urlFault(issuer) ?? (issuer.endsWith("/") ? null : "Expected a slash at its end, as in Auth0's iss claims"),
    claims: { permissions: "permissions" },
    types: TYPES,
  },
  /** `client_id` says whom access tokens are for, which have no `aud` unless they are bound to an API; `token_use` tells them from id tokens. */
  cognito: {
    audiences: "optional",
    authorizedParties: "required",
    keySet: WELL_KNOWN,
    issuerFault: bareUrlFault,
    claims: { roles: "cognito:groups" },
    types: TYPES,
  },
  /** Issuer without a scheme: `app.dynamic.xyz/ENVIRONMENT`. `aud` is the origin of the site. */
  dynamic: {
    audiences: "required",
    authorizedParties: "optional",
    keySet: dynamicKeySet,
    issuerFault: NO_FAULT,
    claims: {},
    types: TYPES,
  },
  /** The gateway's own key. */
  local: {
    audiences: "required",
    authorizedParties: "none",
    keySet: () => null,
    issuerFault: NO_FAULT,
    claims: {},
    types: TYPES,
  },
};

/** OpenID Connect Core 1.0 §1.2: no query, no fragment. */
export function urlFault(issuer: string): string | null {
  const url = /^https?:\/\//.test(issuer) ? URL.parse(issuer) : null;
  if (url === null) return "Expected an http(s) URL, the iss claim of its tokens";
  return /[?#]/.test(issuer) ? "Expected a URL without query and fragment" : null;
}

function bareUrlFault(issuer: string): string | null {
  return urlFault(issuer) ?? (issuer.endsWith("/") ? "Expected no slash at its end, as in its iss claims" : null);
}

function dynamicKeySet(issuer: string): string | null {
  const environment = /^app\.dynamic\.xyz\/([A-Za-z0-9-]+)$/.exec(issuer)?.[1];
  return environment === undefined ? null : `https://app.dynamic.xyz/api/v0/sdk/${environment}/.well-known/jwks`;
}
