/** Settings of how callers are identified: `identity` of the file. Pure; part of `settings.ts`. */
import type { KeyEnvironment, KeyFormat } from "#core/key-format.ts";
import type { ForeignFormat } from "#core/foreign-format.ts";
import type { WindowKind } from "#core/windows.ts";

export interface IdentitySettings {
  readonly issuers: readonly IssuerSettings[];
  readonly keys: KeySettings;
  readonly members: MemberSettings;
  /** Names another account of the token's user; null: tokens act for their own only. */
  readonly accountHeader: string | null;
}

export interface KeySettings {
  /** Of new keys. */
  readonly format: KeyFormat;
  /** Others that are taken too. */
  readonly accept: readonly KeyFormat[];
  /** Keys of others are refused. */
  readonly environments: readonly KeyEnvironment[];
  readonly headers: readonly string[];
  /** How keys of another system look, whose hashes were imported. */
  readonly foreign: readonly ForeignFormat[];
  /** `retrievable`: secrets are also kept sealed, and can be shown again. */
  readonly storage: "hash" | "retrievable";
  /** Windows in which every meter is counted for each key, so that keys can have quotas of their own. */
  readonly quotaWindows: readonly WindowKind[];
}

export interface MemberSettings {
  /** As those of keys, for each user of an account. */
  readonly quotaWindows: readonly WindowKind[];
  /** Roles of new members: of the one whose token made the account, and of all others. */
  readonly firstRoles: readonly string[];
  readonly roles: readonly string[];
}

export type IssuerPreset = "oidc" | "clerk" | "auth0" | "cognito" | "dynamic" | "local";

export interface IssuerSettings {
  readonly name: string;
  readonly preset: IssuerPreset;
  /** Exact `iss`. */
  readonly issuer: string;
  readonly jwks:
    | { readonly kind: "url"; readonly url: string }
    /** The issuer's OpenID configuration at this address names the set. */
    | { readonly kind: "discovery"; readonly url: string }
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "local" };
  /** Accepted values of `aud`; none: it is not looked at. */
  readonly audiences: readonly string[];
  /** Accepted values of `azp` (or `client_id`); none: it is not looked at. */
  readonly authorizedParties: readonly string[];
  /** Cognito: which of its tokens are taken. */
  readonly tokenUse: "access" | "id" | "any";
  /** A token must have them all. */
  readonly scopes: readonly string[];
  readonly algorithms: readonly string[];
  readonly types: readonly string[];
  readonly clockSkewMs: number;
  /** null: no limit. */
  readonly maxLifetimeMs: number | null;
  readonly required: readonly string[];
  readonly claims: ClaimSettings;
  /** Where roles come from: the token's claims, or the account's list of members. */
  readonly roleSource: "token" | "members";
}

/** Claim paths; null where the file names none. */
export interface ClaimSettings {
  readonly user: string;
  readonly account: string | null;
  readonly roles: string | null;
  readonly permissions: string | null;
  readonly scopes: string | null;
  readonly plan: string | null;
  readonly email: string;
  readonly name: string;
}
