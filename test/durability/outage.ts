/**
 * One gateway with one worker, under load, whose disk breaks and heals while it runs: what clients see during the outage, how
 * soon it is over, and that every charge is counted once in the end. Makes no faults itself: `strace.ts` does.
 */
import { readdirSync, readlinkSync } from "node:fs";
import { expect } from "vitest";
import type { Gateway } from "#test/support/process.ts";
import { until } from "#test/support/until.ts";
import { journaledIds, journalFiles, lastRunFiles } from "./journal.ts";
import type { Load } from "./load.ts";
import { type Metering, Site, type SiteOptions, storeFiles } from "./site.ts";
import { type Injection, Strace } from "./strace.ts";
import { expectLedger } from "./witness.ts";

export const CONNECTIONS = 4;
/** A new segment is tried each second, so service is back that long after the disk at the latest; the rest is a busy machine's. */
const BACK_MS = 1000 + 4000;
const BUSY_MACHINE_MS = 20_000;

export class Outage implements AsyncDisposable {
  readonly site: Site;
  #gateway: Gateway;
  readonly servedIds = new Set<string>();
  readonly refusedIds = new Set<string>();
  #loads = 0;

  static async open(options: Omit<SiteOptions, "workers"> = {}): Promise<Outage> {
    const site = await Site.open({ ...options, workers: 1 });
    return new Outage(site, await site.start());
  }

  private constructor(site: Site, gateway: Gateway) {
    this.site = site;
    this.#gateway = gateway;
  }

  get gateway(): Gateway {
    return this.#gateway;
  }

  /** A crash, and a start on the same data. */
  async crash(): Promise<void> {
    await this.#gateway.kill();
    this.#gateway = await this.site.start();
  }

  async metering(metering: Metering): Promise<void> {
    const { event } = await this.gateway.reload(this.site.config(metering));
    if (event !== "reloaded") throw new Error(this.gateway.output());
  }

  /** The journal's files of now and later, as far as an outage of seconds gets. */
  breakJournal(...injections: readonly Injection[]): Promise<Strace> {
    return Strace.attach(this.gateway.pid, lastRunFiles(this.site.dir, 20), injections);
  }

  /** The store's files alike. */
  breakStore(...injections: readonly Injection[]): Promise<Strace> {
    return Strace.attach(this.gateway.pid, storeFiles(this.site.dir), injections);
  }

  /** Starts a load that has been served for a while. */
  async load(): Promise<Load> {
    const load = await this.site.load(this.gateway, `load${++this.#loads}`, () => "/fast", CONNECTIONS);
    await this.served(load, 20);
    return load;
  }

  /** Resolves when so many more requests are served. */
  async served(load: Load, more: number): Promise<void> {
    const before = load.complete.size;
    await until("service", () => load.complete.size >= before + more, BUSY_MACHINE_MS, 1);
  }

  /** Resolves when so many requests are refused; all of them with 503. */
  async refused(load: Load, count: number): Promise<void> {
    await until("refusals", () => load.refused.size >= count, BUSY_MACHINE_MS, 1);
    expectOnly503(load);
  }

  /** Resolves when so many more failed writes of the journal are in the log. */
  async failures(more: number): Promise<void> {
    const count = () => this.gateway.output().split('"event":"journal-failed"').length;
    const before = count();
    await until("failed writes", () => count() >= before + more, BUSY_MACHINE_MS, 20);
  }

  /** Resolves when requests are served again, which must not take long; ends the load and remembers what came of it. */
  async healed(load: Load): Promise<void> {
    const before = load.complete.size;
    await until("service is back", () => load.complete.size > before + 20, BACK_MS, 1);
    await load.stop();
    this.remember(load);
  }

  /** What came of a load that has ended. */
  remember(load: Load): void {
    for (const id of load.delivered) this.servedIds.add(id);
    for (const id of load.refused.keys()) this.refusedIds.add(id);
  }

  /** Requests that were served and that the journal does not have. */
  unmetered(): number {
    return this.servedIds.difference(new Set(journaledIds(this.site.dir))).size;
  }

  /** Files of the journal. */
  segments(): number {
    return journalFiles(this.site.dir).length;
  }

  /** Those that the gateway holds open. */
  openSegments(): number {
    const dir = `/proc/${this.gateway.pid}/fd`;
    return readdirSync(dir).filter((fd) => {
      try {
        return readlinkSync(`${dir}/${fd}`).endsWith(".journal");
      } catch {
        return false;
      }
    }).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway.kill();
    await this.site[Symbol.asyncDispose]();
  }
}

function expectOnly503(load: Load): void {
  expect(new Set(load.refused.values())).toEqual(new Set([503]));
}

/** What a client is told while usage cannot be written. */
export async function expectRefusal({ gateway, site }: Outage): Promise<void> {
  const answer = await fetch(`${gateway.url}/fast`, { headers: { authorization: `Bearer ${site.key}` } });
  expect([answer.status, answer.headers.get("retry-after")]).toEqual([503, "1"]);
  expect(await answer.json()).toMatchObject({ error: "metering_unavailable", status: 503, rule: "metering:journal" });
}

/**
 * The journal holds what was served, but for `unmetered`; nothing that was refused, and nothing twice; ledger and counters
 * hold the journal.
 */
export async function expectExact({ site, gateway, servedIds, refusedIds }: Outage, unmetered = 0): Promise<void> {
  const journaled = journaledIds(site.dir);
  const metered = new Set(journaled);
  expect({
    meteredTwice: journaled.length - metered.size,
    servedUnmetered: servedIds.difference(metered).size,
    refusedMetered: refusedIds.intersection(metered).size,
    meteredUnserved: metered.difference(servedIds).size,
  }).toEqual({ meteredTwice: 0, servedUnmetered: unmetered, refusedMetered: 0, meteredUnserved: 0 });
  await expectLedger(site, gateway, metered.size);
}
