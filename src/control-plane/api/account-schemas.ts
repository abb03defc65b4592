/** Shapes of what is asked of accounts, and of accounts in answers. Main thread. */
import Type from "typebox";
import { name, nullable, strict, Time, word } from "./schemas.ts";

/** As `accountView` makes it. */
export const AccountAnswer = Type.Object(
  {
    id: Type.String(),
    externalId: nullable(Type.String()),
    name: Type.String(),
    state: Type.Enum(["active", "suspended", "deleted"]),
    plan: nullable(Type.String()),
    billingAnchor: Time,
    createdAt: Time,
  },
  { title: "Account" },
);

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
