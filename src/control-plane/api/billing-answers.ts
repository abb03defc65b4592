/** Shapes of the answers about plans, usage, credits and spend caps. They document; views make the answers. Main thread. */
import Type from "typebox";
import { EVENT_ERRORS } from "#control-plane/metering/usage-event-reader.ts";
import { GRANT_SOURCES } from "#control-plane/credits/grants.ts";
import { INTERVALS, SERIES_GROUPS } from "#control-plane/metering/timeseries.ts";
import { USAGE_GRAINS } from "#control-plane/metering/usage-grains.ts";
import { nullable, Time } from "./schemas.ts";

const id = Type.String();
const units = Type.Integer();
const holder = Type.Enum(["account", "key", "user"]);
const exceed = Type.Enum(["block", "overage", "warn", "throttle", "credits"]);
/** Minor units of the plan's currency. */
const money = Type.Number();

const WindowAnswer = Type.Object({ kind: Type.String(), start: Time, end: nullable(Time) }, { title: "Window" });

const QuotaAnswer = Type.Object({
  meter: id,
  limit: nullable(units),
  per: Type.String(),
  by: holder,
  exceed,
  grace: Type.Optional(units),
  overage: Type.Optional(Type.Object({ price: money, per: units })),
  creditsPerUnit: Type.Optional(Type.Integer()),
});

export const PlanAnswer = Type.Object(
  {
    id,
    name: Type.String(),
    default: Type.Boolean(),
    price: nullable(
      Type.Object({ monthly: nullable(Type.Integer()), yearly: nullable(Type.Integer()), currency: Type.String() }),
    ),
    quotas: Type.Array(QuotaAnswer),
    credits: nullable(Type.Object({ amount: Type.Integer(), per: Type.String(), rollover: nullable(Type.Integer()) })),
    features: Type.Array(Type.String()),
  },
  { title: "Plan" },
);

export const StatusAnswer = Type.Object({
  account: id,
  state: Type.Enum(["active", "suspended", "deleted"]),
  plan: PlanAnswer,
  subscription: Type.Null(),
});

const MeterUsageAnswer = Type.Object(
  {
    meter: id,
    by: holder,
    used: units,
    limit: nullable(units),
    remaining: nullable(units),
    exceed: nullable(exceed),
    window: WindowAnswer,
    grace: Type.Optional(units),
    overage: Type.Optional(Type.Object({ units, cost: money })),
    credits: Type.Optional(Type.Object({ perUnit: Type.Integer(), remaining: Type.Integer() })),
  },
  { title: "MeterUsage" },
);

export const UsageAnswer = Type.Object(
  { account: id, plan: id, meters: Type.Array(MeterUsageAnswer) },
  { title: "Usage" },
);

const SeriesPointAnswer = Type.Object({
  start: Time,
  end: Time,
  route: Type.Optional(nullable(Type.String())),
  key: Type.Optional(nullable(id)),
  meter: Type.Optional(id),
  status: Type.Optional(nullable(Type.Integer())),
  units,
  requests: Type.Integer(),
});

export const SeriesAnswer = Type.Object(
  {
    account: id,
    meter: nullable(id),
    interval: Type.Enum([...INTERVALS]),
    timeZone: Type.String(),
    groupBy: Type.Array(Type.Enum([...SERIES_GROUPS])),
    from: nullable(Time),
    to: nullable(Time),
    data: Type.Array(SeriesPointAnswer),
  },
  { title: "UsageOverTime" },
);

const MeterForecastAnswer = Type.Object({
  meter: id,
  used: units,
  limit: nullable(units),
  window: WindowAnswer,
  method: Type.Enum(["weekday-ewma+run-rate", "ewma+run-rate", "run-rate", "none"]),
  projected: Type.Object({ p50: units, p90: units }),
  exhaustedAt: nullable(Time),
  overage: Type.Object({ units, cost: nullable(money) }),
  basis: Type.Object({ days: Type.Integer(), elapsed: Type.Number({ minimum: 0, maximum: 1 }) }),
});

export const ForecastAnswer = Type.Object(
  {
    account: id,
    plan: id,
    currency: nullable(Type.String()),
    meters: Type.Array(MeterForecastAnswer),
  },
  { title: "UsageForecast" },
);

export const GrantAnswer = Type.Object(
  {
    id,
    account: id,
    amount: Type.Integer(),
    used: Type.Integer(),
    remaining: Type.Integer(),
    state: Type.Enum(["scheduled", "active", "used", "expired", "void"]),
    priority: Type.Integer(),
    source: Type.Enum([...GRANT_SOURCES]),
    note: nullable(Type.String()),
    startsAt: Time,
    expiresAt: nullable(Time),
    createdAt: Time,
  },
  { title: "Grant" },
);

export const CreditsAnswer = Type.Object(
  { account: id, balance: Type.Integer(), grants: Type.Array(GrantAnswer) },
  { title: "Credits" },
);

export const SpendCapAnswer = Type.Object(
  {
    account: id,
    units: Type.Record(Type.String(), units),
    money: nullable(Type.Integer()),
    currency: nullable(Type.String()),
  },
  { title: "SpendCap" },
);

/** A line of the ledger; the time stands in the member that `by` names. */
export const UsageRowsAnswer = Type.Object({
  data: Type.Array(
    Type.Object({
      ...Object.fromEntries(USAGE_GRAINS.map((grain) => [grain, Type.Optional(Time)])),
      account: id,
      key: nullable(id),
      route: Type.String(),
      meter: id,
      units,
      requests: Type.Integer(),
    }),
  ),
  truncated: Type.Boolean(),
});

export const ReservationAnswer = Type.Object(
  {
    id,
    account: id,
    meter: id,
    units,
    state: Type.Enum(["open", "confirmed", "released", "expired"]),
    confirmedUnits: nullable(units),
    key: nullable(id),
    user: nullable(id),
    route: nullable(Type.String()),
    createdAt: Time,
    expiresAt: Time,
    settledAt: nullable(Time),
  },
  { title: "Reservation" },
);

/** What became of each event, in their order. */
export const EventResultsAnswer = Type.Object(
  {
    data: Type.Array(
      Type.Object({
        id: nullable(id),
        source: nullable(Type.String()),
        status: Type.Enum(["accepted", "duplicate", "rejected"]),
        error: Type.Optional(Type.Enum([...EVENT_ERRORS])),
        detail: Type.Optional(Type.String()),
      }),
    ),
  },
  { title: "EventResults" },
);
