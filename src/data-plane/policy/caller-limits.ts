/**
 * Everything that limits and counts one caller on one route, looked up once and remembered until a window ends. Worker thread.
 * A principal and a route are made anew whenever what they were made from changes, so nothing here can be stale but the windows.
 */
import { wallMs } from "#core/clock.ts";
import type { ChargeFrame } from "#shared/journal-format.ts";
import { chargeFrame } from "#shared/journal-format.ts";
import type { CounterKey } from "#shared/counter-table.ts";
import { counterOfQuota, pricedQuotas } from "#shared/quota-limits.ts";
import type { SlotTable } from "#shared/slot-table.ts";
import type { QuotaSettings } from "#config/settings.ts";
import { boundedCache } from "#data-plane/bounded-cache.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { CompiledRoute, RouteLine } from "#data-plane/route/compiled-route.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { policyOf } from "./limit-headers.ts";
import { dependsOnAddress, limitKey, rateKey } from "./limit-keys.ts";
import { type LiveCounter, liveCounters, type QuotaTables } from "./quotas.ts";
import { ownRates } from "./own-rates.ts";
import { type CompiledRate, type LiveRate, liveRate } from "./rates.ts";
import type { CompiledConcurrency, LiveConcurrency } from "./slots.ts";

/** A line of the route with the counters it moves. */
export interface LiveLine {
  readonly line: RouteLine;
  readonly counters: readonly LiveCounter[];
}

/** A cap in money over several meters: the sum over these counters may not pass it. */
export interface MoneyCap {
  readonly cap: number;
  readonly priced: readonly { readonly counter: CounterKey; readonly quota: QuotaSettings }[];
}

/** Encodings of the caller's charges: constant lines, measured ones, all together. */
export interface ChargeFrames {
  readonly constant: ChargeFrame;
  readonly measured: ChargeFrame;
  readonly all: ChargeFrame;
}

export interface CallerLimits {
  readonly route: CompiledRoute;
  readonly principal: Principal | null;
  readonly epoch: number;
  /** Those of the route and of the caller's own key and member. */
  readonly rates: readonly LiveRate[];
  /** The route has rates that depend on the client's address. */
  readonly moreRates: boolean;
  readonly concurrency: readonly LiveConcurrency[];
  readonly lines: readonly LiveLine[];
  /** The lines' counters that have a limit: what clients are told of. */
  readonly told: readonly LiveCounter[];
  /** What `RateLimit-Policy` says of these rates and counters. */
  readonly policy: string;
  /** null: nothing is charged. */
  readonly frames: ChargeFrames | null;
  readonly moneyCap: MoneyCap | null;
  /** The counters are right for times from here to before there. */
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface LimitTables extends QuotaTables {
  readonly slots: SlotTable;
}

const BY_ADDRESS_MAX = 10_000;
const NO_LINES: readonly LiveLine[] = [];

export class LimitBook {
  readonly #tables: LimitTables;
  readonly #callers = new WeakMap<Principal, Map<CompiledRoute, CallerLimits>>();
  readonly #strangers = new WeakMap<CompiledRoute, CallerLimits>();
  readonly #byAddress = new WeakMap<object, ReturnType<typeof boundedCache<LiveRate>>>();

  constructor(tables: LimitTables) {
    this.#tables = tables;
  }

  /** Limits that are the same for all requests of the caller; the others come with `byAddress`. */
  of(runtime: Runtime, route: CompiledRoute, principal: Principal | null, atMs = wallMs()): CallerLimits {
    const known = principal === null ? this.#strangers.get(route) : this.#callers.get(principal)?.get(route);
    if (known !== undefined && atMs >= known.fromMs && atMs < known.untilMs) return known;
    const made = this.#make(runtime, route, principal, atMs);
    if (principal === null) this.#strangers.set(route, made);
    else this.#ofCaller(principal).set(route, made);
    return made;
  }

  #ofCaller(principal: Principal): Map<CompiledRoute, CallerLimits> {
    const known = this.#callers.get(principal);
    if (known !== undefined) return known;
    const made = new Map<CompiledRoute, CallerLimits>();
    this.#callers.set(principal, made);
    return made;
  }

