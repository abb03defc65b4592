/**
 * A gateway in small for properties of the ledger: workers that count charges in the live counters and write them to segments, events
 * that are booked directly, reloads, moved anchors and crashes, all at random; and the plain list of everything that was charged,
 * which says what must come out. Does not take requests.
 */
import { appendFileSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import type { Settings } from "#config/settings.ts";
import { type Window, windowAt } from "#core/windows.ts";
import { Anchors } from "#control-plane/metering/anchors.ts";
import type { AnchorSince } from "#control-plane/metering/counting.ts";
import type { Ledger } from "#control-plane/metering/ledger.ts";
import { type CounterShape, counterName, holderOf, shapesOf, type UsageOp } from "#shared/counter-shapes.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Charge, MeterUnits } from "#shared/journal-format.ts";
import type { Random } from "#test/support/random.ts";
import { charge, type JournalSite, newCounters, recordOf, recordV1Of } from "./journal-site.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const WORKERS = [2, 3] as const;

/** A worker as far as usage goes: what it knows, what it has not settled. */
interface Worker {
  readonly owner: number;
  settings: Settings;
  epoch: number;
  readonly anchors: Map<string, AnchorSince>;
  /** Requests that are not admitted yet, and what they go by. */
  readonly begun: { readonly settings: Settings; readonly epoch: number }[];
  readonly underWay: { readonly one: Charge; readonly by: Settings; readonly anchorMs: number }[];
  segment: number;
}

export interface WorldParts {
  readonly site: JournalSite;
  readonly random: Random;
  /** The settings that reloads choose from; the first is in force at the start. */
  readonly choices: readonly [Settings, ...Settings[]];
  readonly accounts: readonly [string, ...string[]];
  readonly grants: readonly [string, ...string[]];
}

export class World {
  /** Everything that was charged. */
  readonly charges: Charge[] = [];
  readonly #parts: WorldParts;
  readonly #clock: { nowMs: number };
  #run = 0;
  #serial = 0;
  #settings: Settings;
  #workers: readonly Worker[] = [];
  ledger: Ledger;
  counters: CounterTable;

  constructor(parts: WorldParts, clock: { nowMs: number }) {
    this.#parts = parts;
    this.#clock = clock;
    this.#settings = parts.choices[0];
    [this.ledger, this.counters] = this.#start();
  }

  get settings(): Settings {
    return this.#settings;
  }

  #start(): [Ledger, CounterTable] {
    const { site } = this.#parts;
    this.#run++;
    const counters = newCounters();
    const ledger = site.ledger({ run: `run${this.#run}`, live: WORKERS, settings: () => this.#settings, counters });
    const { epoch } = ledger.counting;
    this.#workers = WORKERS.map((owner) => {
      const worker = {
        owner,
        settings: this.#settings,
        epoch,
        anchors: new Map(),
        begun: [],
        underWay: [],
        segment: 1,
      };
      site.write(this.#segment(worker), []);
      return worker;
    });
    return [ledger, counters];
  }

  #segment({ owner, segment }: Worker): string {
    return `run${this.#run}-${owner}-${String(segment).padStart(6, "0")}.journal`;
  }

  /** One thing that happens. */
  async step(): Promise<void> {
    const { random } = this.#parts;
    const acts = [
      () => this.#admit(this.#anyWorker()),
      () => this.#admit(this.#anyWorker()),
      () => this.#admit(this.#anyWorker()),
      async () => this.#settle(this.#anyWorker()),
      async () => this.#settle(this.#anyWorker()),
      () => this.#begin(this.#anyWorker()),
      () => this.ledger.fold(),
      () => this.#event(),
      () => this.#moveAnchor(),
      () => this.#reload(),
      () => this.#crash(),
      async () => this.#rotate(this.#anyWorker()),
    ];
    const act = random.pick([acts[0] ?? acts[0], ...acts] as [() => Promise<void>, ...(() => Promise<void>)[]]);
    await act();
    this.#clock.nowMs +=
      random.between(0, 10) === 0 ? random.between(0, 9 * HOUR_MS) : random.between(0, 4 * MINUTE_MS);
  }

  /** Two things at once, where the order of what is booked does not matter. */
  async stepTogether(): Promise<void> {
    await Promise.all([
      this.ledger.fold(),
      this.#admit(this.#anyWorker()),
      this.#event(),
      this.#pause().then(() => this.ledger.fold()),
    ]);
  }

  async #pause(): Promise<void> {
    for (let turns = this.#parts.random.between(0, 20); turns > 0; turns--) await setImmediate();
  }

  #anyWorker(): Worker {
    return this.#workers[this.#parts.random.between(0, this.#workers.length - 1)] ?? this.#anyWorker();
  }

  /** A request begins: whatever changes until it is admitted, it goes by the settings it began with. */
  async #begin(worker: Worker): Promise<void> {
    worker.begun.push({ settings: worker.settings, epoch: worker.epoch });
  }

  /** Counts a charge, of a request that began before or of a new one, and writes it to the journal at once or later. */
  async #admit(worker: Worker): Promise<void> {
    const by = worker.begun.pop() ?? { settings: worker.settings, epoch: worker.epoch };
    const made = this.#charge();
    const anchor = worker.anchors.get(made.account) ?? (await this.ledger.seeder.anchorOf(made.account));
    worker.anchors.set(made.account, anchor);
    const one = { ...made, epoch: by.epoch + anchor.epoch };
    for (const line of one.units) if (line.op !== "set") this.#count(by.settings, one, line, anchor.anchorMs);
    worker.underWay.push({ one, by: by.settings, anchorMs: anchor.anchorMs });
    if (this.#parts.random.between(0, 2) > 0) this.#settle(worker);
  }

  #settle(worker: Worker): void {
    const { site } = this.#parts;
    for (const { one, by, anchorMs } of worker.underWay.splice(0)) {
      site.append(this.#segment(worker), recordOf(one));
      this.charges.push(one);
      for (const line of one.units) if (line.op === "set") this.#count(by, one, line, anchorMs);
    }
  }

  #count(
    settings: Settings,
    { account, key, user, atMs }: Charge,
    { meter, op, units }: MeterUnits,
    anchorMs: number,
  ): void {
    for (const shape of shapesOf(settings).get(meter) ?? []) {
      const holder = shape.op === op ? holderOf(shape.by, key, user) : null;
      if (holder === null) continue;
      const window = windowAt(shape.window, atMs, anchorMs);
      const counter = this.counters.key(counterName(account, shape.key, holder, window), window);
      if (op === "max") this.counters.raise(counter, units);
      else if (op === "set") this.counters.set(counter, units);
      else this.counters.add(counter, units);
    }
  }

  #charge(): Charge {
    const { random, accounts, grants } = this.#parts;
    const serial = ++this.#serial;
    // Values set at the same moment have no order that all agree on: each has a moment of its own.
    const atMs = Math.floor(this.#clock.nowMs / 1000) * 1000 - random.between(0, 50) * 60_000 + (serial % 1000);
    const op = (meter: string): UsageOp => (meter === "peak" ? "max" : meter === "storage" ? "set" : "add");
    const meters = ["calls", "tokens", "peak", "seats", "storage"].filter(() => random.between(0, 2) === 0);
    return charge({
      atMs,
      status: random.pick([200, 200, 404]),
      first: random.between(0, 3) > 0,
      account: random.pick([...accounts] as [string, ...string[]]),
      key: random.pick(["", "k1", "k2"]),
      user: random.pick(["", "u1", "u2"]),
      route: random.pick(["r1", "r2"]),
      requestId: `r-${serial}`,
      units: meters.map((meter) => ({
        meter,
        op: op(meter),
        units: random.between(meter === "seats" ? -3 : 0, meter === "tokens" ? 5_000 : 5),
      })),
      burns:
        random.between(0, 3) > 0
          ? []
          : [{ grant: random.pick([...grants] as [string, ...string[]]), credits: random.between(0, 9) }],
    });
  }

  /** Usage that is reported: nobody has counted it. */
  async #event(): Promise<void> {
    const one = { ...this.#charge(), epoch: 0, burns: [] };
    await this.ledger.seeder.ensure(one.account);
    const changes = await this.#parts.site.db.transaction().execute(async (trx) => this.ledger.book(trx, [one]));
    this.charges.push(one);
    this.ledger.tell(changes);
  }

  async #rotate(worker: Worker): Promise<void> {
    worker.segment++;
    this.#parts.site.write(this.#segment(worker), []);
  }

  /** Between the new epoch and the last worker that hears of it, requests go on. */
  async #moveAnchor(): Promise<void> {
    const { site, random, accounts } = this.#parts;
    const account = random.pick([...accounts] as [string, ...string[]]);
    const anchorMs = Date.UTC(2026, 0, random.pick([28, 29, 31]), random.pick([0, 9]));
    await new Anchors(site.db, this.ledger).move(
      account,
      anchorMs,
      async () => {
        for (const worker of this.#workers) {
          await this.#admit(this.#anyWorker());
          if (random.between(0, 1) === 0) await this.ledger.fold();
          worker.anchors.delete(account);
        }
      },
      () => Promise.resolve(),
    );
  }

  /** As `Gateway.reload`. */
  async #reload(): Promise<void> {
    const { random, choices } = this.#parts;
    const settings = random.pick([...choices] as [Settings, ...Settings[]]);
    await this.ledger.counting.serial(async () => {
      await Promise.all([
        this.ledger.useShapes(settings),
        this.#admit(this.#anyWorker()),
        this.#pause().then(() => this.ledger.fold()),
      ]);
      this.#settings = settings;
      for (const worker of this.#workers) {
        await this.#admit(this.#anyWorker());
        if (random.between(0, 1) === 0) await this.ledger.fold();
        worker.settings = settings;
        worker.epoch = this.ledger.counting.epoch;
      }
    });
  }

  /** What was under way is lost, what was written is not; the next run has other settings, and perhaps a journal of version 0.1. */
  async #crash(): Promise<void> {
    const { site, random, choices } = this.#parts;
    for (const worker of this.#workers) {
      if (random.between(0, 1) === 0)
        appendFileSync(site.path(this.#segment(worker)), recordOf(this.#charge()).subarray(0, random.between(1, 20)));
    }
    this.#settings = random.pick([...choices] as [Settings, ...Settings[]]);
    [this.ledger, this.counters] = this.#start();
    if (random.between(0, 2) === 0) this.#writeOld();
    await this.ledger.fold();
  }

  #writeOld(): void {
    const old = Array.from({ length: 3 }, () => this.#charge()).map((one) => ({
      ...one,
      first: true,
      burns: [],
      units: one.units.map((line) => ({ ...line, op: "add" as const })),
    }));
    this.#parts.site.write(`zzz${this.#run}-9-000001.journal`, [], Buffer.concat(old.map(recordV1Of)));
    this.charges.push(...old);
  }

  /** Nothing is under way any more, every worker knows everything, and all is folded; gauges have had the time they take. */
  async settleAll(): Promise<void> {
    for (const worker of this.#workers) this.#settle(worker);
    for (let folds = 0; folds < 4; folds++) await this.ledger.fold();
  }

  /** Units of a holder in a window, from the list of charges. */
  used(account: string, shape: CounterShape, holder: string, window: Window): number {
    const lines = this.charges.flatMap((one) =>
      one.account === account &&
      holderOf(shape.by, one.key, one.user) === holder &&
      one.atMs >= window.startMs &&
      one.atMs < window.endMs
        ? one.units.flatMap((line) =>
            line.meter === shape.meter && line.op === shape.op ? [{ atMs: one.atMs, units: line.units }] : [],
          )
        : [],
    );
    if (shape.op === "add") return lines.reduce((sum, { units }) => sum + units, 0);
    if (shape.op === "max") return Math.max(0, ...lines.map(({ units }) => units));
    return lines.toSorted((one, other) => one.atMs - other.atMs).at(-1)?.units ?? 0;
  }
}
