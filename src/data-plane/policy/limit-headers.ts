/**
 * What answers tell of the limits. Worker thread. `draft-10` is draft-ietf-httpapi-ratelimit-headers-10: `RateLimit-Policy` and
 * `RateLimit` with one item for each rate and each quota; rates are named by their name, quotas `meter/window`, with `/key` or
 * `/user` where they hold for that; rates of the caller's own key and member are `key` and `member`, the second of each `key/2`.
 * `t` is the seconds until the limit is whole again. `draft-6` and `x-ratelimit` tell of the one limit of which least is left.
 * `X-Tollgate-Warning` lists quotas at or beyond their first threshold, `p` in percent, and `key` where the secret of an API key was
 * replaced, which is good until `retires`.
 */
import type { LimitHeaderSet } from "#config/settings.ts";
import type { CallerLimits, LimitTables } from "./caller-limits.ts";
import type { LiveCounter } from "./quotas.ts";
import type { Instant, LiveRate } from "./rates.ts";
import { ScratchText } from "./scratch-text.ts";

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

/** How near a limit is. */
interface Item {
  readonly most: number;
  readonly left: number;
  readonly resetSeconds: number;
}

/** A list of RFC 9651. */
export const WARNING_HEADER = "X-Tollgate-Warning";

const NONE: readonly string[] = [];
const SCRATCH = new ScratchText();
const ONLY_DRAFT_10 = "draft-10";

/** The limits of one request; asked for its headers when the answer's head is made. */
export class LimitState {
  readonly #parts: LimitStateParts;

  constructor(parts: LimitStateParts) {
    this.#parts = parts;
  }

  /** Whether anything limits the request, and is told of. */
  get limited(): boolean {
    return this.#parts.rates.length > 0 || this.#parts.limits.told.length > 0;
  }

  /** Names and values in turn; empty when there is nothing to tell. */
  headers(): readonly string[] {
    const { sets } = this.#parts;
    if (!this.limited) return this.#keyWarning();
    const headers: string[] = [];
    if (sets.includes(ONLY_DRAFT_10)) headers.push("RateLimit-Policy", this.#policy(), "RateLimit", this.#states());
    if (sets.length > 1 || sets[0] !== ONLY_DRAFT_10) this.#addOthers(headers);
    const warnings = this.#warnings();
    if (warnings !== "") headers.push(WARNING_HEADER, warnings);
    return headers;
  }

  #keyWarning(): readonly string[] {
    const warning = this.#parts.limits.principal?.warning ?? null;
    return warning === null ? NONE : [WARNING_HEADER, warning];
  }

  #policy(): string {
    const { rates, limits } = this.#parts;
    return rates === limits.rates ? limits.policy : policyOf(rates, limits.told);
  }

  #states(): string {
    const { rates, limits, at } = this.#parts;
    for (const rate of rates) {
      const { left, resetSeconds } = rate.state(at);
      beginItem(rate.name).whole(left).add(";t=").whole(resetSeconds);
    }
    for (const live of limits.told) {
      const { left, resetSeconds } = this.#quotaItem(live);
      beginItem(live.label).whole(left);
      if (live.counter.window.kind !== "lifetime") SCRATCH.add(";t=").whole(resetSeconds);
    }
    return SCRATCH.take();
  }

  #quotaItem({ told: quota, counter }: LiveCounter): Item {
    const { tables, atMs } = this.#parts;
    const limit = quota?.limit ?? 0;
    const { window } = counter;
    const left = told(limit - tables.counters.used(counter));
    const resetSeconds = window.kind === "lifetime" ? 0 : Math.ceil((window.endMs - atMs) / 1000);
    return { most: told(limit), left, resetSeconds };
  }

  #addOthers(headers: string[]): void {
    const { rates, limits, at, sets } = this.#parts;
    const items: readonly Item[] = [
      ...rates.map((rate) => ({ most: rate.most, ...rate.state(at) })),
      ...limits.told.map((live) => this.#quotaItem(live)),
    ];
    if (sets.includes("draft-6")) headers.push(...nearest("RateLimit", items));
    if (sets.includes("x-ratelimit")) headers.push(...nearest("X-RateLimit", items));
  }

  #warnings(): string {
    const { limits, tables } = this.#parts;
    const { counters } = tables;
    let warnings = limits.principal?.warning ?? "";
    for (const { told: quota, counter, label } of limits.told) {
      const first = quota?.thresholds[0];
      if (quota === null || first === undefined || quota.limit === null || quota.limit === 0) continue;
      const percent = Math.floor((counters.used(counter) / quota.limit) * 100);
      if (percent >= first) warnings += `${warnings === "" ? "" : ", "}"${label}";p=${told(percent)}`;
    }
    return warnings;
  }
}

/** The value of `RateLimit-Policy`: one item for each rate and for each counter with a limit. */
export function policyOf(rates: readonly LiveRate[], counters: readonly LiveCounter[]): string {
  const items = rates.map((rate) => {
    const windowSeconds = Math.max(1, Math.round(rate.figures.perMs / 1000));
    return `"${rate.name}";q=${rate.most};w=${windowSeconds}`;
  });
  for (const { told: quota, counter, label } of counters) {
    const { kind, startMs, endMs } = counter.window;
    const window = kind === "lifetime" ? "" : `;w=${(endMs - startMs) / 1000}`;
    items.push(`"${label}";q=${told(quota?.limit ?? 0)}${window}`);
  }
  return items.join(", ");
}

function beginItem(name: string): ScratchText {
  return SCRATCH.add(SCRATCH.isEmpty ? '"' : ', "')
    .add(name)
    .add('";r=');
}

/** As far as clients can be told. */
function told(count: number): number {
  return Math.min(INTEGER_MAX, Math.max(0, count));
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
