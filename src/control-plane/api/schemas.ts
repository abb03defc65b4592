/** Shapes of the control API's inputs that several endpoints share. Unknown members are refused. Main thread. */
import Type, { type TSchema } from "typebox";
import { USAGE_GRAINS } from "#control-plane/metering/usage-grains.ts";

export const strict = { additionalProperties: false } as const;
export const name = Type.String({ minLength: 1, maxLength: 200 });
export const word = Type.String({ minLength: 1, maxLength: 100 });
export const words = Type.Array(word, { maxItems: 100, uniqueItems: true });

export const Page = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  strict,
);

export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 255 }) });

/** A time of RFC 3339 that is asked for; `timeOf` reads it. */
export const time = Type.String({ maxLength: 40 });

/** A time in an answer. */
export const Time = Type.String({ format: "date-time" });

export function nullable<S extends TSchema>(schema: S) {
  return Type.Union([schema, Type.Null()]);
}

/** A list as all endpoints answer it. */
export function pageOf<S extends TSchema>(item: S, cursor: TSchema = Type.String()) {
  return Type.Object({ data: Type.Array(item), nextCursor: nullable(cursor) });
}

export const AuditPage = Type.Object(
  {
    limit: Page.properties.limit,
    /** Entries older than the one with this number. */
    cursor: Type.Optional(Type.Integer({ minimum: 1 })),
    account: Type.Optional(Type.String({ maxLength: 255 })),
    action: Type.Optional(word),
    actor: Type.Optional(Type.String({ maxLength: 255 })),
    target: Type.Optional(Type.String({ maxLength: 255 })),
    from: Type.Optional(time),
    to: Type.Optional(time),
  },
  strict,
);

export const EventsPage = Type.Object(
  {
    account: Type.Optional(Type.String({ maxLength: 255 })),
    /** `seq` of the last one known. */
    after: Type.Integer({ minimum: 0, default: 0 }),
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
  },
  strict,
);

export const UsageQuery = Type.Object(
  {
    account: Type.Optional(Type.String({ maxLength: 255 })),
    from: Type.Optional(Type.String({ maxLength: 40 })),
    to: Type.Optional(Type.String({ maxLength: 40 })),
    by: Type.Enum([...USAGE_GRAINS], { default: "hour" }),
    limit: Type.Integer({ minimum: 1, maximum: 100_000, default: 10_000 }),
  },
  strict,
);
