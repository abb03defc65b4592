/** Rates, concurrency limits, meters and metering with every default filled. Main thread. */
import { type MeterSource, parseMeterSource } from "#core/meter-source.ts";
import { parseFraction } from "#core/quantity.ts";
import { durationMs, sizeBytes } from "./normalize-values.ts";
import type { GatewayFile } from "./schema.ts";
import type {
  ConcurrencySettings,
  MeteringSettings,
  MeterSettings,
  RateFigures,
  RateKey,
  RateSettings,
} from "./settings.ts";
import type { ConcurrencyPart, MeterPart, RatePart } from "./view.ts";

const ESTIMATE_HEADER = "request.header:";
const DAY = "24h";

export type WrittenRate = Pick<RatePart, "limit" | "per" | "burst">;

export function normalizeRate(rate: RatePart, name: string): RateSettings {
  return {
    name,
    ...ratesWith(rate, 1),
    algorithm: rate.algorithm ?? "token-bucket",
    by: rateKeys(rate.by),
    shadow: rate.shadow ?? false,
  };
}

/** The figures of a rate times a multiplier, in whole requests and never none. */
export function ratesWith(rate: WrittenRate, multiplier: number): RateFigures {
  const times = (count: number) => Math.min(1_000_000_000, Math.max(1, Math.round(count * multiplier)));
  return { limit: times(rate.limit), perMs: durationMs(rate.per), burst: times(rate.burst ?? rate.limit) };
}

export function normalizeConcurrency(part: ConcurrencyPart, name: string): ConcurrencySettings {
  return { name, limit: part.limit, by: rateKeys(part.by), shadow: part.shadow ?? false };
}

/** The schema lets only these words and `claim:PATH` through. */
function rateKeys(by: RatePart["by"]): readonly RateKey[] {
  return (typeof by === "string" ? [by] : (by ?? ["account"])) as readonly RateKey[];
}

export function normalizeMeter(meter: MeterPart, name: string): MeterSettings {
  const { estimate = 0 } = meter;
  return {
    name,
    description: meter.description ?? null,
    aggregate: meter.aggregate ?? "sum",
    source: meter.from === undefined ? null : sourceOf(meter.from),
    scaling: {
      scale: parseFraction(meter.scale ?? 1) ?? { num: 1n, den: 1n },
      round: meter.round ?? "up",
      minimum: meter.minimum ?? 0,
    },
    estimate:
      typeof estimate === "number"
        ? { units: estimate, header: null }
        : { units: 0, header: estimate.slice(ESTIMATE_HEADER.length).toLowerCase() },
    fallback: meter.fallback ?? null,
  };
}

function sourceOf(text: string): MeterSource {
  const source = parseMeterSource(text);
  if ("fault" in source) throw new Error(`Cannot read the checked source ${text}`);
  return source;
}

export function normalizeMetering(metering: NonNullable<GatewayFile["metering"]>): MeteringSettings {
  const { events = {} } = metering;
  return {
    durability: metering.durability ?? "process",
    onJournalFailure: metering["on-journal-failure"] ?? "refuse",
    keepJournalMs: durationMs(metering.keepJournal ?? DAY),
    bodyCapBytes: sizeBytes(metering.bodyCap ?? "10MiB"),
    events: {
      late: events.late ?? "own",
      maxAgeMs: durationMs(events.maxAge ?? "35d"),
      maxAheadMs: durationMs(events.maxAhead ?? "5m"),
    },
  };
}
