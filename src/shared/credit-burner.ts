/**
 * Burning credits; both planes. Takes credits from an account's grants in burning order (`core/credits.ts`), all or nothing,
 * exact across threads: each grant has a counter of what is burnt of it, so no balance is ever below zero.
 * What one grant covers is one compare-and-swap; what needs several is taken under a latch of the account, so that two requests
 * never each hold half of what one of them could have had.
 */
import { burnOrder, type CreditGrant } from "#core/credits.ts";
import { LIFETIME_END_MS } from "#core/windows.ts";
import { grantCounterName } from "./counter-shapes.ts";
import { AccountLatch } from "./account-latch.ts";
import type { CounterKey, CounterTable } from "./counter-table.ts";
import type { InFlight } from "./in-flight-table.ts";
import type { AccountRecord } from "./principals.ts";
import type { SlotTable } from "./slot-table.ts";

/** Credits taken and not yet journaled. */
export interface TakenCredits {
  readonly grant: string;
  readonly counter: CounterKey;
  credits: number;
  /** Its slot in the in-flight table. */
  readonly slot: number;
}

/** A grant with the counter of what is burnt of it. */
export interface GrantCounter {
  readonly grant: CreditGrant;
  readonly counter: CounterKey;
}

/** Where what is taken is noted, so that it is given back when its thread dies. */
export type CreditNotes = Pick<InFlight, "add" | "addSlot" | "change" | "clearOne">;

export class CreditBurner {
  readonly #counters: CounterTable;
  readonly #latch: AccountLatch;
  readonly #inFlight: CreditNotes;
  readonly #known = new WeakMap<AccountRecord, ReadonlyMap<string, GrantCounter>>();

  constructor(counters: CounterTable, slots: SlotTable, inFlight: CreditNotes) {
    this.#counters = counters;
    this.#latch = new AccountLatch(slots, inFlight, "credits");
    this.#inFlight = inFlight;
  }

  /** Credits an account has at a moment. */
  balance(account: AccountRecord, atMs: number): number {
    let sum = 0;
    for (const { grant, counter } of this.usable(account, atMs))
      sum += Math.max(0, grant.amount - this.#counters.used(counter));
    return sum;
  }

  /** Takes exactly so many; null and nothing when there are not as many. */
  burn(account: AccountRecord, credits: number, atMs: number): readonly TakenCredits[] | null {
    const usable = this.usable(account, atMs);
    const [first] = usable;
    if (first === undefined) return credits === 0 ? [] : null;
    if (this.#counters.take(first.counter, credits, first.grant.amount) === "taken")
      return [this.#note(first, credits)];
    const release = this.#latch.lock(account.id);
    try {
      const taken = this.#takeInOrder(usable, credits);
      if (sumOf(taken) === credits) return taken;
      for (const one of taken) this.giveBack(one);
      return null;
    } finally {
      release();
    }
  }

  /** Takes so many or what there is: for usage that has happened. */
  burnUpTo(account: AccountRecord, credits: number, atMs: number): readonly TakenCredits[] {
    return this.#takeInOrder(this.usable(account, atMs), credits);
  }

  /** Takes so many of one grant, or what there is of it; null when there is nothing. */
  burnOf({ grant, counter }: GrantCounter, credits: number): TakenCredits | null {
    const part = this.#counters.takeUpTo(counter, credits, grant.amount);
    return part === 0 ? null : this.#note({ grant, counter }, part);
  }

  giveBack({ counter, credits, slot }: TakenCredits): void {
    // Cleared first: a death in between leaves credits taken rather than given back twice.
    this.#inFlight.clearOne(slot);
    this.#counters.giveBack(counter, credits);
  }

  /** Gives a part back; the rest stays taken. */
  reduce(taken: TakenCredits, credits: number): void {
    taken.credits -= credits;
    this.#inFlight.change(taken.slot, taken.credits);
    this.#counters.giveBack(taken.counter, credits);
  }

  #takeInOrder(usable: readonly GrantCounter[], credits: number): TakenCredits[] {
    const taken: TakenCredits[] = [];
    let missing = credits;
    for (const one of usable) {
      if (missing === 0) break;
      const part = this.burnOf(one, missing);
      if (part !== null) taken.push(part);
      missing -= part?.credits ?? 0;
    }
    return taken;
  }

  #note({ grant, counter }: GrantCounter, credits: number): TakenCredits {
    return { grant: grant.id, counter, credits, slot: this.#inFlight.add(counter.entry, credits) };
  }

  /** Grants that can be burnt at a moment, the next to burn first. */
  usable(account: AccountRecord, atMs: number): readonly GrantCounter[] {
    const known = this.#countersOf(account);
    return burnOrder(account.grants, atMs).flatMap(({ id }) => known.get(id) ?? []);
  }

  #countersOf(account: AccountRecord): ReadonlyMap<string, GrantCounter> {
    const known = this.#known.get(account);
    if (known !== undefined) return known;
    const made = new Map(account.grants.map((grant) => [grant.id, { grant, counter: this.#counterOf(grant) }]));
    this.#known.set(account, made);
    return made;
  }

  #counterOf({ id, startMs, expiresMs }: CreditGrant): CounterKey {
    const window = { kind: "lifetime", startMs, endMs: expiresMs ?? LIFETIME_END_MS } as const;
    return this.#counters.key(grantCounterName(id), window);
  }
}

function sumOf(taken: readonly TakenCredits[]): number {
  return taken.reduce((sum, { credits }) => sum + credits, 0);
}
