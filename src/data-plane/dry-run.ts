/**
 * The phases on a made-up request, step by step, for `tollgate explain`. Runs in a command, on no worker.
 * Uses the functions the gate uses; looks at limits, takes nothing.
 */
import type { Settings } from "#config/settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { shapesOf } from "#shared/counter-shapes.ts";
import { ownQuotas } from "#shared/own-limits.ts";
import { type CallerSources, DryCaller } from "./dry-run-caller.ts";
import { holds, quotaName, quotaRefusalOf } from "./dry-run-quotas.ts";
import { type Exchange, isRefusal } from "./exchange.ts";
import { narrowingRefusal } from "#data-plane/identity/narrowing.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { type FindResource, ownershipRefusal } from "#data-plane/ownership/ownership.ts";
import { authorize } from "#data-plane/policy/authorize.ts";
import { ownRateName } from "#data-plane/policy/own-rates.ts";
import type { Asked } from "#data-plane/policy/named-value.ts";
import { forwardedTarget, isOwnOnly } from "#data-plane/policy/own-things.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import { readTarget } from "#data-plane/route/path.ts";
import { methodFault, withAuthority } from "#data-plane/wire/head.ts";
import { buildRuntime, type Runtime } from "./runtime.ts";
import { TraceIds } from "./trace-ids.ts";
import { clientAddressOf } from "#data-plane/upstream/forwarded-headers.ts";
import { controlPool, Pools } from "#data-plane/upstream/pool.ts";

export interface DryRunParts extends CallerSources {
  readonly settings: Settings;
  readonly request: Exchange;
  /** Whose a thing is; null: nobody's. */
  readonly findResource: FindResource;
  /** Units that the account, and the key and user of the principal, have used in their windows now, by `quotaName`. */
  readonly usedUnits: (principal: Principal) => Promise<ReadonlyMap<string, number>>;
}

export interface DryRun {
  readonly steps: readonly { readonly phase: string; readonly outcome: string }[];
  readonly route: string | null;
  readonly upstream: string | null;
  readonly limits: readonly string[];
  /** Names of the rates that apply: only the running gateway knows how full their buckets are. */
  readonly rates: readonly string[];
  /** null: the request would be forwarded. */
  readonly refusal: Refusal | null;
}

/** Walks the phases until one refuses or all have passed. */
export async function dryRun(parts: DryRunParts): Promise<DryRun> {
  const pools = new Pools();
  const control = controlPool("/nowhere");
  const runtime = buildRuntime(
    { version: 1, epoch: 1, settings: parts.settings, routeMetrics: {} },
    pools,
    control,
    new TraceIds(),
  );
  const walk = new Walk(parts, runtime);
  const refusal = await walk.go();
  if (refusal !== null) walk.step(walk.phase, `refused: ${refusal.detail}`);
  return {
    steps: walk.steps,
    route: walk.route?.name ?? null,
    upstream: walk.route?.upstream.name ?? null,
    limits: walk.limits,
    rates: walk.rates,
    refusal,
  };
}

class Walk {
  readonly steps: { readonly phase: string; readonly outcome: string }[] = [];
  readonly limits: string[] = [];
  readonly rates: string[] = [];
  phase = "parse";
  route: CompiledRoute | null = null;
  readonly #parts: DryRunParts;
  readonly #runtime: Runtime;

  constructor(parts: DryRunParts, runtime: Runtime) {
    this.#parts = parts;
    this.#runtime = runtime;
  }

  step(phase: string, outcome: string): void {
    this.steps.push({ phase, outcome });
  }

  async go(): Promise<Refusal | null> {
    const { request } = this.#parts;
    const target = readTarget(request.target);
    if (isRefusal(target)) return target;
    const fault = methodFault(request.method);
    if (fault !== null) return fault;
    if (isRefusal(request.head)) return request.head;
    const head = target.authority === null ? request.head : withAuthority(request.head, target.authority);
    if (isRefusal(head)) return head;
    this.step("parse", `path ${target.text}, host ${head.host}`);
    this.phase = "route";
    const found = this.#runtime.routes.find(head.host, request.method, target.segments);
    if (found.kind === "none") return refuse("route_not_found", "route:none", "No route takes this path");
    if (found.kind === "method")
      return refuse("method_not_allowed", "route:method", `This path takes ${found.allowed.join(", ")}`);
    this.route = found.route;
    this.step("route", `${found.route.name}, auth ${found.route.auth}, upstream ${found.route.upstream.name}`);
    return this.#caller({ route: found.route, values: found.values, head, target });
  }

