/** Shapes of the control API's inputs. Unknown members are refused. Main thread. */
import Type from "typebox";
import { USAGE_GRAINS } from "#control-plane/metering/usage-grains.ts";
import { KEY_ENVIRONMENTS } from "#core/key-format.ts";

const strict = { additionalProperties: false } as const;
const name = Type.String({ minLength: 1, maxLength: 200 });
const word = Type.String({ minLength: 1, maxLength: 100 });
const words = Type.Array(word, { maxItems: 100, uniqueItems: true });

export const Page = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1000, default: 100 }),
    cursor: Type.Optional(Type.String({ maxLength: 100 })),
  },
  strict,
);

export const IdParams = Type.Object({ id: Type.String({ minLength: 1, maxLength: 255 }) });

const time = Type.String({ maxLength: 40 });

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

const keyBody = {
  name: Type.Optional(Type.Union([name, Type.Null()])),
  env: Type.Optional(Type.Enum([...KEY_ENVIRONMENTS])),
  roles: Type.Optional(words),
  scopes: Type.Optional(Type.Union([words, Type.Null()])),
  /** A duration from now. */
  expires: Type.Optional(Type.String({ pattern: "^[1-9][0-9]*(s|m|h|d)$" })),
};

export const OwnKeyBody = Type.Object(keyBody, strict);
export const KeyBody = Type.Object({ ...keyBody, account: Type.String({ minLength: 1, maxLength: 255 }) }, strict);
export const KeyPage = Type.Object(
  { ...Page.properties, account: Type.Optional(Type.String({ maxLength: 255 })) },
  strict,
);

export const KeyLookup = Type.Object({ key: Type.String({ minLength: 1, maxLength: 200 }) }, strict);

export const AccountBody = Type.Object(
  {
    name,
    externalId: Type.Optional(Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Null()])),
    plan: Type.Optional(Type.Union([word, Type.Null()])),
  },
  strict,
);

export const AccountPatch = Type.Object(
  {
    name: Type.Optional(name),
    plan: Type.Optional(Type.Union([word, Type.Null()])),
    state: Type.Optional(Type.Enum(["active", "suspended"])),
    /** Where billing periods begin: RFC 3339, cut to its minute. */
    billingAnchor: Type.Optional(Type.String({ maxLength: 40 })),
  },
  { ...strict, minProperties: 1 },
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
