/** Shapes of what is asked of accounts. Main thread. */
import Type from "typebox";
import { name, strict, word } from "./schemas.ts";

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
