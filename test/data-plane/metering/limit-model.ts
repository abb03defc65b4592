/**
 * What requests have taken, kept as a plain list and added up anew each time it is asked: the slow and obvious way. Says whom limits
 * refuse, what a settled request comes to, and what must stand in counters, grants and journal. One thread; knows nothing of tables.
 */
import { overageCost } from "#core/money.ts";
import { windowAt } from "#core/windows.ts";
import type { QuotaSettings } from "#config/settings.ts";
import type { Burn, Charge } from "#shared/journal-format.ts";
import { type CounterShape, counterName, holderOf, shapeKey } from "#shared/counter-shapes.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { CompiledRoute, RouteLine } from "#data-plane/route/compiled-route.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { FEW, OPEN_MAX, THROTTLED_MAX } from "./limit-world.ts";

/** A counter that a line moves, with the quota of the caller's plan on it. */
interface ModelCounter {
  readonly name: string;
  readonly shape: CounterShape;
  readonly quota: QuotaSettings | null;
}

interface ModelLine {
  readonly line: RouteLine;
  readonly counters: readonly ModelCounter[];
  /** Units in the counters now. */
  counted: number;
  /** What it came to. */
  value: number;
  credits: Burn[];
  /** A record of it is staged or written. */
  journaled: boolean;
}

/** A record that is to be written. */
export interface StagedRecord {
  readonly taking: Taking;
  readonly lines: readonly ModelLine[];
  readonly units: readonly number[];
  readonly charge: Omit<Charge, "epoch">;
}

export interface Taking {
  readonly requestId: string;
  readonly worker: number;
  readonly principal: Principal;
  readonly route: CompiledRoute;
  readonly atMs: number;
  readonly lines: readonly ModelLine[];
  readonly throttled: boolean;
  open: boolean;
  over: boolean;
}

export class LimitModel {
  readonly #runtime: Runtime;
  readonly takings: Taking[] = [];
  readonly charges: Omit<Charge, "epoch">[] = [];
  /** Values of lines that are no sums, in the order they were put into the counters. */
  readonly #kept: { readonly name: string; readonly op: "max" | "set"; readonly units: number }[] = [];

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  // -- what stands where

  used(name: string): number {
    let sum = 0;
    for (const { lines } of this.takings)
      for (const { counters, counted } of lines) if (counters.some((one) => one.name === name)) sum += counted;
    for (const { op, units } of this.#kept.filter((one) => one.name === name))
      sum = op === "max" ? Math.max(sum, units) : units;
    return sum;
  }

  /** Every counter that anybody's request could have moved. */
  names(): ReadonlyMap<string, ModelCounter> {
    const counters = this.takings.flatMap(({ lines }) => lines.flatMap((line) => line.counters));
    return new Map(counters.map((counter) => [counter.name, counter]));
  }

  burnt(grant: string): number {
    const burns = this.takings.flatMap(({ lines }) => lines.flatMap(({ credits }) => credits));
    return burns.filter((burn) => burn.grant === grant).reduce((sum, { credits }) => sum + credits, 0);
  }

  underWay(account: string): number {
    return this.#of(account).filter(({ open, route }) => open && route.concurrency.length > 0).length;
  }

  #of(account: string): readonly Taking[] {
    return this.takings.filter(({ principal }) => principal.account.id === account);
  }

  // -- admission

