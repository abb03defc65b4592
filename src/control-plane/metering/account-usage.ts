/** `GET /billing/usage`: what an account has used of each meter in its current windows. Main thread. Exact: from the live counters. */
import type { Exceed, PlanSettings, QuotaHolder, QuotaSettings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { overageCost } from "#core/money.ts";
import { type Window, type WindowKind, windowAt } from "#core/windows.ts";
import { type CounterShape, counterName, holderOf, shapeKey } from "#shared/counter-shapes.ts";
import { tighterQuota } from "#shared/own-limits.ts";
import type { CounterTable } from "#shared/counter-table.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Database } from "#control-plane/store/database.ts";
import type { Ledger } from "./ledger.ts";
import { windowView } from "./thresholds.ts";

export interface MeterUsage {
  readonly meter: string;
  readonly by: QuotaHolder;
  /** What is under way included. */
  readonly used: number;
  /** null: unlimited. */
  readonly limit: number | null;
  readonly remaining: number | null;
  /** null: the plan has no quota on this meter. */
  readonly exceed: Exceed | null;
  readonly window: ReturnType<typeof windowView>;
  /** Units beyond the limit that still pass; not there when none do. */
  readonly grace?: number;
  /** Units beyond the limit, and their cost in minor units of the plan's currency; only where overage is counted. */
  readonly overage?: { readonly units: number; readonly cost: number };
  /** What units beyond the limit cost, and the credits left; only where credits pay for them. */
  readonly credits?: { readonly perUnit: number; readonly remaining: number };
}

export interface UsageParts {
  readonly db: Database;
  readonly counters: CounterTable;
  readonly ledger: Ledger;
  /** What workers have reserved (`in-flight-table.ts`); null: there are none. */
  readonly inFlight: SharedArrayBuffer | null;
  readonly journalDir: string;
  /** Credits that the account can burn now. */
  readonly creditsLeft: (account: string) => Promise<number>;
}

/** Whose usage, and who asks: their own sub-quotas are shown, nobody else's. */
export interface UsageAsker {
  readonly account: Pick<Account, "id" | "anchorMs">;
  readonly plan: PlanSettings;
  readonly keyId: string | null;
  readonly user: string | null;
  /** Quotas of the asker's key and member themselves. */
  readonly own: readonly QuotaSettings[];
}

/** A meter without a quota is shown by the first of these that is counted. */
const SHOWN: readonly WindowKind[] = ["month", "billing-period", "week", "day", "hour", "minute", "lifetime"];
const HOLDERS: readonly QuotaHolder[] = ["account", "key", "user"];

/**
 * Lines in the order of the file: for each meter those of the account's quotas (or one for the month when the plan has none), then
 * those of the asker's key and of the asker's user.
 */
export async function accountUsage(
  parts: UsageParts,
  meters: readonly string[],
  asker: UsageAsker,
): Promise<readonly MeterUsage[]> {
  const { account, plan } = asker;
  await parts.ledger.seeder.ensure(account.id);
  const pays = Object.values(plan.quotas).some((quotas) => quotas.some(({ exceed }) => exceed === "credits"));
  const credits = pays ? await parts.creditsLeft(account.id) : 0;
  return meters.flatMap((meter) =>
    HOLDERS.flatMap((by) => {
      const holder = holderOf(by, asker.keyId ?? "", asker.user ?? "");
      const lines = quotasBy(meter, by, asker).map((quota) => ({ quota, spec: quota.window }));
      const standard =
        by === "account" && lines.length === 0 ? standardShape(parts.ledger.counting.shapesOf(meter)) : null;
      const shown = standard === null ? lines : [{ quota: null, spec: standard.window }];
      if (holder === null) return [];
      return shown.map(({ quota, spec }) => {
        const window = windowAt(spec, wallMs(), account.anchorMs);
        const name = counterName(account.id, shapeKey(meter, by, spec), holder, window);
        return line(meter, by, parts.counters.used(parts.counters.key(name, window)), window, quota, credits);
      });
    }),
  );
}

/** One for each counter: where the plan and the holder both have a quota, the one that is reached first. */
function quotasBy(meter: string, by: QuotaHolder, { plan, own }: UsageAsker): readonly QuotaSettings[] {
  const all = [...(plan.quotas[meter] ?? []), ...own.filter((quota) => quota.meter === meter)];
  const byShape = Map.groupBy(
    all.filter((quota) => quota.by === by),
    ({ window }) => shapeKey(meter, by, window),
  );
  return [...byShape.values()].flatMap(([first, ...others]) =>
    first === undefined ? [] : [others.reduce((one, other) => tighterQuota(one, other) ?? one, first)],
  );
}

/** The account shape by which a meter without a quota is shown; null: it is not counted yet. */
export function standardShape(shapes: readonly CounterShape[]): CounterShape | null {
  const own = shapes.filter(({ by }) => by === "account");
  return SHOWN.flatMap((kind) => own.find(({ window }) => window.kind === kind) ?? []).at(0) ?? null;
}

function line(
  meter: string,
  by: QuotaHolder,
  used: number,
  window: Window,
  quota: QuotaSettings | null,
  credits: number,
): MeterUsage {
  const limit = quota?.limit ?? null;
  return {
    meter,
    by,
    used,
    limit,
    remaining: limit === null ? null : Math.max(0, limit - used),
    exceed: quota?.exceed ?? null,
    window: windowView(window),
    ...(quota === null || limit === null ? {} : beyond(quota, Math.max(0, used - limit), credits)),
  };
}

function beyond(
  { exceed, grace, price, creditsPerUnit }: QuotaSettings,
  units: number,
  credits: number,
): Pick<MeterUsage, "grace" | "overage" | "credits"> {
  return {
    ...(grace > 0 ? { grace } : {}),
    ...(exceed === "overage" ? { overage: { units, cost: price === null ? 0 : overageCost(units, price) } } : {}),
    ...(exceed === "credits" ? { credits: { perUnit: creditsPerUnit, remaining: credits } } : {}),
  };
}
