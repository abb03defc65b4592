/**
 * Phase 5, admit: rates. Worker thread. Which entry of the shared table a request draws from, with which figures and by which
 * algorithm; the entries themselves are in `shared/rate-table.ts`. Times are the monotonic clock's.
 */
import type { PlanSettings, RateFigures, RateSettings } from "#config/settings.ts";
import { type Bucket, bucketOf, fits, slidingWait, slidingWeight } from "#core/limits.ts";
import type { RateTable, Taken } from "#shared/rate-table.ts";
import type { SlotKey } from "#shared/shared-table.ts";

/** One instant of the monotonic clock. */
export interface Instant {
  readonly ns: bigint;
  readonly ms: number;
}

export function instantOf(ns: bigint): Instant {
  return { ns, ms: Math.floor(Number(ns) / 1e6) };
}

/** What clients are told of a rate. */
export interface RateState {
  readonly left: number;
  /** Whole seconds until it is whole again. */
  readonly resetSeconds: number;
}

/** A rate as it applies to one caller on one route. */
export interface LiveRate {
  /** As refusals, logs and headers call it. */
  readonly name: string;
  readonly shadow: boolean;
  readonly figures: RateFigures;
  /** Requests allowed at once. */
  readonly most: number;
  /** Nanoseconds until a request of this cost fits, 0 when it fits now. Takes nothing. */
  waitNs(at: Instant): bigint;
  take(at: Instant): Taken;
  /** Undoes a `take` that took. */
  giveBack(at: Instant): void;
  state(at: Instant): RateState;
}

/** A rate of a route with the figures of every plan. */
export interface CompiledRate {
  readonly settings: RateSettings;
  readonly cost: number;
  /** By plan id, where the plan replaces them. */
  readonly byPlan: ReadonlyMap<string, RateFigures>;
}

export function compileRate(settings: RateSettings, cost: number, plans: readonly PlanSettings[]): CompiledRate {
  const own = plans.flatMap((plan) => {
    const figures = plan.rates[settings.name];
    return figures === undefined ? [] : [[plan.id, figures] as const];
  });
  return { settings, cost, byPlan: new Map(own) };
}

/** The rate for whoever the text names, with these figures. */
export function liveRate(
  table: RateTable,
  { settings, cost }: Pick<CompiledRate, "settings" | "cost">,
  figures: RateFigures,
  text: string,
): LiveRate {
  const head = { name: settings.name, shadow: settings.shadow, figures, cost };
  // What was taken is kept as times. They go on with other figures where all comes back in the same time; else it would be a debt of
  // hours to a bucket that is full again in a second.
  const wholeMs = Math.round((figures.perMs / figures.limit) * figures.burst);
  const name = `${settings.name}|${wholeMs}|${text}`;
  if (settings.algorithm === "token-bucket") return new BucketRate(table, head, table.key(name));
  if (settings.algorithm === "fixed-window") return new FixedWindowRate(table, head, table.key(`${name}|fixed`));
  return new SlidingWindowRate(table, head, `${name}|sliding`);
}

interface RateHead {
  readonly name: string;
  readonly shadow: boolean;
  readonly figures: RateFigures;
  readonly cost: number;
}

/** What all algorithms have in common. */
class RateBase {
  readonly name: string;
  readonly shadow: boolean;
  readonly figures: RateFigures;
  readonly most: number;

  constructor({ name, shadow, figures }: RateHead, most: number) {
    this.name = name;
    this.shadow = shadow;
    this.figures = figures;
    this.most = most;
  }
}

/** Figures are few and callers many: all who have the same have one bucket's measures in common. */
const buckets = new WeakMap<RateFigures, Bucket>();

function sharedBucket(figures: RateFigures): Bucket {
  const known = buckets.get(figures);
  if (known !== undefined) return known;
  const made = bucketOf(figures.limit, figures.perMs, figures.burst);
  buckets.set(figures, made);
  return made;
}

class BucketRate extends RateBase implements LiveRate {
  readonly #table: RateTable;
  readonly #key: SlotKey;
  readonly #bucket: Bucket;
  readonly #costNs: bigint;

  constructor(table: RateTable, head: RateHead, key: SlotKey) {
    const { figures, cost } = head;
    super(head, figures.burst);
    this.#table = table;
    this.#key = key;
    this.#bucket = sharedBucket(figures);
    this.#costNs = this.#bucket.intervalNs * BigInt(cost);
  }

  waitNs(at: Instant): bigint {
    return this.#table.waitNs(this.#key, this.#bucket, at.ns, this.#costNs);
  }

  take(at: Instant): Taken {
    return this.#table.take(this.#key, this.#bucket, at.ns, this.#costNs);
  }

