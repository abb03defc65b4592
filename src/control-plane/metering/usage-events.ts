/**
 * Usage that is reported instead of seen: events are checked one by one, and those that count are booked in one transaction with
 * the memory of their ids, so that each counts once however often it is sent and whenever the process dies. Main thread.
 * They count always, whatever the limits: what they report has happened.
 * Not here: the shape of an event (`usage-event-reader.ts`), its units and window (`event-booking.ts`), HTTP (`api/`).
 */
import { setImmediate } from "node:timers/promises";
import type { Settings } from "#config/settings.ts";
import { forgetMs } from "#core/clock.ts";
import type { CreditGrant } from "#core/credits.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { CreditBurner } from "#shared/credit-burner.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Accounts } from "#control-plane/accounts/accounts.ts";
import { connectionOf, type Database } from "#control-plane/store/database.ts";
import type { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import type { CounterChange } from "./booking.ts";
import { EventBooking, type Wanted } from "./event-booking.ts";
import { EventStore } from "./event-store.ts";
import type { Ledger } from "./ledger.ts";
import { type EventFault, type EventForm, namesOf, readEvent, type ReportedEvent } from "./usage-event-reader.ts";

/** Events booked before others have the thread for a moment. */
const TURN_EVENTS = 100;

/** What became of one event. */
export interface EventResult {
  /** null: it has none. */
  readonly id: string | null;
  readonly source: string | null;
  readonly status: "accepted" | "duplicate" | "rejected";
  readonly error?: EventFault["error"];
  readonly detail?: string;
}

export interface UsageEventsParts {
  readonly db: Database;
  readonly settings: () => Settings;
  readonly accounts: Pick<Accounts, "find" | "byId">;
  readonly keys: Pick<ApiKeys, "byId">;
  readonly ledger: Ledger;
  readonly counters: CounterTable;
  readonly burner: CreditBurner;
  /** Grants the account may burn, those that are used up too: a correction may give something back to one. */
  readonly grants: (account: string) => Promise<readonly CreditGrant[]>;
  /** Tells the workers that the account's grants are others now. */
  readonly announce: (account: string) => Promise<void>;
}

/** One list of events as it came. */
export interface Report {
  readonly events: readonly unknown[];
  readonly form: EventForm;
  /** Whose usage it is where an event does not say; null: each has to. */
  readonly account: Account | null;
}

export class UsageEvents {
  readonly #parts: UsageEventsParts;
  readonly #store: EventStore;

  constructor(parts: UsageEventsParts) {
    this.#parts = parts;
    this.#store = new EventStore(connectionOf(parts.db));
  }

  /** A result for each event, in their order. One bad event does not hinder the others; when it throws, none was counted. */
  async report({ events, form, account }: Report): Promise<readonly EventResult[]> {
    const asked = new Asked(this.#parts, account);
    const wanted: (Wanted | EventFault)[] = [];
    for (const raw of events) {
      const event = readEvent(raw, form);
      wanted.push("error" in event ? event : await asked.about(event));
    }
    const outcomes = await this.#book(wanted);
    return events.map((raw, index) => ({ ...namesOf(raw), ...resultOf(outcomes[index]) }));
  }

  /** Forgets events too old to come again. */
  async prune(): Promise<void> {
    const { db } = this.#parts;
    while (await db.connection().execute(async () => this.#store.prune(forgetMs()))) await setImmediate();
  }

  async #book(wanted: readonly (Wanted | EventFault)[]): Promise<readonly Outcome[]> {
    const { db, ledger } = this.#parts;
    const booking = new EventBooking({ ...this.#parts, settings: this.#parts.settings(), store: this.#store });
    const outcomes: Outcome[] = [];
    const changes: CounterChange[] = [];
    try {
      await db.transaction().execute(async (trx) => {
        for (let from = 0; from < wanted.length; from += TURN_EVENTS) {
          if (from > 0) await setImmediate();
          for (const one of wanted.slice(from, from + TURN_EVENTS))
            outcomes.push("error" in one ? one : booking.take(one));
          changes.push(...ledger.book(trx, booking.charges()));
        }
      });
    } catch (error) {
      booking.undo();
      throw error;
    }
    booking.committed();
    ledger.tell(changes);
    for (const account of booking.refunded) await this.#parts.announce(account);
    return outcomes;
  }
}

type Outcome = "accepted" | "duplicate" | EventFault;

function resultOf(outcome: Outcome | undefined): Omit<EventResult, "id" | "source"> {
  if (outcome === undefined) throw new Error("An event has no outcome");
  return typeof outcome === "string" ? { status: outcome } : { status: "rejected", ...outcome };
}

/** Who and what events name, each looked up once; afterwards the counters of all accounts found are seeded. */
class Asked {
  readonly #parts: UsageEventsParts;
  readonly #own: Account | null;
  readonly #accounts = new Map<string, Promise<Wanted["account"] | null>>();
  readonly #keys = new Map<string, Promise<string | null>>();

  constructor(parts: UsageEventsParts, own: Account | null) {
    this.#parts = parts;
    this.#own = own;
  }

  async about(event: ReportedEvent): Promise<Wanted | EventFault> {
    const subject = event.subject ?? this.#own?.id ?? null;
    if (subject === null) return fault("unknown_account", "Expected an account in subject, got nothing");
    if (!Object.hasOwn(this.#parts.settings().meters, event.meter)) {
      const known = Object.keys(this.#parts.settings().meters).join(", ");
      return fault("unknown_meter", `Expected a meter in type, one of ${known || "none"}, got "${event.meter}"`);
    }
    const account = await remembered(this.#accounts, subject, () => this.#account(subject));
    if (account === null) return fault("unknown_account", `No account "${subject}"`);
    if (event.key !== "" && (await remembered(this.#keys, event.key, () => this.#ownerOf(event.key))) !== account.id)
      return fault("unknown_key", `Account "${subject}" has no key "${event.key}"`);
    return { event, account };
  }

  async #account(subject: string): Promise<Wanted["account"] | null> {
    const account = await this.#parts.accounts.find(subject);
    if (account === null) return null;
    const grants = await this.#parts.grants(account.id);
    const { anchorMs, epoch } = await this.#parts.ledger.seeder.anchorOf(account.id);
    return { ...account, grants, anchorMs, epoch };
  }

  async #ownerOf(key: string): Promise<string | null> {
    return (await this.#parts.keys.byId(key))?.accountId ?? null;
  }
}

function remembered<T>(known: Map<string, Promise<T>>, name: string, look: () => Promise<T>): Promise<T> {
  const found = known.get(name) ?? look();
  known.set(name, found);
  return found;
}

function fault(error: EventFault["error"], detail: string): EventFault {
  return { error, detail };
}
