/**
 * Everything the two planes say to each other, as plain data over a worker's message port.
 * Order matters and is kept: messages to one worker arrive as sent, so an answer posted before an invalidation is older than it.
 */
import type { Settings } from "#config/settings.ts";
import type { AccountRecord, KeyRecord, KeySets, PublicKey, TokenUser, UserRecord } from "./principals.ts";
import type { Learnt, ResourceRecord } from "./resources.ts";

/** What a worker works by; replaced as a whole, atomically between two requests. */
export interface Snapshot {
  /** Counts up from 1 with every reload. */
  readonly version: number;
  /** Which counters a charge moves: goes up when a reload adds or drops a shape of window, in steps that leave room for accounts' epochs. */
  readonly epoch: number;
  readonly settings: Settings;
  /** Index into the metrics table by route name. */
  readonly routeMetrics: Readonly<Record<string, number>>;
}

/** What a worker thread starts with (`workerData`). */
export interface WorkerStart {
  readonly index: number;
  /** Marks this thread's locks in shared tables; unique among live threads. */
  readonly owner: number;
  readonly snapshot: Snapshot;
  readonly keySets: KeySets;
  readonly pepper: Uint8Array;
  readonly rates: SharedArrayBuffer;
  readonly slots: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly metrics: SharedArrayBuffer;
  readonly inFlight: SharedArrayBuffer;
  readonly journalDir: string;
  /** Names this run of the process in the names of its journal segments. */
  readonly runId: string;
  /** Unix socket of the control API. */
  readonly controlSocket: string;
  /** Port to listen on: the configured one, or the one the first worker got. */
  readonly port: number;
  /** Whether several workers share the port (SO_REUSEPORT). */
  readonly reusePort: boolean;
  /** 48 random bytes: what the workers encrypt TLS session tickets with, so that each takes the others'. */
  readonly ticketKeys: Uint8Array;
  /** Level of the log, as pino names it. */
  readonly logLevel: string;
}

/** Questions a worker asks at first sight of a caller. */
export type Question =
  | { readonly kind: "key"; readonly hash: string }
  /** No key of ours, but formed as one of another system: its hash may have been imported. */
  | { readonly kind: "foreign-key"; readonly secret: string }
  | { readonly kind: "account"; readonly id: string }
  /** Get or create: a token names an account, and mostly a user, that we may not know yet. `account` is the id of the operator's own. */
  | { readonly kind: "token"; readonly account: string; readonly user: TokenUser | null }
  /** A token names a key the set lacks; answered when the set was fetched anew, or at once when it was fetched lately. */
  | { readonly kind: "refresh-keys"; readonly issuer: string }
  /** Whose a thing is; also one with an id that apps could take for this one. */
  | { readonly kind: "resource"; readonly resource: string; readonly id: string }
  /** An account has made a thing; answered when all workers know. */
  | {
      readonly kind: "learn";
      readonly resource: string;
      readonly id: string;
      readonly account: string;
      readonly user: string | null;
    }
  /** A thing is gone; with an account only if it is that one's. */
  | { readonly kind: "forget"; readonly resource: string; readonly id: string; readonly account: string | null };

export type Answer =
  | { readonly kind: "key"; readonly key: KeyRecord | null }
  /** Too many are looked for just now. */
  | { readonly kind: "busy" }
  | { readonly kind: "account"; readonly account: AccountRecord | null }
  | { readonly kind: "token"; readonly account: AccountRecord | null; readonly user: UserRecord | null }
  | { readonly kind: "refresh-keys" }
  | { readonly kind: "resource"; readonly resource: ResourceRecord | null }
  | { readonly kind: "learn"; readonly learnt: Learnt }
  | { readonly kind: "forget" };

/** What changed and must not be served from a worker's memory any more. */
export type Invalidation =
  | { readonly kind: "key"; readonly id: string }
  | { readonly kind: "account"; readonly id: string; readonly externalId: string | null }
  | { readonly kind: "user"; readonly id: string; readonly externalId: string }
  /** Many at once, by their ids; users by their external ones. With users (none will do), workers tell first whom they have seen. */
  | {
      readonly kind: "batch";
      readonly accounts: readonly string[];
      readonly keys: readonly string[];
      readonly users?: readonly string[];
    }
  | ResourceChange;

/** Of one thing, or of any of the kind `id`. */
export type ResourceChange =
  | { readonly kind: "resource"; readonly resource: string; readonly id: string }
  | { readonly kind: "resources"; readonly id: string };

export type ToWorker =
  | { readonly type: "snapshot"; readonly seq: number; readonly snapshot: Snapshot }
  | { readonly type: "key-set"; readonly seq: number; readonly issuer: string; readonly keys: readonly PublicKey[] }
  | { readonly type: "invalidate"; readonly seq: number; readonly what: Invalidation }
  | { readonly type: "drain"; readonly seq: number }
  | { readonly type: "answer"; readonly id: number; readonly answer: Answer }
  /** The question could not be answered; the request is refused with 503. */
  | { readonly type: "answer-failed"; readonly id: number };

/** Who was seen making requests. */
export interface Seen {
  readonly keys: readonly SeenKey[];
  readonly accounts: readonly SeenAccount[];
  readonly sessions: readonly SeenSession[];
}

export interface SeenAccount {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/** What a token says of its session. */
export interface TokenSession {
  readonly id: string;
  /** `users.id`. */
  readonly user: string;
  /** Name of the issuer. */
  readonly issuer: string;
  /** `accounts.id`. */
  readonly account: string;
  /** Who acts as the user; null: the user. */
  readonly actor: string | null;
  /** Whether new tokens of it may come. */
  readonly renewable: boolean;
  /** Milliseconds since 1970; null: it does not say. */
  readonly issuedMs: number | null;
  readonly expiresMs: number;
}

export interface SeenSession extends TokenSession {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The client's. */
  readonly address: string;
}

export interface SeenKey {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** The client's. */
  readonly address: string;
}

export type FromWorker =
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "listen-failed"; readonly reason: string }
  | { readonly type: "done"; readonly seq: number }
  | { readonly type: "ask"; readonly id: number; readonly question: Question }
  | { readonly type: "seen"; readonly seen: Seen };
