/** Changes of a user, within a transaction of the caller: what differs is stored, and told to the audit log. Main thread. */
import type { Statement } from "better-sqlite3";
import type { Deed } from "#control-plane/audit/audit-log.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { User } from "./user.ts";

export interface UserChange {
  readonly name?: string | null;
  /** In lower case. */
  readonly email?: string | null;
  readonly state?: "active" | "suspended";
  /** Tokens issued up to then are refused; milliseconds since 1970. null: none are. */
  readonly notBeforeMs?: number | null;
}

/** A user as they are now, and what the audit log is to say. */
interface Changed {
  readonly user: User;
  readonly deed: Deed;
}

const MEMBERS = ["name", "email", "state", "notBeforeMs"] as const satisfies readonly (keyof UserChange)[];

const UPDATE =
  "UPDATE users SET name = @name, email = @email, state = @state, not_before_ms = @notBeforeMs WHERE id = @id";

export class UserWriter {
  readonly #update: Statement<unknown[]>;
  readonly #holder: Statement<unknown[], { readonly id: string }>;

  constructor(db: Database) {
    const connection = connectionOf(db);
    this.#update = connection.prepare(UPDATE);
    this.#holder = connection.prepare("SELECT id FROM users WHERE email = ?");
  }

  /**
   * Stores what differs; null when nothing does. `reason` is for the audit log alone. Throws `ConflictError` when the e-mail is taken.
   * `user` is as the transaction has them, and not deleted.
   */
  apply(user: User, wanted: UserChange, reason: string | null = null): Changed | null {
    const names = MEMBERS.filter((name) => wanted[name] !== undefined && wanted[name] !== user[name]);
    if (names.length === 0) return null;
    if (names.includes("email")) this.refuseTaken(wanted.email ?? null, user.id);
    const of = (values: object) => Object.fromEntries(Object.entries(values).filter(([name]) => isOneOf(names, name)));
    const now: User = { ...user, ...of(wanted) };
    const { id, name, email, state, notBeforeMs } = now;
    this.#update.run({ id, name, email, state, notBeforeMs });
    const after = { ...of(wanted), ...(reason === null ? {} : { reason }) };
    const deed = { action: actionOf(wanted, names), target: id, account: null, before: of(user), after };
    return { user: now, deed };
  }

  /** Throws `ConflictError` when another than this user (null: anybody) has the e-mail. */
  refuseTaken(email: string | null, exceptOf: string | null): void {
    const holder = email === null ? undefined : this.#holder.get(email);
    if (holder !== undefined && holder.id !== exceptOf) throw new ConflictError("Another user has this e-mail");
  }
}

function isOneOf(names: readonly string[], name: string): boolean {
  return names.includes(name);
}

/** The weightiest of what changes. */
function actionOf({ state }: UserChange, names: readonly string[]): string {
  if (names.includes("state")) return state === "suspended" ? "user.suspended" : "user.activated";
  return names.includes("notBeforeMs") ? "user.cut_off_changed" : "user.updated";
}
