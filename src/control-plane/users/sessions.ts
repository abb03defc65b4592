/**
 * Sessions of users, as their tokens were seen: listed, and refused one by one or all up to now. Main thread.
 * Workers tell of them in batches (`accounts/last-seen.ts`); what is refused is in the user's record, which workers keep.
 */
import type { Statement } from "better-sqlite3";
import { type Selectable, sql } from "kysely";
import { rfc3339, wallMs } from "#core/clock.ts";
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { SessionsTable } from "#control-plane/store/identity-tables.ts";
import type { User } from "./user.ts";

const DAY_MS = 86_400_000;
/** How long a login that was refused stays so: its issuer may know nothing of it and go on making tokens of it. */
const LOGIN_DENIED_MS = 400 * DAY_MS;
/** Sessions of a user that are refused one by one: workers keep all of them, and look through them. */
const DENIED_MAX = 1000;
/** Sessions that are listed: a user whose tokens have no `sid` has one for each of them. */
const LISTED_MAX = 1000;
/** Sessions dropped at a time. */
const PRUNE_STEP = 1000;

export interface Session {
  readonly id: string;
  readonly issuer: string;
  /** `accounts.id`. */
  readonly account: string;
  readonly actor: string | null;
  readonly address: string | null;
  readonly issuedMs: number | null;
  readonly expiresMs: number;
  readonly firstSeenMs: number;
  readonly seenMs: number;
}

export interface SessionsParts {
  readonly db: Database;
  readonly audit: AuditLog;
  readonly announce: Announce;
  /** Resolves when all that workers told is written. */
  readonly settled: () => Promise<void>;
}

type Row = Selectable<SessionsTable>;

/** Those whose tokens are let in; the cut-off as `token-user.ts` compares. A division of whole numbers is whole. */
const LIVE = `FROM sessions WHERE user = @user AND denied_ms IS NULL AND expires_ms > @now
  AND coalesce(issued_ms, 0) / 1000 * 1000 > @cutOff`;

interface LiveAsk {
  readonly user: string;
  readonly now: number;
  readonly cutOff: number;
}

