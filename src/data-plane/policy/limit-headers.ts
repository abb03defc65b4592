/**
 * What answers tell of the limits. Worker thread. `draft-10` is draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` and
 * `RateLimit` with one item for each rate and each quota; rates are named by their name, quotas `meter/window`, with `/key` or
 * `/user` where they hold for that. `t` is the seconds until the limit is whole again. `draft-6` and `x-ratelimit` tell of the one
 * limit of which least is left. `X-Tollgate-Warning` lists quotas at or beyond their first threshold, `p` in percent.
 */
import type { LimitHeaderSet } from "#config/settings.ts";
import type { CallerLimits, LimitTables } from "./caller-limits.ts";
import type { LiveCounter } from "./quotas.ts";
import type { Instant, LiveRate } from "./rates.ts";

/** Largest integer of a structured field (RFC 9651 §3.3.1). */
const INTEGER_MAX = 999_999_999_999_999;

interface LimitStateParts {
  readonly rates: readonly LiveRate[];
  readonly limits: CallerLimits;
  readonly tables: LimitTables;
  readonly at: Instant;
  readonly atMs: number;
  readonly sets: readonly LimitHeaderSet[];
}

interface Item {
  readonly name: string;
  readonly most: number;
  /** Seconds; 0: not told. */
  readonly windowSeconds: number;
  readonly left: number;
  readonly resetSeconds: number;
}

/** The limits of one request; asked for its headers when the answer's head is made. */
export class LimitState {
  readonly #parts: LimitStateParts;

  constructor(parts: LimitStateParts) {
    this.#parts = parts;
  }

  /** Names and values in turn; empty when nothing limits the request. */
  headers(): readonly string[] {
    const items = this.#items();
    if (items.length === 0) return [];
    const { sets } = this.#parts;
    const headers: string[] = [];
    if (sets.includes("draft-10")) headers.push(...draft10(items));
    if (sets.includes("draft-6")) headers.push(...nearest("RateLimit", items));
    if (sets.includes("x-ratelimit")) headers.push(...nearest("X-RateLimit", items));
    const warnings = this.#warnings();
    if (warnings !== "") headers.push("X-Tollgate-Warning", warnings);
    return headers;
  }

  #items(): readonly Item[] {
    const { rates, at } = this.#parts;
    const items: Item[] = rates.map((rate) => {
      const windowSeconds = Math.max(1, Math.round(rate.figures.perMs / 1000));
      return { name: rate.name, most: rate.most, windowSeconds, ...rate.state(at) };
    });
    for (const live of this.#counters()) items.push(this.#quotaItem(live));
    return items;
  }

  #counters(): readonly LiveCounter[] {
    return this.#parts.limits.lines.flatMap(({ counters }) =>
      counters.filter(({ quota }) => quota !== null && quota.limit !== null),
    );
  }

  #quotaItem({ quota, counter }: LiveCounter): Item {
    const { tables, atMs } = this.#parts;
    const limit = quota?.limit ?? 0;
    const { window } = counter;
    const endless = window.kind === "lifetime";
    return {
      name: quotaName(quota),
      most: told(limit),
      windowSeconds: endless ? 0 : (window.endMs - window.startMs) / 1000,
      left: told(limit - tables.counters.used(counter)),
      resetSeconds: endless ? 0 : Math.ceil((window.endMs - atMs) / 1000),
    };
  }

  #warnings(): string {
    const { counters } = this.#parts.tables;
    const warnings: string[] = [];
    for (const { quota, counter } of this.#counters()) {
      const [first] = quota?.thresholds ?? [];
      if (quota === null || first === undefined || quota.limit === null || quota.limit === 0) continue;
      const percent = Math.floor((counters.used(counter) / quota.limit) * 100);
      if (percent >= first) warnings.push(`"${quotaName(quota)}";p=${told(percent)}`);
    }
    return warnings.join(", ");
  }
}

/** As far as clients can be told. */
function told(count: number): number {
  return Math.min(INTEGER_MAX, Math.max(0, count));
}

function quotaName(quota: LiveCounter["quota"]): string {
  if (quota === null) return "";
  const holder = quota.by === "account" ? "" : `/${quota.by}`;
  return `${quota.meter}/${quota.window.kind}${holder}`;
}

function draft10(items: readonly Item[]): readonly string[] {
  const policies = items.map(({ name, most, windowSeconds }) =>
    windowSeconds === 0 ? `"${name}";q=${most}` : `"${name}";q=${most};w=${windowSeconds}`,
  );
  const states = items.map(({ name, left, resetSeconds, windowSeconds }) =>
    windowSeconds === 0 ? `"${name}";r=${left}` : `"${name}";r=${left};t=${resetSeconds}`,
  );
  return ["RateLimit-Policy", policies.join(", "), "RateLimit", states.join(", ")];
}

function nearest(prefix: string, items: readonly Item[]): readonly string[] {
  const [first, ...others] = items;
  if (first === undefined) return [];
  const { most, left, resetSeconds } = others.reduce((one, other) => (other.left < one.left ? other : one), first);
  return [
    `${prefix}-Limit`,
    String(most),
    `${prefix}-Remaining`,
    String(left),
    `${prefix}-Reset`,
    String(resetSeconds),
  ];
}