  /** The code of the refusal, or what is taken. */
  admit(principal: Principal, route: CompiledRoute, atMs: number, requestId: string, worker: number): string | Taking {
    const lines = route.lines.map((line): ModelLine => {
      const counters = this.#countersOf(line, principal, atMs);
      return { line, counters, counted: 0, value: 0, credits: [], journaled: false };
    });
    const code =
      this.#rateCode(principal, route) ??
      this.#linesCode(principal, lines, atMs) ??
      this.#moneyCode(principal, lines, atMs);
    if (code !== null) return code;
    const throttled = lines.some((line) =>
      line.counters.some((counter) => this.#isThrottled(counter, reserved(line.line))),
    );
    const taking: Taking = {
      requestId,
      worker,
      principal,
      route,
      atMs,
      lines,
      throttled,
      open: true,
      over: lines.length === 0,
    };
    this.takings.push(taking);
    for (const line of lines) this.#change(taking, line, Math.max(0, reserved(line.line)));
    return taking;
  }

  #countersOf({ meter }: RouteLine, { account, plan, keyId, user }: Principal, atMs: number): readonly ModelCounter[] {
    return (this.#runtime.shapes.get(meter.name) ?? []).flatMap((shape) => {
      const holder = holderOf(shape.by, keyId ?? "", user ?? "");
      if (holder === null) return [];
      const name = counterName(account.id, shape.key, holder, windowAt(shape.window, atMs, account.anchorMs));
      const quotas = plan.quotas[meter.name] ?? [];
      return [
        { name, shape, quota: quotas.find((one) => shapeKey(one.meter, one.by, one.window) === shape.key) ?? null },
      ];
    });
  }

  #rateCode({ account }: Principal, route: CompiledRoute): string | null {
    const few = this.#of(account.id).filter((taking) => taking.route.rates.length > 0).length;
    if (route.rates.length > 0 && few >= FEW) return "rate_limited";
    return route.concurrency.length > 0 && this.underWay(account.id) >= OPEN_MAX ? "concurrency_exceeded" : null;
  }

  #linesCode(principal: Principal, lines: readonly ModelLine[], atMs: number): string | null {
    for (const { line, counters } of lines) {
      const units = reserved(line);
      if (units < 0) continue;
      for (const counter of counters) {
        const code = this.#quotaCode(principal, line, counter, units, atMs);
        if (code !== null) return code;
      }
    }
    return null;
  }

  #quotaCode(
    { account, plan }: Principal,
    line: RouteLine,
    counter: ModelCounter,
    units: number,
    atMs: number,
  ): string | null {
    const { quota, name } = counter;
    if (quota === null || quota.limit === null || quota.shadow) return null;
    const all = this.used(name);
    // A maximum is compared by itself, unless it is beyond the limit already.
    const used = line.op === "max" && all <= quota.limit + quota.grace ? 0 : all;
    // What is measured and reserves nothing needs room for one all the same.
    const most = used + Math.max(1, units);
    const cap = quota.exceed === "overage" ? account.spendCap.units[quota.meter] : undefined;
    if (quota.exceed === "block" && most > quota.limit + quota.grace) return "quota_exceeded";
    if (cap !== undefined && plan.id === "one" && most > quota.limit + cap) return "quota_exceeded";
    if (this.#isThrottled(counter, units)) {
      const slow = this.#of(account.id).filter(({ throttled }) => throttled).length;
      return slow >= THROTTLED_MAX ? "rate_limited" : null;
    }
    if (quota.exceed !== "credits") return null;
    const wanted = over(used, Math.max(1, units), quota.limit) * quota.creditsPerUnit;
    return wanted > this.#balance(principalGrants(account, atMs)) ? "credits_exhausted" : null;
  }

  #isThrottled({ quota, name }: ModelCounter, units: number): boolean {
    return (
      quota?.throttle !== null && quota !== null && this.used(name) + Math.max(1, units) > quota.throttle.fromUnits
    );
  }

  #moneyCode({ account, plan }: Principal, lines: readonly ModelLine[], atMs: number): string | null {
    const { money } = account.spendCap;
    const priced = Object.values(plan.quotas)
      .flat()
      .filter(({ price }) => price !== null);
    if (money === null || !lines.some(({ line }) => priced.some(({ meter }) => meter === line.meter.name))) return null;
    let [before, cost] = [0, 0];
    for (const { meter, by, window, limit, price } of priced) {
      const name = counterName(account.id, shapeKey(meter, by, window), "", windowAt(window, atMs, account.anchorMs));
      const used = this.used(name);
      const more = lines
        .filter(({ line }) => line.meter.name === meter)
        .reduce((sum, { line }) => sum + reserved(line), 0);
      if (price === null) continue;
      before += overageCost(Math.max(0, used - (limit ?? 0)), price);
      cost += overageCost(Math.max(0, used + more - (limit ?? 0)), price);
    }
    // What is within its own limit costs nothing more, and passes when measured usage of another meter went beyond the cap.
    return cost > money && cost > before ? "quota_exceeded" : null;
  }

  // -- settling

  /** What is to be written of it; null: nothing. */
  settle(taking: Taking, status: number, measured: readonly number[] | null): StagedRecord | null {
    if (taking.over) return null;
    const { countWhen, constants } = taking.route;
    const counts = countWhen === "always" || (countWhen === "2xx" ? status < 300 : status < 500);
    if (!counts) {
      this.release(taking);
      return null;
    }
    if (measured !== null) return this.#close(taking, status, 0, measured);
    return constants > 0 ? this.#stage(taking, status, 0, constants) : null;
  }

  settleMeasured(taking: Taking, status: number, measured: readonly number[]): StagedRecord | null {
    return taking.over ? null : this.#close(taking, status, taking.route.constants, measured);
  }

  #close(taking: Taking, status: number, from: number, measured: readonly number[]): StagedRecord {
    const { constants } = taking.route;
    // The gauges of constant lines first, as everything of a record is worked out in the order of its lines.
    const staged = this.#stage(taking, status, from, taking.lines.length, measured, constants);
    taking.over = true;
    return staged;
  }

  #stage(
    taking: Taking,
    status: number,
    from: number,
    to: number,
    measured: readonly number[] = [],
    constants = to,
  ): StagedRecord {
    const lines = taking.lines.slice(from, to);
    const units = lines.map((line, index) => {
      if (from + index >= constants) return 0;
      const final = this.#settled(line, status);
      if (line.line.op === "add") line.counted = final;
      return final;
    });
    measured.forEach((count, index) => {
      const line = taking.lines[constants + index];
      if (line === undefined) return;
      this.#change(taking, line, count);
      units[constants + index - from] = line.line.op === "add" ? line.counted : line.value;
    });
    const { account, keyId, user } = taking.principal;
    const first = !taking.lines.some(({ journaled }) => journaled);
    for (const line of lines) line.journaled = true;
    const charge = {
      atMs: taking.atMs, status, first, account: account.id, key: keyId ?? "", user: user ?? "", route: taking.route.name, requestId: taking.requestId,
      units: lines.map(({ line }, index) => ({ meter: line.meter.name, op: line.op, units: units[index] ?? 0 })),
      burns: lines.flatMap(({ credits }) => credits.filter(({ credits: count }) => count > 0)),
    }; // biome-ignore format: one charge
    return { taking, lines, units, charge };
  }

  /** The record is in the journal. `missed`: the worker died when it was. */
  written({ lines, units, charge }: StagedRecord, missed: boolean): void {
    this.charges.push(charge);
    if (missed) return;
    for (const [index, { line, counters }] of lines.entries()) {
      const { op } = line;
      if (op === "add") continue;
      for (const { name } of counters) this.#kept.push({ name, op, units: units[index] ?? 0 });
    }
  }

  /** The record was not written, and never will be: nothing stays of it, nor of what its request still had. */
  failed({ taking, lines }: StagedRecord): void {
    for (const line of lines) letGo(line);
    this.release(taking);
  }

  /** Units of a gauge go back when the app did it, at most as many as there are. */
  #settled({ line, counters, counted, value }: ModelLine, status: number): number {
    if (line.op !== "add") return value;
    if (line.units >= 0) return counted;
    const account = counters.find(({ shape }) => shape.by === "account");
    return status < 300 && account !== undefined ? -Math.min(-line.units, Math.max(0, this.used(account.name))) : 0;
  }

  /** Brings a line to so many units, with the credits they cost. */
  #change(taking: Taking, line: ModelLine, units: number): void {
    line.value = units;
    if (line.line.op !== "add") return;
    const more = units - line.counted;
    const burning = line.counters.find(({ quota }) => quota?.exceed === "credits");
    const { limit = null, creditsPerUnit = 0 } = burning?.quota ?? {};
    if (burning !== undefined && limit !== null) {
      if (more > 0) this.#burn(taking, line, over(this.used(burning.name), more, limit) * creditsPerUnit);
      else refund(line, -more * creditsPerUnit);
    }
    line.counted = units;
  }

  #burn({ principal, atMs }: Taking, line: ModelLine, wanted: number): void {
    let missing = wanted;
    for (const { id, amount } of principalGrants(principal.account, atMs)) {
      const part = Math.min(missing, Math.max(0, amount - this.burnt(id)));
      if (part > 0) line.credits.push({ grant: id, credits: part });
      missing -= part;
    }
  }

  #balance(grants: readonly { readonly id: string; readonly amount: number }[]): number {
    return grants.reduce((sum, { id, amount }) => sum + Math.max(0, amount - this.burnt(id)), 0);
  }

  /** Nothing stays of what is not journaled. */
  release(taking: Taking): void {
    taking.over = true;
    for (const line of taking.lines.filter(({ journaled }) => !journaled)) letGo(line);
  }
}

function letGo(line: ModelLine): void {
  line.counted = 0;
  line.credits = [];
}

function reserved({ units, meter }: RouteLine): number {
  return meter.source === null ? units : meter.estimate.units;
}

function over(used: number, units: number, limit: number): number {
  return Math.max(0, used + units - limit) - Math.max(0, used - limit);
}

function refund(line: ModelLine, credits: number): void {
  let back = credits;
  line.credits = line.credits
    .toReversed()
    .map(({ grant, credits: count }) => {
      const part = Math.min(back, count);
      back -= part;
      return { grant, credits: count - part };
    })
    .toReversed();
}

/** Usable ones, the next to burn first. */
function principalGrants({ grants }: Principal["account"], atMs: number) {
  const usable = grants.filter(({ startMs, expiresMs }) => startMs <= atMs && (expiresMs === null || atMs < expiresMs));
  return usable.toSorted((a, b) => a.priority - b.priority || (a.expiresMs ?? Infinity) - (b.expiresMs ?? Infinity));
}
