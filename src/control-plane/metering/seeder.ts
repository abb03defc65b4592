/**
 * Puts what the store knows of an account into the live counters: at first sight, when shapes of windows are new, and when its
 * billing anchor moves. Main thread. `counting.ts` says why that leaves neither gap nor overlap; each account is read and added in one
 * go on the store's only connection, with nothing booked in between. An account is seeded whole or not at all: without a place for each
 * of its counters it fails, and is tried again at the next request. Does not scan the ledger: it reads of one account at a time.
 */
import type { Database as Connection, Statement } from "better-sqlite3";
import type { Logger } from "pino";
import { wallMs } from "#core/clock.ts";
import { LIFETIME_END_MS, type Window } from "#core/windows.ts";
import { type CounterShape, counterName, grantCounterName, holderOf, type UsageOp } from "#shared/counter-shapes.ts";
import type { CounterKey, CounterTable } from "#shared/counter-table.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { CounterChange } from "./booking.ts";
import { type AnchorSince, type Counting, isSameWindow } from "./counting.ts";
import type { AccountFacts, UsageWindows, WindowUsage } from "./usage-windows.ts";

const HOUR_MS = 3_600_000;
/** How far a clock may jump back and find its counters: as long as `counter-table.ts` keeps them. */
const BACK_SHORT_MS = HOUR_MS;
const BACK_MS = 26 * HOUR_MS;
const FULL = "The table of counters is full: some accounts will be refused";

export interface SeederParts {
  readonly db: Database;
  readonly counters: CounterTable;
  readonly counting: Counting;
  readonly log: Logger;
}

interface OpenReservation {
  readonly key: string;
  readonly user: string;
  readonly meter: string;
  readonly op: UsageOp;
  readonly units: number;
  readonly at_ms: number;
  readonly burns: string;
}

interface GrantUse {
  readonly id: string;
  readonly used: number;
  readonly start_ms: number;
  readonly expires_ms: number | null;
}

/** Units for a counter. */
interface Put {
  readonly counter: CounterKey;
  readonly op: UsageOp;
  readonly units: number;
}

/** What a counter of an account is to get. */
interface Portion {
  readonly shape: CounterShape;
  readonly holder: string;
  readonly window: Window;
  readonly units: number;
}

