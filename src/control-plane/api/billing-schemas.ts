/** Shapes of the inputs about usage, credits and spend caps. Unknown members are refused. Main thread. */
import Type, { type TSchema } from "typebox";
import { INTERVALS } from "#control-plane/metering/timeseries.ts";
import { VALUE_MAX } from "#control-plane/metering/usage-event-reader.ts";
import { GRANT_SOURCES } from "#control-plane/credits/grants.ts";

/** Largest list of events. */
export const EVENTS_MAX = 1000;

const strict = { additionalProperties: false } as const;
const id = Type.String({ minLength: 1, maxLength: 255 });
const time = Type.String({ minLength: 1, maxLength: 40 });
const meter = Type.String({ minLength: 1, maxLength: 100 });
const credits = Type.Integer({ minimum: 1, maximum: 1_000_000_000_000 });
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const SeriesQuery = Type.Object(
  {
    /** Whose: only the caller's own. */
    account: Type.Optional(id),
    meter: Type.Optional(meter),
    from: Type.Optional(time),
    to: Type.Optional(time),
    interval: Type.Enum([...INTERVALS], { default: "day" }),
    /** A list with commas. */
    groupBy: Type.Optional(Type.String({ maxLength: 100 })),
    timeZone: Type.Optional(Type.String({ minLength: 1, maxLength: 100 })),
  },
  strict,
);

export const ForecastQuery = Type.Object({ account: Type.Optional(id) }, strict);

export const ReservationBody = Type.Object(
  {
    meter,
    units: Type.Integer({ minimum: 1, maximum: VALUE_MAX }),
    account: Type.Optional(id),
    key: Type.Optional(id),
    user: Type.Optional(id),
    route: Type.Optional(id),
    /** A duration from now. */
    expires: Type.String({ pattern: "^[1-9][0-9]*(s|m|h|d)$", maxLength: 20, default: "1h" }),
  },
  strict,
);

const eventMembers = {
  specversion: Type.Optional(Type.Literal("1.0")),
  id,
  source: id,
  /** A meter. */
  type: meter,
  /** The account, by our id or the operator's. */
  subject: Type.Optional(id),
  time: Type.Optional(time),
  datacontenttype: Type.Optional(Type.String()),
  dataschema: Type.Optional(Type.String()),
  data: Type.Optional(
    Type.Object(
      {
        value: Type.Optional(Type.Integer({ minimum: -VALUE_MAX, maximum: VALUE_MAX })),
        key: Type.Optional(id),
        user: Type.Optional(id),
        route: Type.Optional(id),
        corrects: Type.Optional(id),
        reason: Type.Optional(id),
      },
      strict,
    ),
  ),
};
const PlainEvent = Type.Object(eventMembers, strict);
const CloudEvent = Type.Object({ ...eventMembers, specversion: Type.Literal("1.0") });
const listOf = (event: TSchema) => Type.Array(event, { minItems: 1, maxItems: EVENTS_MAX });

/** Usage that is reported, by media type. `usage-event-reader.ts` reads it, so that one bad event does not hinder the others. */
export const EVENT_BODIES = {
  "application/json": Type.Union([PlainEvent, listOf(PlainEvent)]),
  "application/cloudevents+json": CloudEvent,
  "application/cloudevents-batch+json": listOf(CloudEvent),
};

export const ConfirmBody = Type.Object(
  { units: Type.Optional(Type.Integer({ minimum: 0, maximum: VALUE_MAX })) },
  strict,
);

export const GrantBody = Type.Object(
  {
    amount: credits,
    priority: Type.Integer({ minimum: 0, maximum: 1_000_000, default: 100 }),
    startsAt: Type.Optional(Type.Union([time, Type.Null()])),
    expiresAt: Type.Optional(Type.Union([time, Type.Null()])),
    source: Type.Enum([...GRANT_SOURCES], { default: "admin" }),
    idempotencyKey: Type.Optional(Type.Union([id, Type.Null()])),
    note: Type.Optional(Type.Union([Type.String({ maxLength: 500 }), Type.Null()])),
  },
  strict,
);

export const SpendCapBody = Type.Object(
  {
    /** Units beyond the limit by meter. */
    units: Type.Optional(Type.Record(meter, count)),
    /** Minor units; null: no such cap. */
    money: Type.Optional(Type.Union([count, Type.Null()])),
  },
  strict,
);
