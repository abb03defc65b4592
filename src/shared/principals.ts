/**
 * What the control plane tells the data plane about callers: records of accounts and keys, as plain data.
 * A change is pushed (`messages.ts`), so a worker may keep a record as long as it likes.
 */
import type { CreditGrant } from "#core/credits.ts";
import type { WindowKind } from "#core/windows.ts";
import type { UpstreamHeaders } from "./upstream-headers.ts";

export interface AccountRecord {
  readonly id: string;
  /** The id the operator's own systems know; null: only ours. */
  readonly externalId: string | null;
  readonly name: string;
  readonly state: "active" | "suspended" | "deleted";
  /** The account's own plan; null: the token's claim or the default plan decides. */
  readonly plan: string | null;
  /** Where its billing periods begin; milliseconds since 1970. */
  readonly anchorMs: number;
  /** Which anchor of this run it is; charges carry it, added to the snapshot's epoch. */
  readonly epoch: number;
  /** What the customer allows to be spent beyond the limits. */
  readonly spendCap: SpendCap;
  /** Grants that are not used up and not over, in no order. */
  readonly grants: readonly CreditGrant[];
  /** Left out: none were cleared in this run. */
  readonly rateClears?: RateClears;
  /** What is sent to upstreams in its name; left out: nothing. */
  readonly upstreamHeaders?: UpstreamHeaders;
}

/** How often rates of an account were cleared, by name; `EVERY_RATE` counts for all of them. */
export type RateClears = ReadonlyMap<string, number>;

/** No rate has this name. */
export const EVERY_RATE = "*";

/** Limits a customer set on usage beyond what the plan includes. */
export interface SpendCap {
  /** Units beyond the limit by meter. */
  readonly units: Readonly<Record<string, number>>;
  /** Minor units of money for all meters together; null: no such limit. */
  readonly money: number | null;
}

export interface KeyRecord {
  readonly id: string;
  readonly accountId: string;
  readonly roles: readonly string[];
  /** null: not narrowed. */
  readonly scopes: readonly string[] | null;
  /** Milliseconds since 1970; null: never. */
  readonly expiresAtMs: number | null;
  readonly revoked: boolean;
  readonly enabled: boolean;
  /** The secret that was shown was replaced, and is good until then (milliseconds since 1970); null: it is the key's own. */
  readonly retiresAtMs: number | null;
  readonly narrowing: KeyNarrowing;
  readonly limits: OwnLimits | null;
}

/** A user as tokens name them. */
export interface UserRecord {
  /** `user_…`. */
  readonly id: string;
  /** The token's user claim. */
  readonly externalId: string;
  readonly state: "active" | "suspended" | "deleted";
  /** Tokens issued up to then are refused, and those that do not say when; milliseconds since 1970. null: none are. */
  readonly notBeforeMs: number | null;
  /** Sessions whose tokens are refused. */
  readonly deniedSessions: readonly string[];
  /** By account id: where the user is a member, as what; null: was one, and was removed. */
  readonly members: Readonly<Record<string, MemberRecord | null>>;
}

export interface MemberRecord {
  /** The account's id in the operator's own systems; null: only ours. */
  readonly externalAccount: string | null;
  readonly roles: readonly string[];
  readonly limits: OwnLimits | null;
}

/** What a token says of its user. */
export interface TokenUser {
  readonly externalId: string;
  /** In lower case; null: none that may be kept. */
  readonly email: string | null;
  readonly name: string | null;
}

/** What a key is good for; null: everything. */
export interface KeyNarrowing {
  /** Names of routes. */
  readonly routes: readonly string[] | null;
  readonly methods: readonly string[] | null;
  /** Addresses and CIDR blocks. */
  readonly addresses: readonly string[] | null;
}

export const UNNARROWED: KeyNarrowing = Object.freeze({ routes: null, methods: null, addresses: null });

/** Limits of one key or one member, inside those of the account. */
export interface OwnLimits {
  /** Over all requests of the holder; token buckets. */
  readonly rates: readonly { readonly limit: number; readonly perMs: number; readonly burst: number }[];
  /** Units of a meter in a window that is counted for such holders. */
  readonly quotas: readonly { readonly meter: string; readonly limit: number; readonly per: WindowKind }[];
}

/** Limits and whose they are. */
export interface HolderLimits {
  readonly holder: "key" | "user";
  readonly limits: OwnLimits;
}

/** A public key of an issuer, as its key set gave it and the key policy let it through. */
export interface PublicKey {
  readonly kid: string | null;
  /** Algorithms of the issuer this key may verify. */
  readonly algorithms: readonly string[];
  readonly jwk: Readonly<Record<string, unknown>>;
}

/** Key sets by issuer name. */
export type KeySets = Readonly<Record<string, readonly PublicKey[]>>;
