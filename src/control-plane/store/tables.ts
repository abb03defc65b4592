/**
 * The tables of the store, as Kysely types. Main thread. Times are milliseconds since 1970; lists and objects are JSON texts;
 * units, credits and requests are whole numbers within ±(2^53 - 1). Empty `key` or `user`: none. What each is for: the types' comments.
 */
import type { Generated } from "kysely";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type {
  AccountsTable,
  UsersTable,
  MembersTable,
  InvitationsTable,
  SessionsTable,
  ApiKeysTable,
  ApiKeyOldSecretsTable,
  ApiKeyImportsTable,
  ApiKeyAdoptedTable,
  ResourcesTable,
  ResourceGrantsTable,
  UpstreamCredentialsTable,
} from "./identity-tables.ts";

/**
 * The ledger, the truth of all usage: units by account, meter, minute and what they were for. `op` add: units are the sum; max: the
 * largest; set: the last value, which was seen at `at_ms`. Rows of before version 0.2 stand in the first minute of their hour.
 */
export interface UsageTable {
  readonly account: string;
  readonly meter: string;
  /** Start of the minute. */
  readonly minute: number;
  readonly route: string;
  readonly key: string;
  readonly user: string;
  /** 0: unknown, or not by HTTP. */
  readonly status: number;
  readonly op: UsageOp;
  units: number;
  requests: number;
  /** Op set: when the value was seen; others 0. */
  at_ms: Generated<number>;
}

/**
 * Sums of the ledger by window, for all shapes of the settings in force. Can be computed anew from it at any time: a row that is not
 * there says nothing, unless `UsageWindows` knows that there was no usage. Rows of windows long over are dropped.
 */
export interface UsageWindowsTable {
  readonly account: string;
  /** `CounterShape.key`. */
  readonly shape: string;
  readonly start_ms: number;
  /** `holderOf`. */
  readonly holder: string;
  end_ms: number;
  used: number;
  /** Op set: when the value was seen; others 0. */
  at_ms: Generated<number>;
}

/** The shapes that `usage_windows` has rows of, and by which op they were counted. */
export interface UsageShapesTable {
  readonly shape: string;
  readonly op: UsageOp;
  /** Windows that begin from then on have a row for every holder with usage. */
  readonly since_ms: number;
}

/** The last value of meters that are measured (op set). */
export interface GaugesTable {
  readonly account: string;
  /** `holderOf`. */
  readonly holder: string;
  readonly meter: string;
  value: number;
  at_ms: number;
}

export interface CreditGrantsTable {
  readonly id: string;
  readonly account: string;
  amount: number;
  /** Credits burnt: changed by the ledger alone. */
  used: Generated<number>;
  /** Smaller ones are burnt first. */
  priority: number;
  start_ms: number;
  /** null: never. */
  expires_ms: number | null;
  readonly created_ms: number;
  /** Where it comes from. */
  readonly source: string;
  note: string | null;
  /** Since when what is left of it is worth nothing; null: it holds. */
  voided_ms: Generated<number | null>;
  /** Names what may be granted only once to an account, a plan's window say; null: anything. Unique with the account. */
  readonly once: Generated<string | null>;
}

/** Usage reported by events, each as it was counted; kept at least 35 days, so that one that comes again is known. */
export interface UsageEventsTable {
  /** Whose ids they are: empty the operator's, else the account whose own credential reported it. */
  readonly scope: string;
  readonly source: string;
  readonly id: string;
  readonly account: string;
  readonly key: string;
  readonly user: string;
  readonly route: string;
  readonly meter: string;
  readonly op: UsageOp;
  readonly units: number;
  /** 1: it counted as a request in the ledger's rows. */
  readonly requests: Generated<number>;
  readonly status: Generated<number>;
  /** When it counts: says its minute and its windows. */
  readonly at_ms: number;
  /** The time it carries. */
  readonly event_ms: number;
  readonly received_ms: number;
  /** The value it reports: of a correction the right one, whereas `units` is the difference that was counted. */
  readonly value: number;
  /** The id, of the same source, of the event that it corrects. */
  readonly corrects: string | null;
  /** Why, in the reporter's words. */
  readonly reason: string | null;
  /** Digest of what it says: the same id with another digest is a conflict. */
  readonly digest: string;
  /** JSON list of `Burn`. */
  readonly burns: Generated<string>;
}