  #make(runtime: Runtime, route: CompiledRoute, principal: Principal | null, atMs: number): CallerLimits {
    const asker = { routeName: route.name, principal, address: "" };
    const ofRoute = route.rates.filter(({ settings }) => !dependsOnAddress(settings.by, principal));
    const rates = [
      ...ofRoute.map((rate) => this.#rate(rate, principal, rateKey(rate.settings, asker))),
      ...ownRates(this.#tables.rates, principal),
    ];
    const concurrency = route.concurrency
      .filter(({ settings }) => !dependsOnAddress(settings.by, principal))
      .map((limit) => this.#slots(limit, principal, limitKey(limit.settings.by, asker)));
    const lines = principal === null ? NO_LINES : this.#lines(runtime, route, principal, atMs);
    const moneyCap = principal === null ? null : this.#moneyCap(principal, atMs);
    const counters = [...lines.flatMap((line) => line.counters), ...(moneyCap?.priced ?? [])];
    const windows = counters.map(({ counter }) => counter.window);
    const told = lines.flatMap((line) =>
      line.counters.filter(({ told: quota }) => quota !== null && quota.limit !== null),
    );
    return {
      route,
      principal,
      epoch: runtime.epoch + (principal?.account.epoch ?? 0),
      rates,
      moreRates: ofRoute.length < route.rates.length,
      concurrency,
      lines,
      told,
      policy: policyOf(rates, told),
      frames: principal === null || lines.length === 0 ? null : framesOf(principal, route),
      moneyCap,
      fromMs: Math.max(0, ...windows.map(({ startMs }) => startMs)),
      untilMs: Math.min(Number.MAX_SAFE_INTEGER, ...windows.map(({ endMs }) => endMs)),
    };
  }

  #lines(runtime: Runtime, route: CompiledRoute, principal: Principal, atMs: number): readonly LiveLine[] {
    return route.lines.map((line) => ({
      line,
      counters: liveCounters(this.#tables, runtime.shapes.get(line.meter.name) ?? [], principal, atMs),
    }));
  }

  #moneyCap({ account, plan }: Principal, atMs: number): MoneyCap | null {
    const { money } = account.spendCap;
    const quotas = pricedQuotas(plan);
    // One meter's cap is a limit of its own counter (`quotas.ts`).
    if (money === null || quotas.length < 2) return null;
    const priced = quotas.map((quota) => ({
      counter: counterOfQuota(this.#tables.counters, quota, account, atMs),
      quota,
    }));
    return { cap: money, priced };
  }

  /** The rates of a request that depend on the client's address. */
  ratesByAddress(route: CompiledRoute, principal: Principal | null, address: string): readonly LiveRate[] {
    const found: LiveRate[] = [];
    for (const rate of route.rates) {
      if (!dependsOnAddress(rate.settings.by, principal)) continue;
      const key = rateKey(rate.settings, { routeName: route.name, principal, address });
      const cache = this.#cacheOf(rate);
      const name = `${principal?.plan.id ?? ""}${key}`;
      let live = cache.get(name);
      if (live === undefined) {
        live = this.#rate(rate, principal, key);
        cache.set(name, live);
      }
      found.push(live);
    }
    return found;
  }

  #cacheOf(rate: CompiledRate): ReturnType<typeof boundedCache<LiveRate>> {
    const known = this.#byAddress.get(rate);
    if (known !== undefined) return known;
    const made = boundedCache<LiveRate>(BY_ADDRESS_MAX);
    this.#byAddress.set(rate, made);
    return made;
  }

  /** The concurrency limits of a request that depend on the client's address. */
  concurrencyByAddress(route: CompiledRoute, principal: Principal | null, address: string): readonly LiveConcurrency[] {
    return route.concurrency
      .filter(({ settings }) => dependsOnAddress(settings.by, principal))
      .map((limit) =>
        this.#slots(limit, principal, limitKey(limit.settings.by, { routeName: route.name, principal, address })),
      );
  }

  #rate(rate: CompiledRate, principal: Principal | null, key: string): LiveRate {
    const figures = rate.byPlan.get(principal?.plan.id ?? "") ?? rate.settings;
    return liveRate(this.#tables.rates, rate, figures, key);
  }

  #slots({ settings, byPlan }: CompiledConcurrency, principal: Principal | null, key: string): LiveConcurrency {
    const limit = byPlan.get(principal?.plan.id ?? "") ?? settings.limit;
    return { settings, limit, key: this.#tables.slots.key(`${settings.name}${key}`) };
  }
}

function framesOf(principal: Principal, route: CompiledRoute): ChargeFrames {
  const who = {
    account: principal.account.id,
    key: principal.keyId ?? "",
    user: principal.user ?? "",
    route: route.name,
  };
  const lines = route.lines.map(({ meter, op }) => ({ meter: meter.name, op }));
  const all = chargeFrame(who, lines);
  // Mostly all are of one kind: the same bytes, and a caller has them for as long as it is remembered.
  return {
    constant: route.constants === lines.length ? all : chargeFrame(who, lines.slice(0, route.constants)),
    measured: route.constants === 0 ? all : chargeFrame(who, lines.slice(route.constants)),
    all,
  };
}
