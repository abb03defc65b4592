/** The tables of the store, as Kysely types. Main thread. Times are milliseconds since 1970; lists are JSON texts. */
import type { Generated } from "kysely";

export interface AccountsTable {
  readonly id: string;
  external_id: string | null;
  name: string;
  state: "active" | "suspended";
  plan: string | null;
  readonly created_at: number;
}

export interface ApiKeysTable {
  readonly id: string;
  readonly account_id: string;
  /** `keyHash` of the secret, base64url. */
  readonly hash: string;
  /** What lists show. */
  readonly masked: string;
  readonly name: string | null;
  readonly env: "live" | "test" | "dev";
  /** JSON list. */
  readonly roles: string;
  /** JSON list; null: not narrowed. */
  readonly scopes: string | null;
  readonly created_at: number;
  readonly expires_at: number | null;
  revoked_at: number | null;
}

/** The ledger: units by account, key, route, meter and hour. */
export interface UsageHoursTable {
  readonly account: string;
  /** Empty: a token, no key. */
  readonly key: string;
  readonly route: string;
  readonly meter: string;
  readonly hour: number;
  units: number;
  requests: number;
}

/** How far each journal segment is in the ledger. Moves in the same transaction as the ledger (M2). */
export interface JournalSegmentsTable {
  readonly file: string;
  bytes: number;
  finished: Generated<0 | 1>;
  updated_at: number;
}

export interface FactsTable {
  readonly name: string;
  value: string;
}

export interface Tables {
  readonly accounts: AccountsTable;
  readonly api_keys: ApiKeysTable;
  readonly usage_hours: UsageHoursTable;
  readonly journal_segments: JournalSegmentsTable;
  readonly facts: FactsTable;
}
