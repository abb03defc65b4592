/**
 * Any interleaving of requests on several workers, some of which die at any point, against a plain list: whom limits refuse, what stands in
 * every counter and grant at every step, and in the end nothing but what the journal says.
 */
import fc from "fast-check";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { isRefusal } from "#data-plane/exchange.ts";
import type { Admission } from "#data-plane/policy/admit.ts";
import { reservedUnits } from "#shared/in-flight-table.ts";
import { holderOf, counterName } from "#shared/counter-shapes.ts";
import { windowAt } from "#core/windows.ts";
import type { Charge } from "#shared/journal-format.ts";
import { LimitSite } from "#test/data-plane/policy/limit-site.ts";
import { type Mood, WorkerDied } from "./flaky-journal.ts";
import { LimitModel, type StagedRecord, type Taking } from "./limit-model.ts";
import { callersOf, PATHS, START_MS, worldRuntime } from "./limit-world.ts";

const WORKERS = 3;
const HOUR_MS = 3_600_000;
const RUNS = process.env.TOLLGATE_LONG === "1" ? 1_000 : 30;
const TIME_MS = process.env.TOLLGATE_LONG === "1" ? 600_000 : 20_000;
/** Most steps of a run, half of that on average: enough for limits to be reached. */
const STEPS = 300;

const runtime = worldRuntime();
const callers = callersOf(runtime);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "hrtime"], now: START_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

/** One thing that happens; numbers choose among what there is. */
interface Step {
  readonly kind: "admit" | "head" | "whole" | "end" | "release" | "flush" | "kill" | "wait";
  readonly who: number;
  readonly which: number;
  readonly worker: number;
  readonly status: number;
  readonly units: number;
  readonly mood: Mood;
}

/** Mostly requests that come and go; now and then something else. */
const anyKind = fc.oneof(
  { weight: 12, arbitrary: fc.constant("admit" as const) },
  { weight: 3, arbitrary: fc.constant("head" as const) },
  { weight: 6, arbitrary: fc.constant("whole" as const) },
  { weight: 3, arbitrary: fc.constant("end" as const) },
  { weight: 4, arbitrary: fc.constant("flush" as const) },
  { weight: 2, arbitrary: fc.constantFrom("release" as const, "wait" as const) },
  { weight: 1, arbitrary: fc.constantFrom("kill" as const, "wait" as const) },
);
const anyMood = fc.oneof(
  { weight: 25, arbitrary: fc.constant("well" as const) },
  { weight: 2, arbitrary: fc.constantFrom("fail" as const, "half" as const) },
  { weight: 2, arbitrary: fc.constantFrom("die-before" as const, "die-torn" as const, "die-after" as const) },
);

const anyStep: fc.Arbitrary<Step> = fc.record({
  kind: anyKind,
  who: fc.oneof(fc.constant(0), fc.nat({ max: callers.length - 1 })),
  which: fc.nat({ max: 30 }),
  worker: fc.nat({ max: WORKERS - 1 }),
  status: fc.constantFrom(200, 200, 201, 404, 499, 503),
  // Below, at and above what was reserved.
  units: fc.constantFrom(0, 3, 10, 11, 25, 60),
  mood: anyMood,
});

/** The real thing and the list, side by side. */
class Pair {
  readonly site = new LimitSite(runtime, WORKERS);
  readonly model = new LimitModel(runtime);
  /** Requests that limits treated otherwise than the list. */
  readonly surprises: string[] = [];
  readonly #real = new Map<Taking, Admission>();
  readonly #headed = new Set<Taking>();
  /** What each worker has staged, in order. */
  readonly #staged: StagedRecord[][] = Array.from({ length: WORKERS }, () => []);
  #requests = 0;

  do(step: Step): void {
    if (step.kind === "admit") this.#admit(step);
    else if (step.kind === "wait") vi.advanceTimersByTime(step.units * HOUR_MS * 0.4);
    else if (step.kind === "kill") this.#kill(step.worker);
    else if (step.kind === "flush") this.#flush(step.worker, step.mood);
    else this.#go(step);
  }

