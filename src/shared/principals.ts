/**
 * What the control plane tells the data plane about callers: records of accounts and keys, as plain data.
 * A change is pushed (`messages.ts`), so a worker may keep a record as long as it likes.
 */

export interface AccountRecord {
  readonly id: string;
  /** The id the operator's own systems know; null: only ours. */
  readonly externalId: string | null;
  readonly name: string;
  readonly state: "active" | "suspended";
  /** The account's own plan; null: the token's claim or the default plan decides. */
  readonly plan: string | null;
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
