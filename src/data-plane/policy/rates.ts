/**
 * Phase 5, admit, first half: rates. Worker thread. Which bucket a request draws from and with which figures;
 * the buckets themselves are in shared memory (`shared/rate-table.ts`).
 */
import { boundedCache } from "#data-plane/bounded-cache.ts";
import type { PlanSettings, RateSettings } from "#config/settings.ts";
import { limitAddress } from "#core/addresses.ts";
import { type Bucket, bucketOf } from "#core/limits.ts";
import type { RateTable } from "#shared/rate-table.ts";
import type { SlotKey } from "#shared/shared-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";

const SLOTS_REMEMBERED_MAX = 100_000;

/** A rate with the figures of every plan, ready to use. */
export interface CompiledRate {
  readonly settings: RateSettings;
  readonly standard: RateFigures;
  /** By plan id, where the plan replaces them. */
  readonly byPlan: ReadonlyMap<string, RateFigures>;
}

export interface RateFigures {
  readonly limit: number;
  readonly perMs: number;
  readonly bucket: Bucket;
}

/** A rate as it applies to one request. */
export interface AppliedRate {
  readonly settings: RateSettings;
  readonly figures: RateFigures;
  readonly slot: SlotKey;
}

export function compileRate(settings: RateSettings, plans: readonly PlanSettings[]): CompiledRate {
  const byPlan = new Map<string, RateFigures>();
  for (const plan of plans) {
    const own = plan.rates[settings.name];
    if (own !== undefined) byPlan.set(plan.id, figuresOf(own));
  }
  return { settings, standard: figuresOf(settings), byPlan };
}

function figuresOf(rate: { readonly limit: number; readonly perMs: number; readonly burst: number }): RateFigures {
  return { limit: rate.limit, perMs: rate.perMs, bucket: bucketOf(rate.limit, rate.perMs, rate.burst) };
}

/** Finds the buckets of a request. */
export class RateSelector {
  readonly table: RateTable;
  readonly #slots = boundedCache<SlotKey>(SLOTS_REMEMBERED_MAX);

  constructor(table: RateTable) {
    this.table = table;
  }

  apply(rate: CompiledRate, routeName: string, principal: Principal | null, clientAddress: string): AppliedRate {
    const text = bucketName(rate.settings, routeName, principal, clientAddress);
    let slot = this.#slots.get(text);
    if (slot === undefined) {
      slot = this.table.key(text);
      this.#slots.set(text, slot);
    }
    const figures = principal === null ? undefined : rate.byPlan.get(principal.plan.id);
    return { settings: rate.settings, figures: figures ?? rate.standard, slot };
  }
}

/** Each part carries its kind, so that no id of one kind can pass for one of another. */
function bucketName(rate: RateSettings, routeName: string, principal: Principal | null, clientAddress: string): string {
  let text = rate.name;
  for (const by of rate.by) text += `|${part(by, routeName, principal, clientAddress)}`;
  return text;
}

function part(
  by: RateSettings["by"][number],
  routeName: string,
  principal: Principal | null,
  clientAddress: string,
): string {
  if (by === "route") return `route:${routeName}`;
  if (by === "ip" || principal === null) return `ip:${limitAddress(clientAddress)}`;
  if (by === "account") return `account:${principal.account.id}`;
  if (by === "user" && principal.user !== null) return `user:${principal.account.id}:${principal.user}`;
  if (by === "key" && principal.keyId !== null) return `key:${principal.keyId}`;
  // A token has no key and a key has no user: the nearest thing that is there, still told apart by kind.
  return principal.user === null ? `key:${principal.keyId ?? ""}` : `user:${principal.account.id}:${principal.user}`;
}
