/**
 * The tables of accounts, users, keys and what belongs to them; the conventions are those of `tables.ts`, which has the others. Main thread.
 */
import type { Generated, GeneratedAlways } from "kysely";

export interface AccountsTable {
  readonly id: string;
  external_id: string | null;
  name: string;
  state: "active" | "suspended";
  plan: string | null;
  readonly created_at: number;
  /** null: the minute it was created in. */
  billing_anchor_ms: Generated<number | null>;
  /** As `usage_shapes.since_ms`, for the billing periods of this anchor; null: always. */
  anchor_since_ms: Generated<number | null>;
  /** JSON of `SpendCap`; null: none. */
  spend_cap: Generated<string | null>;
  /** Where to write to; need not be unique. */
  email: Generated<string | null>;
  /** Since when it is deleted (its row stays, for the ledger's sake); null: it is not. */
  deleted_ms: Generated<number | null>;
  /** When it was last seen making a request, to the minute or so; null: never. */
  seen_ms: Generated<number | null>;
  /** Until when it has its plan, and which comes then (null: the default plan); null: for good. */
  plan_until_ms: Generated<number | null>;
  plan_after: Generated<string | null>;
  /** End of its trial; null: it has none. */
  trial_until_ms: Generated<number | null>;
  /** All that a search looks at: id, name, external id and e-mail in lower case, a line each. */
  readonly search: GeneratedAlways<string>;
}

/** People, known by the user claim of their tokens: one namespace over all issuers, as accounts are. */
export interface UsersTable {
  /** `user_…`. */
  readonly id: string;
  /** The token's user claim. */
  readonly external_id: string;
  /** In lower case; unique; null when deleted. */
  email: string | null;
  name: string | null;
  state: "active" | "suspended" | "deleted";
  /** Tokens issued up to then are refused, and those that do not say when; null: none are. */
  not_before_ms: Generated<number | null>;
  readonly created_ms: number;
  seen_ms: Generated<number | null>;
}

/** Who belongs to an account, as what. */
export interface MembersTable {
  readonly account: string;
  /** `users.id`. */
  readonly user: string;
  /** JSON list. */
  roles: string;
  /** JSON of `OwnLimits`; null: none. */
  limits: Generated<string | null>;
  created_ms: number;
  /** When the user came by a token or an invitation; null: others put them in, who are not told their e-mail by that. */
  joined_ms: Generated<number | null>;
  /** Since when the user is none any more: kept, so that no token brings them back. null: a member. */
  removed_ms: Generated<number | null>;
}

/** Invitations to an account; the token itself is shown once. */
export interface InvitationsTable {
  /** `inv_…`. */
  readonly id: string;
  readonly account: string;
  /** Only who has this e-mail may accept; null: whoever has the token. */
  readonly email: string | null;
  /** JSON list. */
  readonly roles: string;
  /** `keyHash` of the token. */
  readonly hash: string;
  readonly created_ms: number;
  readonly created_by: string | null;
  readonly expires_ms: number;
  accepted_ms: Generated<number | null>;
  /** `users.id`. */
  accepted_by: Generated<string | null>;
  revoked_ms: Generated<number | null>;
}

/** Sessions of users, as their tokens were seen: `sid`, else `jti`, else the token's digest. Dropped some time after their end. */
export interface SessionsTable {
  /** `users.id`. */
  readonly user: string;
  readonly id: string;
  readonly issuer: string;
  /** `accounts.id`. */
  readonly account: string;
  /** Who acts as the user (`act.sub`); null: the user. */
  readonly actor: string | null;
  ip: string | null;
  /** 1: the id is a login's (`sid`), of which new tokens may come. */
  readonly renewable: 0 | 1;
  /** The latest `iat`. */
  issued_ms: number | null;
  expires_ms: number;
  readonly first_ms: number;
  seen_ms: number;
  /** Since when its tokens are refused; null: they are not. */
  denied_ms: Generated<number | null>;
}

export interface ApiKeysTable {
  readonly id: string;
  readonly account_id: string;
  /** `keyHash` of the secret, base64url; of an imported key that nobody has used yet `import:` and its id. */
  hash: string;
  /** What lists show. */
  masked: string;
  name: string | null;
  readonly env: "live" | "test" | "dev";
  /** JSON list. */
  readonly roles: string;
  /** JSON list; null: not narrowed. */
  readonly scopes: string | null;
  readonly created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  enabled: Generated<0 | 1>;
  /** JSON lists of routes' names, methods, addresses and CIDR blocks it is good for; null: all. */
  routes: Generated<string | null>;
  methods: Generated<string | null>;
  addresses: Generated<string | null>;
  /** JSON of `OwnLimits`; null: none. */
  limits: Generated<string | null>;
  /** Who made it: `users.external_id`, or the id of a key; null: an operator. */
  readonly created_by: Generated<string | null>;
  /** When it was last used, to the minute or so, and from where. */
  used_ms: Generated<number | null>;
  used_ip: Generated<string | null>;
  /** The secret, sealed, where keys can be shown again; null: it is not kept. */
  sealed: Generated<string | null>;
}

/** Secrets that a rotation replaced and that are still good for a while. */
export interface ApiKeyOldSecretsTable {
  hash: string;
  readonly key: string;
  masked: string;
  retires_ms: number;
}

/** Keys of other systems that came as hashes, until somebody uses them: then the key gets a hash of our own. */
export interface ApiKeyImportsTable {
  readonly key: string;
  readonly kind: "sha256" | "bcrypt" | "scrypt";
  readonly digest: string;
  /** How the secret begins; empty where the digest alone finds it. */
  readonly start: string;
}

/** Digests of imported keys that were used since, by a SHA-256 of their own: they are not imported once more. */
export interface ApiKeyAdoptedTable {
  readonly digest_hash: string;
}

/** Who owns what an app made, learned from its answers. */
export interface ResourcesTable {
  /** Name in the file. */
  readonly kind: string;
  readonly id: string;
  /** `likenessOf` the id (`core/resource-ids.ts`). */
  readonly likeness: string;
  /** `accounts.id`. */
  account: string;
  /** The user claim of who made it; null: a key did, or nobody knows. */
  user: string | null;
  readonly created_ms: number;
}

/** Resources that others may use too. */
export interface ResourceGrantsTable {
  readonly kind: string;
  readonly id: string;
  readonly account: string;
  access: "read" | "write";
  readonly created_ms: number;
}

/** What is sent to an upstream in an account's name, sealed. */
export interface UpstreamCredentialsTable {
  readonly account: string;
  readonly upstream: string;
  /** In lower case. */
  readonly header: string;
  sealed: string;
  readonly created_ms: number;
}
