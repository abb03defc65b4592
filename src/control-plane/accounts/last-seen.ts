/**
 * When accounts and sessions were last seen, and when and from where keys were last used, as workers tell it in batches. Main thread. Each batch
 * is one transaction; times only go
 * forward, so that the order in which workers tell does not matter.
 */
import type { Logger } from "pino";
import type { Seen } from "#shared/messages.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";

const KEY_SEEN = `UPDATE api_keys SET used_ms = @atMs, used_ip = @address WHERE id = @id AND coalesce(used_ms, 0) < @atMs`;
const ACCOUNT_SEEN = `UPDATE accounts SET seen_ms = @atMs WHERE id = @id AND coalesce(seen_ms, 0) < @atMs`;

const SESSION_SEEN = `INSERT INTO sessions (user, id, issuer, account, actor, ip, renewable, issued_ms, expires_ms, first_ms, seen_ms)
  VALUES (@user, @id, @issuer, @account, @actor, @address, @renewable, @issuedMs, @expiresMs, @atMs, @atMs)
  ON CONFLICT (user, id) DO UPDATE SET
    ip = CASE WHEN excluded.seen_ms >= seen_ms THEN excluded.ip ELSE ip END,
    issued_ms = max(coalesce(issued_ms, excluded.issued_ms), coalesce(excluded.issued_ms, issued_ms)),
    expires_ms = max(expires_ms, excluded.expires_ms), seen_ms = max(seen_ms, excluded.seen_ms)`;

const USER_SEEN = `UPDATE users SET seen_ms = @atMs WHERE id = @user AND coalesce(seen_ms, 0) < @atMs`;

export class LastSeen {
  readonly #db: Database;
  readonly #log: Logger;
  #written: Promise<void> = Promise.resolve();

  constructor(db: Database, log: Logger) {
    this.#db = db;
    this.#log = log;
  }

  /** Writes it down, after what was told before. A batch that cannot be written is logged and lost. */
  take(seen: Seen): void {
    const fault = (error: unknown) =>
      this.#log.error({ event: "seen-failed", err: error }, "Cannot write down who was seen");
    this.#written = this.#written.then(() => this.#write(seen)).catch(fault);
  }

  /** Resolves when all that was told is written. */
  settled(): Promise<void> {
    return this.#written;
  }

  async #write({ keys, accounts, sessions }: Seen): Promise<void> {
    await this.#db.transaction().execute(async () => {
      const session = connectionOf(this.#db).prepare(SESSION_SEEN);
      const user = connectionOf(this.#db).prepare(USER_SEEN);
      for (const { renewable, ...seen } of sessions) {
        session.run({ ...seen, renewable: renewable ? 1 : 0 });
        user.run({ user: seen.user, atMs: seen.atMs });
      }
      const key = connectionOf(this.#db).prepare(KEY_SEEN);
      for (const { id, atMs, address } of keys) key.run({ id, atMs, address });
      const account = connectionOf(this.#db).prepare(ACCOUNT_SEEN);
      for (const { id, atMs } of accounts) account.run({ id, atMs });
    });
  }
}
