/**
 * Limits of one key or one member, as they are asked for and shown: `{ rates: [ { limit, per, burst } ], quotas: [ { meter, limit, per } ] }`.
 * Main thread. Not here: what they do (`shared/own-limits.ts`, `data-plane/policy/own-rates.ts`).
 */
import Type, { type Static } from "typebox";
import type { Settings } from "#config/settings.ts";
import { bucketOf } from "#core/limits.ts";
import { formatDuration, parseDuration } from "#core/units.ts";
import { WINDOW_KINDS } from "#core/windows.ts";
import { shapesOf } from "#shared/counter-shapes.ts";
import type { HolderLimits, OwnLimits } from "#shared/principals.ts";
import { refuseAt } from "./problems.ts";
import { strict, word } from "./schemas.ts";

const RATES_MAX = 8;
const QUOTAS_MAX = 32;
/** As for rates of the file. */
const PERIOD_MS_MAX = 366 * 86_400_000;
const TOLERANCE_NS_MAX = 2n ** 61n;

const requests = Type.Integer({ minimum: 1, maximum: 1_000_000_000 });
const Rate = Type.Object(
  { limit: requests, per: Type.String({ pattern: "^[1-9][0-9]{0,9}(s|m|h|d)$" }), burst: Type.Optional(requests) },
  strict,
);
const Quota = Type.Object(
  {
    meter: word,
    limit: Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }),
    per: Type.Enum([...WINDOW_KINDS]),
  },
  strict,
);

/** In bodies; what is left out is an empty list. */
export const OwnLimitsBody = Type.Object(
  {
    rates: Type.Optional(Type.Array(Rate, { maxItems: RATES_MAX })),
    quotas: Type.Optional(Type.Array(Quota, { maxItems: QUOTAS_MAX })),
  },
  strict,
);

/** As `ownLimitsView` makes it. */
export const OwnLimitsAnswer = Type.Object(
  {
    rates: Type.Array(Type.Object({ limit: Type.Integer(), per: Type.String(), burst: Type.Integer() })),
    quotas: Type.Array(Type.Object({ meter: Type.String(), limit: Type.Integer(), per: Type.Enum([...WINDOW_KINDS]) })),
  },
  { title: "OwnLimits" },
);

type Body = Static<typeof OwnLimitsBody>;

/** The limits a body asks for; null: none. Refuses with the path of what cannot be counted; `path` is where the body has them. */
export function readOwnLimits(
  body: Body | null | undefined,
  holder: HolderLimits["holder"],
  settings: Settings,
  path = "body/limits",
): OwnLimits | null {
  if (body === null || body === undefined) return null;
  const rates = (body.rates ?? []).map((rate, index) => readRate(rate, `${path}/rates/${index}`));
  const quotas = body.quotas ?? [];
  const periods = rates.map(({ perMs }) => perMs);
  const counters = quotas.map(({ meter, per }) => `${meter} ${per}`);
  refuseRepeated(periods, `${path}/rates`, "per");
  refuseRepeated(counters, `${path}/quotas`, "meter and window");
  for (const [index, quota] of quotas.entries()) checkQuota(quota, holder, settings, `${path}/quotas/${index}`);
  return rates.length + quotas.length === 0 ? null : { rates, quotas };
}

function readRate({ limit, per, burst = limit }: Static<typeof Rate>, path: string): OwnLimits["rates"][number] {
  const perMs = parseDuration(per) ?? Infinity;
  if (perMs > PERIOD_MS_MAX) refuseAt(`${path}/per`, `Expected at most 366d, got ${per}`);
  if (bucketOf(limit, perMs, burst).toleranceNs > TOLERANCE_NS_MAX)
    refuseAt(`${path}/burst`, `Expected a smaller burst: ${burst} take more than 70 years to come back`);
  return { limit, perMs, burst };
}

function refuseRepeated(names: readonly (string | number)[], path: string, what: string): void {
  const again = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (again !== -1) refuseAt(`${path}/${again}`, `Expected another ${what}: an earlier one has it`);
}

function checkQuota(
  { meter, per }: Static<typeof Quota>,
  holder: HolderLimits["holder"],
  settings: Settings,
  path: string,
): void {
  if (!Object.hasOwn(settings.meters, meter)) {
    const known = Object.keys(settings.meters).join(", ") || "none";
    refuseAt(`${path}/meter`, `Meter ${meter} is not in the configuration; there are ${known}`);
  }
  const shapes = (shapesOf(settings).get(meter) ?? []).filter(({ by }) => by === holder);
  if (shapes.some(({ window }) => window.kind === per)) return;
  const counted = [...new Set(shapes.map(({ window }) => window.kind))].join(", ") || "none";
  const section = holder === "key" ? "keys" : "members";
  const hint = `add ${per} to identity.${section}.quotaWindows in gateway.yaml`;
  refuseAt(`${path}/per`, `Window ${per} of ${meter} is not counted by ${holder} (counted: ${counted}): ${hint}`);
}

/** Whether limits are at least as tight as those of whoever hands them on; `owner` null: any are. */
export function isWithinLimits(wanted: OwnLimits | null, owner: OwnLimits | null): boolean {
  if (owner === null) return true;
  if (wanted === null) return false;
  const rates = owner.rates.every((own) =>
    wanted.rates.some(({ limit, perMs, burst }) => perMs === own.perMs && limit <= own.limit && burst <= own.burst),
  );
  const quotas = owner.quotas.every((own) =>
    wanted.quotas.some(({ meter, per, limit }) => meter === own.meter && per === own.per && limit <= own.limit),
  );
  return rates && quotas;
}

export function ownLimitsView(limits: OwnLimits | null): Record<string, unknown> | null {
  if (limits === null) return null;
  const rates = limits.rates.map(({ limit, perMs, burst }) => ({ limit, per: formatDuration(perMs), burst }));
  return { rates, quotas: limits.quotas };
}