export class Seeder {
  readonly #parts: SeederParts;
  readonly #windows: UsageWindows;
  readonly #reservations: Statement<unknown[], OpenReservation>;
  readonly #grants: Statement<unknown[], GrantUse>;
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(parts: SeederParts, windows: UsageWindows) {
    this.#parts = parts;
    this.#windows = windows;
    const connection: Connection = connectionOf(parts.db);
    this.#reservations = connection.prepare(
      "SELECT key, user, meter, op, units, at_ms, burns FROM usage_reservations WHERE account = ? AND state = 'open'",
    );
    this.#grants = connection.prepare(
      "SELECT id, used, start_ms, expires_ms FROM credit_grants WHERE account = ? AND (expires_ms IS NULL OR expires_ms > ?)",
    );
  }

  /**
   * Resolves when the account's counters hold what the store knows; before a worker is told of the account, and before anyone here
   * reads or changes them. Free when it was done. Several at once are one.
   */
  ensure(account: string): Promise<void> {
    if (this.#parts.counting.isSeen(account)) return Promise.resolve();
    const underWay = this.#underWay.get(account);
    if (underWay !== undefined) return underWay;
    const work = this.#alone(() => this.#seed(account)).finally(() => this.#underWay.delete(account));
    this.#underWay.set(account, work);
    return work;
  }

  /** As `ensure`; with the anchor its workers are to count by. */
  async anchorOf(account: string): Promise<AnchorSince> {
    await this.ensure(account);
    const anchor = this.#parts.counting.anchorOf(account);
    if (anchor === null) throw new Error("An account was seeded without an anchor");
    return anchor;
  }

  /** Seeds the shapes that are new since the accounts of this run were seen. */
  async seedNewShapes(): Promise<void> {
    for (const account of this.#parts.counting.accounts()) await this.#alone(() => this.#seed(account));
  }

  /** The account's anchor in the store is another now: a new epoch, and its billing periods are seeded. Nothing when it is the same. */
  moveAnchor(account: string): Promise<void> {
    return this.#alone(() => this.#move(account));
  }

  /** Nobody else uses the connection meanwhile, and no transaction is open. `work` runs in one go. */
  #alone(work: () => void): Promise<void> {
    return this.#parts.db.connection().execute(async () => work());
  }

  #seed(id: string): void {
    const { counting } = this.#parts;
    const isFirst = !counting.isSeen(id);
    const accounts = this.#facts(id);
    const nowMs = wallMs();
    // All is read before anything is added: a failure half way adds nothing.
    const shapes = counting.unseeded(id);
    const portions = shapes.flatMap((shape) => this.#portions(accounts, shape, nowMs));
    const reservations = this.#reservations.all(id);
    const grants = isFirst ? this.#grants.all(id, nowMs - BACK_MS) : [];
    const unsee = counting.see(id, accounts[0]?.anchorMs ?? 0);
    const isNew = new Set(shapes);
    const held = reservations
      .flatMap((reservation) => this.#held(id, reservation))
      .filter(({ shape }) => isNew.has(shape));
    const used = grants.map((grant) => this.#grantPut(grant, grant.used));
    const burns = reservations.flatMap((reservation) => this.#burns(grants, reservation));
    this.#putAll([...[...portions, ...held].map((portion) => this.#portionPut(id, portion)), ...used, ...burns], unsee);
  }

  /** By every anchor that the account is counted by, or the one of the store when it is new here. */
  #facts(id: string): readonly AccountFacts[] {
    const facts = this.#windows.account(id);
    const anchors = this.#parts.counting.anchorsOf(id);
    if (anchors.length === 0) return [facts];
    // Only billing periods of the anchor in force have rows.
    const since = (anchorMs: number) => (anchorMs === facts.anchorMs ? facts.anchorSinceMs : Number.POSITIVE_INFINITY);
    return anchors.map((anchorMs) => ({ ...facts, anchorMs, anchorSinceMs: since(anchorMs) }));
  }

  /** What the store knows of a shape; windows of two anchors that are the same stand there once. */
  #portions(accounts: readonly AccountFacts[], shape: CounterShape, nowMs: number): readonly Portion[] {
    const portions = new Map<string, Portion>();
    for (const account of shape.window.kind === "billing-period" ? accounts : accounts.slice(0, 1)) {
      for (const { holder, window, tally } of this.#usage(account, shape, nowMs))
        portions.set(`${window.startMs} ${window.endMs} ${holder}`, { shape, holder, window, units: tally.units });
    }
    return [...portions.values()];
  }

  #usage(account: AccountFacts, shape: CounterShape, nowMs: number): readonly WindowUsage[] {
    const { kind } = shape.window;
    const backMs = kind === "minute" || kind === "hour" ? BACK_SHORT_MS : BACK_MS;
    const windowAt = (atMs: number) => this.#parts.counting.windows.of(shape, atMs, account.anchorMs);
    const times = { fromMs: Math.max(0, nowMs - backMs), toMs: nowMs, nowMs };
    return this.#windows.usedBetween(account, shape, times, windowAt);
  }

  /** What an open reservation holds in the seeded counters. */
  #held(account: string, { key, user, meter, op, units, at_ms: atMs }: OpenReservation): readonly Portion[] {
    return this.#parts.counting.seededAt(account, meter, atMs).flatMap(({ shape, window }) => {
      const holder = shape.op === op ? holderOf(shape.by, key, user) : null;
      return holder === null ? [] : [{ shape, holder, window, units }];
    });
  }

  #burns(grants: readonly GrantUse[], { burns }: OpenReservation): readonly Put[] {
    return burnsOf(burns).flatMap(({ grant, credits }) => {
      const known = grants.find(({ id }) => id === grant);
      return known === undefined ? [] : [this.#grantPut(known, credits)];
    });
  }

  /** Windows that an earlier anchor has too are counted already. */
  #move(id: string): void {
    const { counting } = this.#parts;
    const before = counting.anchorOf(id);
    const facts = this.#windows.account(id);
    if (before === null || before.anchorMs === facts.anchorMs) return;
    const nowMs = wallMs();
    const shapes = [...counting.shapes()].filter(({ window }) => window.kind === "billing-period");
    const isNew = (shape: CounterShape, window: Window) =>
      !counting.windowsAt(id, shape, window.startMs).some((other) => isSameWindow(other, window));
    const portions = shapes
      .flatMap((shape) => this.#portions([facts], shape, nowMs))
      .filter(({ shape, window }) => isNew(shape, window));
    const reservations = this.#reservations.all(id);
    const held = new Set(reservations.flatMap((reservation) => this.#held(id, reservation)).map(placeOf));
    const moveBack = counting.moveAnchor(id, facts.anchorMs);
    const more = reservations
      .flatMap((reservation) => this.#held(id, reservation))
      .filter((portion) => !held.has(placeOf(portion)));
    this.#putAll(
      [...portions, ...more].map((portion) => this.#portionPut(id, portion)),
      moveBack,
    );
  }

  /**
   * Tells the live counters what they have not heard of; after the commit of what was booked. One without a place misses it until
   * the next start: seeding its account again would count twice what its workers have counted meanwhile.
   */
  tell(changes: readonly CounterChange[]): void {
    for (const { account, shape, holder, window, tally } of changes) {
      // Nobody looks at windows long over.
      if (window.endMs + BACK_MS < wallMs()) continue;
      const put = this.#portionPut(account, { shape, holder, window, units: tally.units });
      if (!this.#put(put)) this.#parts.log.error({ event: "counters-full" }, FULL);
    }
  }

  /** All of it or nothing: with a counter that has no place what was added is taken off, `undo` is called, and it throws. */
  #putAll(puts: readonly Put[], undo: () => void): void {
    const failed = puts.findIndex((put) => !this.#put(put));
    if (failed === -1) return;
    // What was raised or set stays: doing so again comes to the same.
    for (const { counter, op, units } of puts.slice(0, failed))
      if (op === "add") this.#parts.counters.giveBack(counter, units);
    undo();
    this.#parts.log.error({ event: "counters-full" }, FULL);
    throw new Error(FULL);
  }

  /** False: the table has no place. */
  #put({ counter, op, units }: Put): boolean {
    const { counters } = this.#parts;
    if (op === "max") return counters.raise(counter, units);
    if (op === "set") return counters.set(counter, units);
    return units === 0 || counters.add(counter, units);
  }

  #portionPut(account: string, { shape, holder, window, units }: Portion): Put {
    const counter = this.#parts.counters.key(counterName(account, shape.key, holder, window), window);
    return { counter, op: shape.op, units };
  }

  #grantPut({ id, start_ms: startMs, expires_ms: expiresMs }: GrantUse, credits: number): Put {
    const window: Window = { kind: "lifetime", startMs, endMs: expiresMs ?? LIFETIME_END_MS };
    return { counter: this.#parts.counters.key(grantCounterName(id), window), op: "add", units: credits };
  }
}

function placeOf({ shape, holder, window }: Portion): string {
  return `${shape.key} ${window.startMs} ${window.endMs} ${holder}`;
}

/** The burns in a column of the store. */
export function burnsOf(json: string): readonly { readonly grant: string; readonly credits: number }[] {
  const value: unknown = JSON.parse(json);
  // Written by `JSON.stringify` of a list of `Burn`.
  return Array.isArray(value) ? (value as { grant: string; credits: number }[]) : [];
}
