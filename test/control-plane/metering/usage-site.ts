/**
 * A gateway's main thread without workers: data folder, store, ledger, counters and what takes in reported usage, restarted at will.
 * The clock is the tests' own (`vi.useFakeTimers`). Does not listen on anything.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { type WindowKind, windowAt } from "#core/windows.ts";
import { counterName, grantCounterName, shapesOf } from "#shared/counter-shapes.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Services } from "#control-plane/api/services.ts";
import type { GrantWish } from "#control-plane/credits/grants.ts";
import { Foundation } from "#control-plane/foundation.ts";
import type { EventResult } from "#control-plane/metering/usage-events.ts";
import type { Database } from "#control-plane/store/database.ts";
import { BASE, settingsOf } from "#test/config/faults-of.ts";

export class UsageSite implements AsyncDisposable {
  /** Accounts that workers were told of, in order. */
  readonly announced: string[] = [];
  readonly #dir: string;
  #settings: Settings;
  #foundation: Foundation | null = null;

  /** `yaml`: what the file has besides upstreams and routes. */
  static async open(yaml: string): Promise<UsageSite> {
    const site = new UsageSite(yaml);
    await site.start();
    return site;
  }

  private constructor(yaml: string) {
    this.#dir = mkdtempSync(join(tmpdir(), "tollgate-usage-"));
    this.#settings = this.#read(yaml);
  }

  #read(yaml: string): Settings {
    return settingsOf(`${BASE}${yaml}`, {}, join(this.#dir, "gateway.yaml"));
  }

  get foundation(): Foundation {
    if (this.#foundation === null) throw new Error("The site is stopped");
    return this.#foundation;
  }

  get services(): Services {
    return this.foundation.services;
  }

  get db(): Database {
    return this.foundation.db;
  }

  get settings(): Settings {
    return this.#settings;
  }

  async start(): Promise<void> {
    this.#foundation = await Foundation.open({
      settings: () => this.#settings,
      log: pino({ level: "silent" }),
      announce: async (what) => void this.announced.push(...(what.kind === "batch" ? what.accounts : [what.id])),
      publishKeys: () => Promise.resolve(),
      isLive: () => false,
      live: null,
    });
    await this.#foundation.recover();
  }

  async stop(): Promise<void> {
    await this.#foundation?.close();
    this.#foundation = null;
  }

  /** As a process that died and was started again: nothing in memory is left. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** A reload, as the gateway does it. */
  async reload(yaml: string): Promise<void> {
    const settings = this.#read(yaml);
    await this.foundation.ledger.useShapes(settings);
    this.#settings = settings;
  }

  account(name = "A", plan: string | null = null): Promise<Account> {
    return this.services.accounts.create({ name, externalId: name, plan });
  }

  /** Reports events in the plain form; `account` is the caller's own. */
  report(events: readonly unknown[], account: Account | null = null): Promise<readonly EventResult[]> {
    return this.services.events.report({ events, form: "plain", account });
  }

  give(account: string, wish: Partial<GrantWish> = {}) {
    const standard = {
      priority: 100,
      startMs: null,
      expiresMs: null,
      source: "admin",
      idempotencyKey: null,
      note: null,
    } as const;
    return this.services.grants.give(account, { amount: 100, ...standard, ...wish });
  }

  /** What the live counter of an account's first shape of a meter, or of this kind of window, holds at a moment. */
  live(account: Account, meter: string, atMs = wallMs(), holder = "", kind: WindowKind | null = null): number {
    const shape = shapesOf(this.#settings)
      .get(meter)
      ?.filter(({ window }) => kind === null || window.kind === kind)
      .find(({ by }) => (holder === "" ? by === "account" : holder.startsWith(by)));
    if (shape === undefined) throw new Error(`No shape of ${meter}`);
    const window = windowAt(shape.window, atMs, account.anchorMs);
    const { counters } = this.foundation;
    return counters.used(counters.key(counterName(account.id, shape.key, holder, window), window));
  }

  /** Credits of a grant that are burnt and set aside. */
  burnt(grant: string): number {
    const { counters } = this.foundation;
    return counters.used(counters.key(grantCounterName(grant), { kind: "lifetime", startMs: 0, endMs: 1 }));
  }

  /** Minute rows by account, meter and minute: `[minute, units]`, those of op set left out. */
  async minutes(account: string, meter: string): Promise<readonly (readonly [number, number])[]> {
    const rows = await this.db
      .selectFrom("usage")
      .select(({ fn }) => ["minute", fn.sum<number>("units").as("units")])
      .where("account", "=", account)
      .where("meter", "=", meter)
      .groupBy("minute")
      .orderBy("minute")
      .execute();
    return rows.map(({ minute, units }) => [minute, units]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
