/**
 * One change of many accounts or users, all of it or nothing. Main thread. A dry run does the same and takes it back, so what it says is
 * exact. One transaction, some 60 µs for each, in which this thread does nothing else: callers bound how many there may be.
 */
import type { AuditLog, Deed } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";

export interface BulkWish<Filter, Act> {
  readonly filter: Filter;
  readonly act: Act;
  readonly reason: string | null;
  readonly max: number;
  /** How many have to match; null: a dry run. */
  readonly expected: number | null;
  /** What the audit log says of it as a whole. */
  readonly facts: Readonly<Record<string, unknown>>;
}

export interface BulkOutcome {
  readonly matched: number;
  /** Ids of those that are others now, in the order of their creation; null: nothing was done, as too many or other ones match. */
  readonly changed: readonly string[] | null;
}

/** What one comes to. */
export interface Done {
  /** Empty: it is as it was. */
  readonly deeds: readonly Deed[];
  /** Keys that were revoked. */
  readonly keys: readonly string[];
}

export const NOTHING_DONE: Done = { deeds: [], keys: [] };

/** What is changed in bulk, and how. */
export interface BulkKind<Item extends { readonly id: string }, Filter, Act> {
  readonly name: "accounts" | "users";
  count(filter: Filter): Promise<number>;
  /** In the order of their creation, at most `count`; within the transaction. */
  within(trx: Database, filter: Filter, count: number): Promise<readonly Item[]>;
  /** Within the transaction, by prepared statements. */
  act(item: Item, wish: BulkWish<Filter, Act>): Done;
  /** Resolves when every worker knows. */
  announce(changed: readonly Item[], keys: readonly string[]): Promise<void>;
}

export interface BulkParts {
  readonly db: Database;
  readonly audit: AuditLog;
}

/** What has come of it so far. */
interface Work<Item> {
  matched: number;
  readonly changed: Item[];
  readonly keys: string[];
}

/** Ends a transaction without its changes. */
class TakenBack extends Error {}

/** In force on the next request when it resolves. */
export async function runBulk<Item extends { readonly id: string }, Filter, Act>(
  parts: BulkParts,
  kind: BulkKind<Item, Filter, Act>,
  wish: BulkWish<Filter, Act>,
): Promise<BulkOutcome> {
  const matched = await kind.count(wish.filter);
  if (matched > wish.max) return { matched, changed: null };
  const work: Work<Item> = { matched, changed: [], keys: [] };
  const isKept = await inTransaction(parts.db, (trx) => doWork(trx, parts.audit, kind, wish, work));
  const { changed, keys } = work;
  if (isKept) await kind.announce(changed, keys);
  const ids = changed.map(({ id }) => id);
  return { matched: work.matched, changed: isKept || wish.expected === null ? ids : null };
}

/** False: it is to be taken back. */
async function doWork<Item extends { readonly id: string }, Filter, Act>(
  trx: Database,
  audit: AuditLog,
  kind: BulkKind<Item, Filter, Act>,
  wish: BulkWish<Filter, Act>,
  work: Work<Item>,
): Promise<boolean> {
  const found = await kind.within(trx, wish.filter, wish.max + 1);
  work.matched = found.length;
  if (wish.expected !== null && found.length !== wish.expected) return false;
  const deeds = found.flatMap((item) => {
    const done = kind.act(item, wish);
    if (done.deeds.length > 0) work.changed.push(item);
    work.keys.push(...done.keys);
    return done.deeds;
  });
  if (wish.expected === null) return false;
  await audit.writeAll(trx, [...deeds, summary(kind.name, wish, work)]);
  return true;
}

/** As `work` says, which is run once. */
async function inTransaction(db: Database, work: (trx: Database) => Promise<boolean>): Promise<boolean> {
  const attempt = db.transaction().execute(async (trx) => {
    if (!(await work(trx))) throw new TakenBack();
    return true;
  });
  return attempt.catch((error: unknown) => {
    if (error instanceof TakenBack) return false;
    throw error;
  });
}

function summary(
  name: string,
  { facts, reason }: BulkWish<unknown, unknown>,
  { matched, changed }: Work<unknown>,
): Deed {
  const after = { ...facts, ...(reason === null ? {} : { reason }), matched, changed: changed.length };
  return { action: `${name}.bulk`, target: name, account: null, before: null, after };
}