/** Units set aside for a job that is measured later. Open ones count in the counters, confirmed ones in the ledger. */
export interface UsageReservationsTable {
  readonly id: string;
  readonly account: string;
  readonly key: string;
  readonly user: string;
  readonly route: string;
  readonly meter: string;
  readonly op: UsageOp;
  /** Set aside. */
  readonly units: number;
  state: "open" | "confirmed" | "released" | "expired";
  /** What it came to; null until it is confirmed. */
  confirmed_units: number | null;
  requests: Generated<number>;
  status: Generated<number>;
  /** When it counts: says its minute and its windows. */
  readonly at_ms: number;
  /** JSON list of `Burn`: credits set aside, after the confirmation those burnt. */
  burns: Generated<string>;
  readonly created_ms: number;
  readonly expires_ms: number;
  settled_ms: number | null;
}

/** What happened that others may want to know, in the order of `seq`. */
export interface EventsTable {
  readonly seq: Generated<number>;
  /** `evt_…`. */
  readonly id: string;
  readonly type: string;
  readonly account: string;
  readonly at_ms: number;
  /** JSON object. */
  readonly data: string;
  /** Names what may happen only once; null: anything. Unique. */
  readonly once: string | null;
}

/** Who changed what: never changed, never removed; `audit/audit-log.ts`. */
export interface AuditLogTable {
  /** From 1, without gaps. */
  readonly seq: number;
  /** `aud_…`. */
  readonly id: string;
  readonly at_ms: number;
  /** `Actor.kind`. */
  readonly actor_kind: string;
  readonly actor: string | null;
  readonly actor_account: string | null;
  readonly action: string;
  readonly target: string;
  readonly account: string | null;
  /** JSON objects of the members that changed; null: it was not there, or is not any more. */
  readonly before: string | null;
  readonly after: string | null;
  readonly ip: string | null;
  readonly request_id: string | null;
  /** `entryHash` over this entry and the one before. */
  readonly hash: string;
}

/** How far each journal segment is in the ledger. Moves in the same transaction as the ledger (M2). */
export interface JournalSegmentsTable {
  readonly file: string;
  bytes: number;
  finished: Generated<0 | 1>;
  updated_at: number;
  /** Times of its earliest and latest charge; null: none, or not known. */
  first_ms: Generated<number | null>;
  last_ms: Generated<number | null>;
  /** 1: the file is gone, or about to go. */
  deleted: Generated<0 | 1>;
}

export interface FactsTable {
  readonly name: string;
  value: string;
}

export interface Tables {
  readonly accounts: AccountsTable;
  readonly users: UsersTable;
  readonly members: MembersTable;
  readonly invitations: InvitationsTable;
  readonly sessions: SessionsTable;
  readonly api_keys: ApiKeysTable;
  readonly api_key_old_secrets: ApiKeyOldSecretsTable;
  readonly api_key_imports: ApiKeyImportsTable;
  readonly api_key_adopted: ApiKeyAdoptedTable;
  readonly resources: ResourcesTable;
  readonly resource_grants: ResourceGrantsTable;
  readonly upstream_credentials: UpstreamCredentialsTable;
  readonly usage: UsageTable;
  readonly usage_windows: UsageWindowsTable;
  readonly usage_shapes: UsageShapesTable;
  readonly gauges: GaugesTable;
  readonly credit_grants: CreditGrantsTable;
  readonly usage_events: UsageEventsTable;
  readonly usage_reservations: UsageReservationsTable;
  readonly events: EventsTable;
  readonly audit_log: AuditLogTable;
  readonly journal_segments: JournalSegmentsTable;
  readonly facts: FactsTable;
}