  #admit({ who, which, worker }: Step): void {
    const principal = callers[who];
    const path = PATHS[which % PATHS.length];
    if (principal === undefined || path === undefined) return;
    const requestId = `req_${++this.#requests}`;
    const real = this.site.admit(principal, path, { requestId }, worker);
    const route = runtime.routes.find("localhost", "GET", [path]);
    if (route.kind !== "route") throw new Error(`No route takes /${path}`);
    const said = this.model.admit(principal, route.route, Date.now(), requestId, worker);
    const [outcome, expected] = [
      isRefusal(real) ? real.code : "admitted",
      typeof said === "string" ? said : "admitted",
    ];
    if (outcome !== expected) this.surprises.push(`${requestId} on ${path}: ${outcome}, not ${expected}`);
    if (typeof said !== "string" && !isRefusal(real)) this.#real.set(said, real);
  }

  #go({ kind, which, status, units }: Step): void {
    const open = this.#open();
    const taking = open[which % Math.max(1, open.length)];
    const real = taking === undefined ? undefined : this.#real.get(taking);
    if (taking === undefined || real === undefined || real.reservation === null) return;
    if (!this.#isNext(kind, taking)) return;
    const { settler } = this.site.worker(taking.worker);
    const measured = taking.route.lines.slice(taking.route.constants).map((_, index) => units + index);
    if (kind === "head") settler.stage(real.reservation, status, null);
    else if (kind === "whole") settler.stage(real.reservation, status, measured);
    else if (kind === "end") settler.stageMeasured(real.reservation, status, measured);
    else settler.release(real.reservation);
    const staged = this.#model(kind, taking, status, measured);
    if (staged !== null) this.#staged[taking.worker]?.push(staged);
    if (kind !== "head") this.#letGo(taking, real);
  }

  /** All that a worker has staged is written, or some of it, or nothing, and perhaps it dies of it. */
  #flush(worker: number, mood: Mood): void {
    const { settler, journal } = this.site.worker(worker);
    const staged = this.#staged[worker]?.splice(0) ?? [];
    journal.mood = mood;
    let died = false;
    try {
      settler.flush();
    } catch (error) {
      if (!(error instanceof WorkerDied)) throw error;
      died = true;
    }
    journal.mood = "well";
    const whole = staged.length === 0 ? 0 : journal.whole;
    for (const record of staged.slice(0, whole)) this.model.written(record, died);
    for (const record of staged.slice(whole)) this.model.failed(record);
    for (const { taking } of died ? [] : staged) {
      const isLost = staged.slice(whole).some((record) => record.taking === taking);
      if (this.#real.get(taking)?.reservation?.lost !== isLost)
        this.surprises.push(
          `${taking.requestId} ${isLost ? "is lost, and is not told" : "is told to be lost, and is not"}`,
        );
    }
    if (died) this.#kill(worker);
  }

  /** A request is settled at once, or where something is measured first its head and then its end. */
  #isNext(kind: Step["kind"], taking: Taking): boolean {
    const { lines, constants } = taking.route;
    const isHeaded = this.#headed.has(taking);
    if (kind === "head" && lines.length > constants && !isHeaded) this.#headed.add(taking);
    else if (kind === "head") return false;
    return kind === "release" || (kind === "end") === isHeaded || kind === "head";
  }

  #model(kind: string, taking: Taking, status: number, measured: readonly number[]): StagedRecord | null {
    if (kind === "head") return this.model.settle(taking, status, null);
    if (kind === "whole") return this.model.settle(taking, status, measured);
    if (kind === "end") return this.model.settleMeasured(taking, status, measured);
    this.model.release(taking);
    return null;
  }

  #open(): readonly Taking[] {
    return this.model.takings.filter(({ open }) => open);
  }

  #letGo(taking: Taking, real: Admission): void {
    real.held?.giveBack();
    taking.open = false;
  }

  /** The worker dies: its requests are nobody's any more. */
  #kill(worker: number): void {
    this.site.kill(worker);
    for (const record of this.#staged[worker]?.splice(0) ?? []) this.model.failed(record);
    for (const taking of this.#open().filter((one) => one.worker === worker)) {
      this.model.release(taking);
      taking.open = false;
    }
  }

  /** The end of every request: half of them settled, half of them gone with their worker. */
  finish(): void {
    this.#flush(0, "well");
    for (const taking of this.#open().filter(({ worker }) => worker === 0)) {
      const real = this.#real.get(taking);
      if (real === undefined) continue;
      if (real.reservation !== null) this.site.worker(0).settler.release(real.reservation);
      this.model.release(taking);
      this.#letGo(taking, real);
    }
    for (let worker = 1; worker < WORKERS; worker++) this.#kill(worker);
  }
}