  giveBack(): void {
    this.#table.giveBack(this.#key, this.#costNs);
  }

  state(at: Instant): RateState {
    const left = this.#table.left(this.#key, this.#bucket, at.ns);
    const { burst, perMs, limit } = this.figures;
    return { left, resetSeconds: Math.ceil(((burst - left) * perMs) / limit / 1000) };
  }
}

/** Begins with the first request and ends `perMs` later. */
class FixedWindowRate extends RateBase implements LiveRate {
  readonly #table: RateTable;
  readonly #key: SlotKey;
  readonly #cost: number;

  constructor(table: RateTable, head: RateHead, key: SlotKey) {
    super(head, head.figures.limit);
    this.#table = table;
    this.#key = key;
    this.#cost = head.cost;
  }

  waitNs({ ms }: Instant): bigint {
    const { taken, untilMs } = this.#table.window(this.#key, ms);
    return fits(taken, this.#cost, this.figures.limit) ? 0n : BigInt(untilMs - ms) * 1_000_000n;
  }

  take({ ms }: Instant): Taken {
    return this.#table.takeWindow(this.#key, this.#cost, this.figures.limit, 0, ms, ms + this.figures.perMs);
  }

  giveBack({ ms }: Instant): void {
    // One that began later ends later.
    this.#table.giveBackWindow(this.#key, this.#cost, ms + this.figures.perMs);
  }

  state({ ms }: Instant): RateState {
    const { taken, untilMs } = this.#table.window(this.#key, ms);
    const left = Math.max(0, this.figures.limit - taken);
    return { left, resetSeconds: taken === 0 ? 0 : Math.ceil((untilMs - ms) / 1000) };
  }
}

/** Windows of `perMs` on the monotonic clock; of the one before, the share counts that the last `perMs` reach into. */
class SlidingWindowRate extends RateBase implements LiveRate {
  readonly #table: RateTable;
  readonly #text: string;
  readonly #cost: number;
  #index = -1;
  #current: SlotKey;
  #before: SlotKey;

  constructor(table: RateTable, head: RateHead, text: string) {
    super(head, head.figures.limit);
    this.#table = table;
    this.#text = text;
    this.#cost = head.cost;
    this.#current = table.key(`${text}|-1`);
    this.#before = this.#current;
  }

  waitNs({ ms }: Instant): bigint {
    const into = this.#turnTo(ms);
    const [before, current] = this.#counts(ms);
    const { limit, perMs } = this.figures;
    if (fits(current + slidingWeight(before, into, perMs), this.#cost, limit)) return 0n;
    return BigInt(slidingWait(before, current, this.#cost, limit, into, perMs)) * 1_000_000n;
  }

  take({ ms }: Instant): Taken {
    const into = this.#turnTo(ms);
    const { limit, perMs } = this.figures;
    const extra = slidingWeight(this.#table.window(this.#before, ms).taken, into, perMs);
    // It weighs until the window after it has ended.
    const outcome = this.#table.takeWindow(this.#current, this.#cost, limit, extra, ms, (this.#index + 2) * perMs);
    if (outcome !== "taken") return outcome;
    // Another thread whose clock was read a moment earlier may have taken of the window before meanwhile.
    const [before, current] = this.#counts(ms);
    const weight = slidingWeight(before, into, perMs);
    if (weight === extra || fits(weight, current, limit)) return outcome;
    this.giveBack();
    return "empty";
  }

  giveBack(): void {
    this.#table.giveBackWindow(this.#current, this.#cost, (this.#index + 2) * this.figures.perMs);
  }

  state({ ms }: Instant): RateState {
    const into = this.#turnTo(ms);
    const [before, current] = this.#counts(ms);
    const { limit, perMs } = this.figures;
    const used = current + slidingWeight(before, into, perMs);
    const whole = current > 0 ? 2 * perMs - into : perMs - into;
    return { left: Math.max(0, limit - used), resetSeconds: used === 0 ? 0 : Math.ceil(whole / 1000) };
  }

  #counts(ms: number): readonly [number, number] {
    return [this.#table.window(this.#before, ms).taken, this.#table.window(this.#current, ms).taken];
  }

  /** Milliseconds into the current window, with both keys naming the right ones. */
  #turnTo(ms: number): number {
    const index = Math.floor(ms / this.figures.perMs);
    if (index !== this.#index) {
      this.#before = index === this.#index + 1 ? this.#current : this.#table.key(`${this.#text}|${index - 1}`);
      this.#current = this.#table.key(`${this.#text}|${index}`);
      this.#index = index;
    }
    return ms - index * this.figures.perMs;
  }
}