export class Sessions {
  readonly #parts: SessionsParts;
  readonly #list: Statement<LiveAsk[], Row>;
  readonly #one: Statement<(LiveAsk & { readonly id: string })[], Row>;
  readonly #tally: Statement<LiveAsk[], { readonly count: number; readonly latest: number | null }>;
  readonly #cutOff: Statement<unknown[]>;
  readonly #otherDenied: Statement<unknown[], { readonly count: number }>;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
    const connection = connectionOf(parts.db);
    this.#list = connection.prepare(`SELECT * ${LIVE} ORDER BY seen_ms DESC, id LIMIT ${LISTED_MAX}`);
    this.#one = connection.prepare(`SELECT * ${LIVE} AND id = @id`);
    this.#tally = connection.prepare(`SELECT count(*) AS count, max(issued_ms) AS latest ${LIVE}`);
    this.#cutOff = connection.prepare("UPDATE users SET not_before_ms = ? WHERE id = ?");
    this.#otherDenied = connection.prepare(
      "SELECT count(*) AS count FROM sessions WHERE user = ? AND denied_ms IS NOT NULL AND expires_ms >= ? AND id <> ?",
    );
  }

  /** Those whose tokens are let in, the thousand seen last; what was seen within the last second may be missing. */
  live(user: User): Promise<readonly Session[]> {
    // With the connection to itself: in the midst of another's transaction it would see what may be taken back.
    return this.#parts.db.connection().execute(async () => this.#list.all(liveOf(user)).map(toSession));
  }

  /**
   * Refuses all tokens that were issued until now, and says how many sessions that ends. An issuer's clock may run ahead of ours: what it
   * issued before lies after our now, so the cut-off is the latest `iat` that was seen, where that is later.
   */
  async revokeAll(user: User): Promise<number> {
    await this.#hear(user);
    const { db, audit } = this.#parts;
    const revoked = await db.transaction().execute(async (trx) => {
      const { count, deed } = this.revokeWithin(user, null);
      await audit.write(trx, deed);
      return count;
    });
    await this.#announce(user);
    return revoked;
  }

  /** As `revokeAll`, within a transaction of the caller, who has heard of all (`hearAll`), writes the deed down and announces. */
  revokeWithin(user: User, reason: string | null): { readonly count: number; readonly deed: Deed } {
    const { count, latest } = this.#tally.get(liveOf(user)) ?? { count: 0, latest: null };
    const notBeforeMs = Math.max(wallMs(), user.notBeforeMs ?? 0, latest ?? 0);
    this.#cutOff.run(notBeforeMs, user.id);
    const after = { revoked: count, notBefore: rfc3339(notBeforeMs), ...(reason === null ? {} : { reason }) };
    const deed = { action: "user.sessions_revoked", target: user.id, account: null, before: null, after };
    return { count, deed };
  }

  /** Resolves when all is written down that workers have seen, of whomever. */
  async hearAll(): Promise<void> {
    await this.#parts.announce({ kind: "batch", accounts: [], keys: [], users: [] });
    await this.#parts.settled();
  }

  /** Refuses the tokens of one session. false: it was not seen, or is over. Throws `ConflictError` when the user has as many as there may be. */
  async deny(user: User, id: string): Promise<boolean> {
    await this.#hear(user);
    const { db, audit } = this.#parts;
    const found = await db.transaction().execute(async (trx) => {
      const row = this.#one.get({ ...liveOf(user), id });
      if (row === undefined) return false;
      this.#refuseFull(user, id);
      const nowMs = wallMs();
      const untilMs = row.renewable === 1 ? Math.max(row.expires_ms, nowMs + LOGIN_DENIED_MS) : row.expires_ms;
      const denied = { denied_ms: nowMs, expires_ms: untilMs };
      await trx.updateTable("sessions").set(denied).where("user", "=", user.id).where("id", "=", id).execute();
      await audit.write(trx, denial(user, id, untilMs));
      return true;
    });
    if (found) await this.#announce(user);
    return found;
  }

  /** As `deny`, of a session that need not have been seen: a `sid` or `jti` that leaked. Its tokens are over at `expiresMs`. */
  async denyUnseen(user: User, id: string, expiresMs: number): Promise<void> {
    const { db, audit } = this.#parts;
    const nowMs = wallMs();
    await db.transaction().execute(async (trx) => {
      this.#refuseFull(user, id);
      await sql`INSERT INTO sessions (user, id, issuer, account, renewable, expires_ms, first_ms, seen_ms, denied_ms)
        VALUES (${user.id}, ${id}, '', '', 0, ${expiresMs}, ${nowMs}, ${nowMs}, ${nowMs})
        ON CONFLICT (user, id) DO UPDATE SET
          denied_ms = coalesce(denied_ms, excluded.denied_ms), expires_ms = max(expires_ms, excluded.expires_ms)`.execute(
        trx,
      );
      await audit.write(trx, denial(user, id, expiresMs));
    });
    await this.#announce(user);
  }

  /** Forgets sessions that are over, a day later: those refused could come again within the leeway of clocks. */
  async prune(): Promise<void> {
    const beforeMs = forgottenMs();
    for (let dropped = PRUNE_STEP; dropped === PRUNE_STEP; ) {
      const { numAffectedRows = 0n } = await sql`DELETE FROM sessions WHERE (user, id) IN
        (SELECT user, id FROM sessions WHERE expires_ms < ${beforeMs} LIMIT ${PRUNE_STEP})`.execute(this.#parts.db);
      dropped = Number(numAffectedRows);
    }
  }

  #refuseFull({ id }: User, session: string): void {
    const { count } = this.#otherDenied.get(id, forgottenMs(), session) ?? { count: 0 };
    if (count < DENIED_MAX) return;
    throw new ConflictError(`The user has ${DENIED_MAX} sessions that are refused one by one: revoke all sessions`);
  }

  /** Workers tell what they have seen of the user before they say that they heard. */
  async #hear(user: User): Promise<void> {
    await this.#announce(user);
    await this.#parts.settled();
  }

  async #announce({ id, externalId }: User): Promise<void> {
    await this.#parts.announce({ kind: "user", id, externalId });
  }
}

/** Sessions that were over before that are forgotten. */
export function forgottenMs(): number {
  return wallMs() - DAY_MS;
}

function liveOf({ id, notBeforeMs }: User): LiveAsk {
  return { user: id, now: wallMs(), cutOff: notBeforeMs ?? -1 };
}

function denial(user: User, session: string, untilMs: number) {
  const deed = { action: "user.session_revoked", target: user.id, account: null, before: null };
  return { ...deed, after: { session, until: rfc3339(untilMs) } };
}

function toSession(row: Row): Session {
  return {
    id: row.id,
    issuer: row.issuer,
    account: row.account,
    actor: row.actor,
    address: row.ip,
    issuedMs: row.issued_ms,
    expiresMs: row.expires_ms,
    firstSeenMs: row.first_ms,
    seenMs: row.seen_ms,
  };
}
