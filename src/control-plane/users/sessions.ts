/**
 * Sessions of users, as their tokens were seen: listed, and refused one by one or all up to now. Main thread.
 * Workers tell of them in batches (`accounts/last-seen.ts`); what is refused is in the user's record, which workers keep.
 */
import { type Selectable, sql } from "kysely";
import { rfc3339, wallMs } from "#core/clock.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Announce } from "#control-plane/fleet/announce.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { SessionsTable } from "#control-plane/store/identity-tables.ts";
import type { User } from "./user.ts";

const DAY_MS = 86_400_000;
/** How long a login that was refused stays so: its issuer may know nothing of it and go on making tokens of it. */
const LOGIN_DENIED_MS = 400 * DAY_MS;
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

export class Sessions {
  readonly #parts: SessionsParts;

  constructor(parts: SessionsParts) {
    this.#parts = parts;
  }

  /** Those whose tokens are let in, the thousand seen last; what was seen within the last second may be missing. */
  async live(user: User): Promise<readonly Session[]> {
    return (await live(this.#parts.db, user).selectAll().limit(LISTED_MAX).execute()).map(toSession);
  }

  /**
   * Refuses all tokens that were issued until now, and says how many sessions that ends. An issuer's clock may run ahead of ours: what it
   * issued before lies after our now, so the cut-off is the latest `iat` that was seen, where that is later.
   */
  async revokeAll(user: User): Promise<number> {
    await this.#hear(user);
    const { db, audit } = this.#parts;
    const revoked = await db.transaction().execute(async (trx) => {
      const { count, latest } = await live(trx, user)
        .clearOrderBy()
        .select(({ fn }) => [fn.countAll<number>().as("count"), fn.max("issued_ms").as("latest")])
        .executeTakeFirstOrThrow();
      const notBeforeMs = Math.max(wallMs(), user.notBeforeMs ?? 0, latest ?? 0);
      await trx.updateTable("users").set({ not_before_ms: notBeforeMs }).where("id", "=", user.id).execute();
      const deed = { action: "user.sessions_revoked", target: user.id, account: null, before: null };
      await audit.write(trx, { ...deed, after: { revoked: count, notBefore: rfc3339(notBeforeMs) } });
      return count;
    });
    await this.#announce(user);
    return revoked;
  }

  /** Refuses the tokens of one session. false: it was not seen, or is over. */
  async deny(user: User, id: string): Promise<boolean> {
    await this.#hear(user);
    const { db, audit } = this.#parts;
    const found = await db.transaction().execute(async (trx) => {
      const row = await live(trx, user).selectAll().where("id", "=", id).executeTakeFirst();
      if (row === undefined) return false;
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

  /** Refuses a session that need not have been seen: a `sid` or `jti` that leaked. Its tokens are over at `expiresMs`. */
  async denyUnseen(user: User, id: string, expiresMs: number): Promise<void> {
    const { db, audit } = this.#parts;
    const nowMs = wallMs();
    await db.transaction().execute(async (trx) => {
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
    const beforeMs = wallMs() - DAY_MS;
    for (let dropped = PRUNE_STEP; dropped === PRUNE_STEP; ) {
      const { numAffectedRows = 0n } = await sql`DELETE FROM sessions WHERE (user, id) IN
        (SELECT user, id FROM sessions WHERE expires_ms < ${beforeMs} LIMIT ${PRUNE_STEP})`.execute(this.#parts.db);
      dropped = Number(numAffectedRows);
    }
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

function live(db: Database, { id, notBeforeMs }: User) {
  return (
    db
      .selectFrom("sessions")
      .where("user", "=", id)
      .where("denied_ms", "is", null)
      .where("expires_ms", ">", wallMs())
      // As `token-user.ts` compares; a division of whole numbers is whole.
      .where(sql<boolean>`coalesce(issued_ms, 0) / 1000 * 1000 > ${notBeforeMs ?? -1}`)
      .orderBy("seen_ms", "desc")
      .orderBy("id")
  );
}

function denial(user: User, session: string, untilMs: number) {
  const deed = { action: "user.session_revoked", target: user.id, account: null, before: null };
  return { ...deed, after: { session, until: rfc3339(untilMs) } };
}

function toSession(row: Selectable<SessionsTable>): Session {
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
