/** Usage over time and where it leads: the answers of `…/usage/timeseries` and `…/usage/forecast`, for customers and operators. Main thread. */
import type { Static } from "typebox";
import type { PlanSettings, Settings } from "#config/settings.ts";
import { rfc3339, wallMs } from "#core/clock.ts";
import { isTimeZone } from "#core/time-zones.ts";
import type { Window } from "#core/windows.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import {
  type INTERVALS,
  intervalsOf,
  POINTS_MAX,
  SERIES_GROUPS,
  type SeriesGroup,
  type SeriesPoint,
  timeseries,
} from "#control-plane/metering/timeseries.ts";
import { usageForecast } from "#control-plane/metering/usage-forecast.ts";
import type { SeriesQuery } from "./billing-schemas.ts";
import { refuseBy, reject } from "./problems.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** How far back an answer goes when nothing is said. */
const STANDARD_MS: Readonly<Record<(typeof INTERVALS)[number], number>> = {
  minute: HOUR_MS,
  hour: DAY_MS,
  day: 30 * DAY_MS,
  week: 84 * DAY_MS,
  month: 365 * DAY_MS,
};

export async function seriesAnswer(
  services: Services,
  account: Account,
  query: Static<typeof SeriesQuery>,
): Promise<Record<string, unknown>> {
  const settings = services.settings();
  const groupBy = groupsOf(query.groupBy);
  const meters = metersOf(settings, query.meter, groupBy);
  const timeZone = query.timeZone ?? settings.timeZone;
  if (!isTimeZone(timeZone))
    refuseBy(
      "query:timeZone",
      "querystring/timeZone",
      `Expected an IANA name such as Europe/Berlin, got "${timeZone}"`,
    );
  const intervals = wholeIntervals(query, timeZone);
  await services.usage.ledger.fold();
  const points = await timeseries(services.usage.db, { account: account.id, meters, intervals, groupBy });
  if (points === null) tooMany();
  return {
    account: account.id,
    meter: query.meter ?? null,
    interval: query.interval,
    timeZone,
    groupBy,
    from: timeAt(intervals[0]?.startMs),
    to: timeAt(intervals.at(-1)?.endMs),
    data: points.map(pointView),
  };
}

export async function forecastAnswer(
  services: Services,
  account: Account,
  plan: PlanSettings,
): Promise<Record<string, unknown>> {
  const { usage, settings } = services;
  await usage.ledger.fold();
  const meters = await usageForecast(usage, settings(), account, plan);
  return { account: account.id, plan: plan.id, currency: plan.price?.currency ?? null, meters };
}

function groupsOf(text: string | undefined): readonly SeriesGroup[] {
  const wanted = text === undefined || text === "" ? [] : text.split(",");
  const groups = SERIES_GROUPS.filter((group) => wanted.includes(group));
  if (groups.length === wanted.length) return groups;
  return refuseBy(
    "query:groupBy",
    "querystring/groupBy",
    `Expected a list, each once, of ${SERIES_GROUPS.join(", ")} in groupBy, got "${text}"`,
  );
}

/** Units of several meters are no sum: without a meter they have to be told apart. */
function metersOf({ meters }: Settings, name: string | undefined, groupBy: readonly SeriesGroup[]) {
  const wanted = name === undefined ? Object.values(meters) : Object.hasOwn(meters, name) ? [meters[name]] : null;
  const known = Object.keys(meters).join(", ") || "none";
  if (wanted === null) refuseBy("query:meter", "querystring/meter", `Expected a meter, one of ${known}, got "${name}"`);
  if (name === undefined && !groupBy.includes("meter"))
    refuseBy("query:meter", "querystring/meter", `Expected meter (one of ${known}) or groupBy=meter`);
  return wanted.flatMap((meter) =>
    meter === undefined ? [] : [{ name: meter.name, isGauge: meter.aggregate === "last" }],
  );
}

function wholeIntervals({ from, to, interval }: Static<typeof SeriesQuery>, timeZone: string): readonly Window[] {
  const toMs = to === undefined ? wallMs() : timeOf(to, "query:to", "querystring/to");
  const fromMs =
    from === undefined ? Math.max(0, toMs - STANDARD_MS[interval]) : timeOf(from, "query:from", "querystring/from");
  if (fromMs >= toMs) refuseBy("query:from", "querystring/from", "Expected from before to");
  return intervalsOf(interval, timeZone, fromMs, toMs) ?? tooMany();
}

function tooMany(): never {
  reject(
    "malformed_request",
    "query:points",
    `More than ${POINTS_MAX} points: ask for longer intervals, less time or fewer groups`,
  );
}

function pointView({ window, group, units, requests }: SeriesPoint): Record<string, unknown> {
  const named = Object.entries(group).map(([name, value]) => [name, value === "" || value === 0 ? null : value]);
  return { start: rfc3339(window.startMs), end: rfc3339(window.endMs), ...Object.fromEntries(named), units, requests };
}

function timeAt(ms: number | undefined): string | null {
  return ms === undefined ? null : rfc3339(ms);
}
