/**
 * `GET /billing/usage/forecast`: where each meter will stand when its window ends, from the live counters and the days in the ledger.
 * Main thread. Not here: the formula (`forecast.ts`), folding the journal first.
 */
import type { MeterSettings, PlanSettings, QuotaSettings, Settings } from "#config/settings.ts";
import { rfc3339, wallMs } from "#core/clock.ts";
import { windowAt, type WindowSpec } from "#core/windows.ts";
import { counterName, shapeKey, usageOp } from "#shared/counter-shapes.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { standardShape, type UsageParts } from "./account-usage.ts";
import { type Forecast, forecast, type ForecastInput } from "./forecast.ts";
import { windowView } from "./thresholds.ts";
import { intervalsOf, timeseries } from "./timeseries.ts";

const DAY_MS = 86_400_000;
/** Days of history that are read; the formula looks at no more. */
const HISTORY_DAYS = 56;

export interface MeterForecast {
  readonly meter: string;
  readonly used: number;
  /** null: unlimited. */
  readonly limit: number | null;
  readonly window: ReturnType<typeof windowView>;
  /** How it was foreseen; `none`: what is used is all that can be said. */
  readonly method: Forecast["method"];
  /** Units when the window ends. */
  readonly projected: { readonly p50: number; readonly p90: number };
  /** When the limit is reached, now when it is already; null: not in this window. */
  readonly exhaustedAt: string | null;
  /** Units beyond the limit, and their cost in minor units of the plan's currency; null where they cost nothing. */
  readonly overage: { readonly units: number; readonly cost: number | null };
  readonly basis: Forecast["basis"];
}

/** A line for each of the account's quotas, and for each meter without one; in the order of the file. */
export async function usageForecast(
  parts: UsageParts,
  settings: Settings,
  account: Pick<Account, "id" | "anchorMs">,
  plan: PlanSettings,
): Promise<readonly MeterForecast[]> {
  await parts.ledger.seeder.ensure(account.id);
  const lines: MeterForecast[] = [];
  for (const meter of Object.values(settings.meters)) {
    const quotas = (plan.quotas[meter.name] ?? []).filter(({ by }) => by === "account");
    const shown: readonly (QuotaSettings | null)[] = quotas.length > 0 ? quotas : [null];
    for (const quota of shown) {
      const spec = quota?.window ?? standardShape(parts.ledger.counting.shapesOf(meter.name))?.window;
      if (spec !== undefined) lines.push(await meterForecast(parts, account, meter, spec, quota));
    }
  }
  return lines;
}

async function meterForecast(
  parts: UsageParts,
  { id, anchorMs }: Pick<Account, "id" | "anchorMs">,
  meter: MeterSettings,
  spec: WindowSpec,
  quota: QuotaSettings | null,
): Promise<MeterForecast> {
  const nowMs = wallMs();
  const window = windowAt(spec, nowMs, anchorMs);
  const name = counterName(id, shapeKey(meter.name, "account", spec), "", window);
  const used = Math.max(0, parts.counters.used(parts.counters.key(name, window)));
  const limit = quota?.limit ?? null;
  const isSum = usageOp(meter) === "add" && meter.aggregate !== "last";
  // A maximum or a gauge does not grow day by day: as if the window were over, what there is is all that is said.
  const days = isSum ? await daysOf(parts, id, meter.name, spec.timeZone, nowMs) : [];
  const input = { nowMs: isSum ? nowMs : window.endMs, window, used, days, limit, overage: quota?.price ?? null };
  const { method, p50, p90, exhaustedAtMs, expectedOverageUnits, expectedOverageCost, basis } = forecast(input);
  const reached = exhaustedAtMs === null ? null : rfc3339(Math.min(exhaustedAtMs, isSum ? exhaustedAtMs : nowMs));
  return {
    meter: meter.name,
    used,
    limit,
    window: windowView(window),
    method,
    projected: { p50, p90 },
    exhaustedAt: reached,
    overage: { units: expectedOverageUnits, cost: expectedOverageCost },
    basis,
  };
}

/** The last complete days, those without usage too. */
async function daysOf(
  { db }: UsageParts,
  account: string,
  meter: string,
  timeZone: string,
  nowMs: number,
): Promise<ForecastInput["days"]> {
  const today = windowAt({ kind: "day", timeZone, day: 1 }, nowMs, 0);
  const intervals = intervalsOf("day", timeZone, today.startMs - HISTORY_DAYS * DAY_MS, today.startMs) ?? [];
  const points = await timeseries(db, { account, meters: [{ name: meter, isGauge: false }], intervals, groupBy: [] });
  return (points ?? []).map(({ window, units }) => ({ startMs: window.startMs, units: Math.max(0, units) }));
}
