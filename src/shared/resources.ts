/** Whose the things are that apps make, as the control plane tells it to the data plane. Plain data; a change is pushed. */

export interface ResourceRecord {
  readonly id: string;
  /** `accounts.id` of who owns it. */
  readonly account: string;
  /** The user claim of who made it; null: a key did, or nobody knows. */
  readonly user: string | null;
  /** Other accounts that may use it. */
  readonly shares: readonly ResourceShare[];
}

/** `read`: with safe methods; `write`: with all. */
export type ShareAccess = "read" | "write";

export interface ResourceShare {
  readonly account: string;
  readonly access: ShareAccess;
}

/** Whose a thing turned out to be that an account made: its own as of now, its own already, or another account's. */
export type Learnt = "new" | "same" | "taken";
