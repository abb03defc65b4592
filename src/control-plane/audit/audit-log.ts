/**
 * The audit log: who changed what, when and from where, each entry in the transaction of the change it tells of. Main thread.
 * Entries are never changed or removed (the store refuses it), and chained (`audit-chain.ts`). Never holds a secret.
 */
import type { Statement } from "better-sqlite3";
import { sql } from "kysely";
import { wallMs } from "#core/clock.ts";
import { newId } from "#core/ids.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import { type Actor, currentActor } from "./acting.ts";
import { type AuditRow, CHAIN_START, chainKey, ChainWalk, entryHash } from "./audit-chain.ts";

type Facts = Readonly<Record<string, unknown>>;

/** What has been done. */
export interface Deed {
  /** `account.suspended` and so on; `docs/admin.md` lists them. */
  readonly action: string;
  /** Id of what was changed. */
  readonly target: string;
  /** The account it belongs to; null: none. */
  readonly account: string | null;
  /** What was and what is now, of members that changed; null: it was not there, or is not any more. */
  readonly before: Facts | null;
  readonly after: Facts | null;
}

export interface AuditFilter {
  readonly account?: string | undefined;
  readonly action?: string | undefined;
  /** Id or kind. */
  readonly actor?: string | undefined;
  readonly target?: string | undefined;
  readonly fromMs?: number | undefined;
  /** Exclusive. */
  readonly toMs?: number | undefined;
  /** Exclusive: entries older than this one. */
  readonly beforeSeq?: number | undefined;
}

export interface Verified {
  readonly entries: number;
  /** `SEQ:HASH` of the last entry; null: there is none. */
  readonly head: string | null;
  readonly faults: ChainWalk["faults"];
}

const INSERT = `INSERT INTO audit_log (
    seq, id, at_ms, actor_kind, actor, actor_account, action, target, account, before, after, ip, request_id, hash
  ) VALUES (
    @seq, @id, @at_ms, @actor_kind, @actor, @actor_account, @action, @target, @account, @before, @after, @ip, @request_id, @hash
  )`;

/** Entries read at a time while the chain is verified. */
const STEP = 1000;

export class AuditLog {
  readonly #db: Database;
  readonly #key: Uint8Array;
  readonly #insert: Statement<unknown[]>;

  constructor(db: Database, pepper: Uint8Array) {
    this.#db = db;
    this.#key = chainKey(pepper);
    this.#insert = connectionOf(db).prepare(INSERT);
  }

  /** Adds an entry, by whoever acts now. `trx` is the transaction of the change. */
  write(trx: Database, deed: Deed): Promise<void> {
    return this.writeAll(trx, [deed]);
  }

  /** Adds entries in their order, by whoever acts now. `trx` is the transaction of the changes. Some 20 µs each. */
  async writeAll(trx: Database, deeds: readonly Deed[]): Promise<void> {
    let last = await trx
      .selectFrom("audit_log")
      .select(["seq", "hash"])
      .orderBy("seq", "desc")
      .limit(1)
      .executeTakeFirst();
    const actor = currentActor();
    for (const deed of deeds) {
      const row = { seq: (last?.seq ?? 0) + 1, id: newId("aud"), at_ms: wallMs(), ...entryOf(deed, actor) };
      last = { seq: row.seq, hash: entryHash(row, last?.hash ?? CHAIN_START, this.#key) };
      this.#insert.run({ ...row, hash: last.hash });
    }
  }

  /** An entry of something that is in no transaction of the store. */
  async record(deed: Deed): Promise<void> {
    await this.#db.transaction().execute((trx) => this.write(trx, deed));
  }

  /** The newest first. */
  async list(filter: AuditFilter, count: number): Promise<readonly AuditRow[]> {
    const { account, action, actor, target, fromMs, toMs, beforeSeq } = filter;
    let query = this.#db.selectFrom("audit_log").selectAll();
    if (account !== undefined) query = query.where("account", "=", account);
    if (action !== undefined) query = query.where("action", "=", action);
    if (actor !== undefined) query = query.where(sql<boolean>`(actor = ${actor} OR actor_kind = ${actor})`);
    if (target !== undefined) query = query.where("target", "=", target);
    if (fromMs !== undefined) query = query.where("at_ms", ">=", fromMs);
    if (toMs !== undefined) query = query.where("at_ms", "<", toMs);
    if (beforeSeq !== undefined) query = query.where("seq", "<", beforeSeq);
    return query.orderBy("seq", "desc").limit(count).execute();
  }

  /** Looks at every entry. What is written meanwhile is not looked at. */
  async verify(): Promise<Verified> {
    const last = await this.#last();
    const walk = new ChainWalk(this.#key);
    for (let from = 0; ; ) {
      const rows = await this.#db
        .selectFrom("audit_log")
        .selectAll()
        .where("seq", ">", from)
        .where("seq", "<=", last)
        .orderBy("seq")
        .limit(STEP)
        .execute();
      for (const row of rows) walk.take(row);
      if (rows.length < STEP) break;
      from = walk.seq;
    }
    walk.endsAt(last);
    return { entries: walk.seq, head: walk.seq === 0 ? null : `${walk.seq}:${walk.head}`, faults: walk.faults };
  }

  /** The number given last, be its entry there or not. */
  async #last(): Promise<number> {
    const { rows } = await sql<{ seq: number }>`SELECT seq FROM sqlite_sequence WHERE name = 'audit_log'`.execute(
      this.#db,
    );
    return rows[0]?.seq ?? 0;
  }
}

/** What an entry says, but for its place in the chain. */
function entryOf({ action, target, account, before, after }: Deed, actor: Actor) {
  return {
    actor_kind: actor.kind,
    actor: actor.id,
    actor_account: actor.account,
    action,
    target,
    account,
    before: before === null ? null : JSON.stringify(before),
    after: after === null ? null : JSON.stringify(after),
    ip: actor.ip,
    request_id: actor.requestId,
  };
}
