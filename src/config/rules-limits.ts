/** Rules for `rates`, `concurrency`, `meters` and `metering`. Main thread. */
import { bucketOf } from "#core/limits.ts";
import { parseMeterSource } from "#core/meter-source.ts";
import { parseFraction } from "#core/quantity.ts";
import { isTimeZone } from "#core/time-zones.ts";
import { parseDuration } from "#core/units.ts";
import type { Path } from "./locate.ts";
import { checkClaimPath } from "./rules-identity.ts";
import type { Report } from "./report.ts";
import { checkDuration } from "./rules-server.ts";
import type { Item, MeterPart, RatePart, View } from "./view.ts";

const PERIOD_MS_MAX = 366 * 86_400_000;
const KEEP_MS_MAX = 400 * 86_400_000;
/** Events are remembered this long, so that none counts twice. */
const EVENT_AGE_MS_MAX = 35 * 86_400_000;
const AHEAD_MS_MAX = 86_400_000;
/** A bucket's state is one 64-bit word of nanoseconds of which two bits are taken. */
const TOLERANCE_NS_MAX = 2n ** 61n;
/** A window's count has 24 bits (`shared/rate-table.ts`). */
export const WINDOW_LIMIT_MAX = 16_777_215;

/** Periods, bursts and counts that can be counted. */
/** Rates and concurrency limits. */
export function checkRates({ rates, concurrency }: View, report: Report): void {
  for (const { path, value } of [...rates, ...concurrency]) checkHolders(value.by, [...path, "by"], report);
  for (const { path, value } of rates) {
    checkDuration(value.per, PERIOD_MS_MAX, [...path, "per"], report);
    checkFigures(value, value, path, report);
  }
}

function checkHolders(by: RatePart["by"], path: Path, report: Report): void {
  const isList = Array.isArray(by);
  for (const [index, text] of (isList ? by : [by]).entries()) {
    if (text?.startsWith("claim:") === true)
      checkClaimPath(text.slice("claim:".length), isList ? [...path, index] : path, report);
  }
}

/** What a rate asks for, on its own or on a plan. */
export interface WrittenFigures {
  readonly limit?: number | undefined;
  readonly per?: string | undefined;
  readonly burst?: number | undefined;
}

/** Figures written at `path` of a rate whose algorithm and period are `rate`'s. */
export function checkFigures(
  figures: WrittenFigures,
  rate: Pick<RatePart, "algorithm" | "per"> | undefined,
  path: Path,
  report: Report,
): void {
  const isWindow = rate?.algorithm !== undefined && rate.algorithm !== "token-bucket";
  if (isWindow && figures.burst !== undefined)
    report.key(
      [...path, "burst"],
      `Expected no burst with algorithm: ${rate.algorithm}`,
      "only token buckets have one",
    );
  if (isWindow && (figures.limit ?? 0) > WINDOW_LIMIT_MAX)
    report.value(
      [...path, "limit"],
      `Expected at most ${WINDOW_LIMIT_MAX} with algorithm: ${rate.algorithm}, got ${figures.limit}`,
    );
  if (!isWindow) checkBurst(figures, figures.per ?? rate?.per, [...path, "burst"], report);
}

function checkBurst({ limit, burst }: WrittenFigures, per: string | undefined, path: Path, report: Report): void {
  const perMs = per === undefined ? null : parseDuration(per);
  if (perMs === null || perMs > PERIOD_MS_MAX || burst === undefined || limit === undefined) return;
  if (bucketOf(limit, perMs, burst).toleranceNs > TOLERANCE_NS_MAX) {
    report.value(path, `Expected a smaller burst: ${burst} take more than 70 years to come back`);
  }
}

/** Sources that can be read and figures that fit together. */
export function checkMeterParts({ meters }: View, report: Report): void {
  for (const meter of meters) checkMeter(meter, report);
}

function checkMeter({ path, value }: Item<MeterPart>, report: Report): void {
  if (value.from === undefined) {
    for (const key of ["scale", "round", "minimum", "estimate", "fallback"] as const) {
      if (value[key] !== undefined)
        report.key([...path, key], `Expected from with ${key}`, "without from, routes say how many units they cost");
    }
    return;
  }
  const source = parseMeterSource(value.from);
  if ("fault" in source) report.value([...path, "from"], source.fault);
  if (value.scale !== undefined && parseFraction(value.scale) === null)
    report.value([...path, "scale"], `Expected a number or fraction above 0, got ${JSON.stringify(value.scale)}`);
}

/** How long usage is kept and how old it may be. */
export function checkMetering({ metering }: View, report: Report): void {
  checkDuration(metering.keepJournal, KEEP_MS_MAX, ["metering", "keepJournal"], report);
  checkDuration(metering.events?.maxAge, EVENT_AGE_MS_MAX, ["metering", "events", "maxAge"], report);
  checkDuration(metering.events?.maxAhead, AHEAD_MS_MAX, ["metering", "events", "maxAhead"], report);
}

export function checkTimeZone(name: string | null | undefined, path: Path, report: Report): void {
  if (name === null || name === undefined || isTimeZone(name)) return;
  report.value(path, `Unknown time zone ${JSON.stringify(name)}`, "such as UTC or Europe/Berlin");
}