  async #caller(asked: Asked): Promise<Refusal | null> {
    const { route } = asked;
    this.phase = "identify";
    const principal = await new DryCaller(this.#parts, this.#runtime).identify(asked);
    if (principal !== null && isRefusal(principal)) return principal;
    this.step("identify", principal === null ? "nobody (anonymous)" : describe(principal));
    this.phase = "authorize";
    const refusal =
      authorize(principal, asked) ?? this.#narrowed(principal, asked) ?? (await this.#ofAnother(principal, asked));
    if (refusal !== null) return refusal;
    this.step("authorize", allowed(principal, asked));
    this.phase = "admit";
    this.#tellRates(route, principal);
    const limit = principal === null ? null : await this.#quotas(route, principal);
    if (limit === null) this.step("admit", "within the quotas");
    return limit;
  }

  #narrowed(principal: Principal | null, { route, head }: Asked): Refusal | null {
    if (principal === null || principal.narrowing === null) return null;
    const { method, peer } = this.#parts.request;
    const address = clientAddressOf(peer, head, this.#runtime.trustedProxies);
    return narrowingRefusal(principal.narrowing, { route: route.name, method, address });
  }

  #ofAnother(principal: Principal | null, asked: Asked): Refusal | null | Promise<Refusal | null> {
    const { findResource, request } = this.#parts;
    return principal === null ? null : ownershipRefusal(principal, asked, request.method, findResource);
  }

  #tellRates(route: CompiledRoute, principal: Principal | null): void {
    for (const rate of route.rates) {
      const figures = rate.byPlan.get(principal?.plan.id ?? "") ?? rate.settings;
      const cost = rate.cost === 1 ? "" : `, costs ${rate.cost}`;
      this.rates.push(rate.settings.name);
      this.limits.push(
        `rate ${rate.settings.name}: ${figures.limit} per ${figures.perMs / 1000} s, burst ${figures.burst}, by ${rate.settings.by.join(" + ")}${cost}`,
      );
    }
    for (const { holder, limits } of principal?.ownLimits ?? []) {
      for (const [index, { limit, perMs, burst }] of limits.rates.entries()) {
        const name = ownRateName(holder, index);
        this.rates.push(name);
        this.limits.push(`rate ${name}: ${limit} per ${perMs / 1000} s, burst ${burst}, of the ${holder} alone`);
      }
    }
    for (const { settings, byPlan } of route.concurrency) {
      const limit = byPlan.get(principal?.plan.id ?? "") ?? settings.limit;
      this.limits.push(`concurrency ${settings.name}: ${limit} at once, by ${settings.by.join(" + ")}`);
    }
  }

  async #quotas(route: CompiledRoute, principal: Principal): Promise<Refusal | null> {
    const used = await this.#parts.usedUnits(principal);
    const own = ownQuotas([...shapesOf(this.#runtime.settings).values()].flat(), principal.ownLimits);
    let refusal: Refusal | null = null;
    for (const [index, { meter, units }] of route.lines.entries()) {
      const cost = index < route.constants ? units : meter.estimate.units;
      const quotas = [...(principal.plan.quotas[meter.name] ?? []), ...own].filter(
        (quota) => quota.meter === meter.name && holds(quota, principal),
      );
      if (quotas.length === 0) this.limits.push(`meter ${meter.name}: costs ${cost}, unlimited`);
      for (const quota of quotas) {
        const now = used.get(quotaName(quota)) ?? 0;
        const limit = quota.limit ?? "unlimited";
        const whose = quota.by === "account" ? "" : `, by ${quota.by}`;
        this.limits.push(
          `meter ${meter.name}: costs ${cost}, used ${now} of ${limit} per ${quota.window.kind}${whose}`,
        );
        refusal ??= quotaRefusalOf(quota, now, cost);
      }
    }
    return refusal;
  }
}

function allowed(principal: Principal | null, asked: Asked): string {
  if (principal === null || !isOwnOnly(principal, asked.route)) return "allowed";
  const target = forwardedTarget(principal, asked);
  return target === asked.target.text ? "allowed, for what is their own" : `allowed, for what is their own: ${target}`;
}

function describe(principal: Principal): string {
  const who = principal.keyId === null ? `token of ${principal.user ?? "nobody"}` : `key ${principal.keyId}`;
  return `${who}, account ${principal.publicAccount}, plan ${principal.plan.id}, roles ${principal.roles.join(", ") || "none"}`;
}