/** Every counter, grant and slot is what the list says. */
function expectAlike({ site, model, surprises }: Pair): void {
  expect(surprises).toEqual([]);
  for (const [name, { shape }] of model.names()) {
    const key = site.counters.key(name, windowAt(shape.window, START_MS, 0));
    expect(`${name}: ${site.counters.used(key)}`).toBe(`${name}: ${model.used(name)}`);
  }
  for (const { id, amount } of callers.flatMap(({ account }) => account.grants)) {
    expect(`${id}: ${site.burnt(id)}`).toBe(`${id}: ${model.burnt(id)}`);
    expect(site.burnt(id)).toBeLessThanOrEqual(amount);
  }
  for (const { account } of callers)
    expect(site.held("open", `account:${account.id}`)).toBe(model.underWay(account.id));
}

/** What the journal alone says of a counter. */
function journalled(charges: readonly Charge[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const { account, key, user, atMs, units } of charges) {
    for (const { meter, op, units: count } of units) {
      for (const shape of runtime.shapes.get(meter) ?? []) {
        const holder = holderOf(shape.by, key, user);
        if (holder === null || op !== "add") continue;
        const name = counterName(account, shape.key, holder, windowAt(shape.window, atMs, 0));
        sums.set(name, (sums.get(name) ?? 0) + count);
      }
    }
  }
  return sums;
}

const byId = (charges: readonly object[]) => charges.map((charge) => JSON.stringify(charge)).sort();

test(
  "counters, grants, slots and the journal are what a plain list says, whoever dies when",
  () => {
    fc.assert(
      fc.property(fc.noBias(fc.array(anyStep, { maxLength: STEPS, size: "max" })), (steps) => {
        vi.setSystemTime(START_MS);
        const pair = new Pair();
        using site = pair.site;
        for (const [index, one] of steps.entries()) {
          pair.do(one);
          if (one.kind === "kill" || index % 8 === 0) expectAlike(pair);
        }
        pair.finish();
        expectAlike(pair);
        const charges = site.charges();
        expect(byId(charges.map(({ epoch: _epoch, ...charge }) => charge))).toEqual(byId(pair.model.charges));
        const sums = journalled(charges);
        for (const [name, { shape }] of pair.model.names()) {
          if (shape.op !== "add") continue;
          const used = site.counters.used(site.counters.key(name, windowAt(shape.window, START_MS, 0)));
          expect(`${name}: ${used}`).toBe(`${name}: ${sums.get(name) ?? 0}`);
          // A gauge may be: by the key that gives back what another took, and when what was taken off was only reserved and went back.
          expect(shape.meter === "seats" ? 0 : used).toBeGreaterThanOrEqual(0);
        }
        const burns = charges.flatMap((charge) => charge.burns);
        for (const { id } of callers.flatMap(({ account }) => account.grants))
          expect(site.burnt(id)).toBe(
            burns.filter(({ grant }) => grant === id).reduce((sum, { credits }) => sum + credits, 0),
          );
        for (const { account } of callers) expect(site.held("open", `account:${account.id}`)).toBe(0);
        expect(reservedUnits(site.buffers.inFlight)).toEqual(new Map());
      }),
      { numRuns: RUNS, interruptAfterTimeLimit: TIME_MS },
    );
  },
  4 * TIME_MS,
);
