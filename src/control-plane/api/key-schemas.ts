/** Shapes of what is asked of API keys. Main thread. */
import Type from "typebox";
import { KEY_ENVIRONMENTS } from "#core/key-format.ts";
import { OwnLimitsBody } from "./own-limits.ts";
import { name, nullable, Page, strict, words } from "./schemas.ts";

const keyBody = {
  name: Type.Optional(Type.Union([name, Type.Null()])),
  env: Type.Optional(Type.Enum([...KEY_ENVIRONMENTS])),
  roles: Type.Optional(words),
  scopes: Type.Optional(Type.Union([words, Type.Null()])),
  /** A duration from now. */
  expires: Type.Optional(Type.String({ pattern: "^[1-9][0-9]*(s|m|h|d)$" })),
  limits: Type.Optional(nullable(OwnLimitsBody)),
};

export const OwnKeyBody = Type.Object(keyBody, strict);
export const KeyBody = Type.Object({ ...keyBody, account: Type.String({ minLength: 1, maxLength: 255 }) }, strict);
export const KeyPage = Type.Object(
  { ...Page.properties, account: Type.Optional(Type.String({ maxLength: 255 })) },
  strict,
);

export const KeyLookup = Type.Object({ key: Type.String({ minLength: 1, maxLength: 200 }) }, strict);
