/** Shapes of what is asked and answered of API keys. Main thread. */
import Type, { type Static } from "typebox";
import { KEY_ENVIRONMENTS } from "#core/key-format.ts";
import { KEY_STATES } from "#control-plane/accounts/key-list.ts";
import { AccountAnswer } from "./account-schemas.ts";
import { OwnLimitsAnswer, OwnLimitsBody } from "./own-limits.ts";
import { name, nullable, Page, strict, Time, word, words } from "./schemas.ts";

export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

const list = { minItems: 1, maxItems: 100, uniqueItems: true } as const;
const account = Type.String({ minLength: 1, maxLength: 255 });

/** Of a key and of a change of one alike; null: nothing of the kind. */
const sharedMembers = {
  name: Type.Optional(nullable(name)),
  /** A duration from now, or a time: one of the two. */
  expires: Type.Optional(nullable(Type.String({ pattern: "^[1-9][0-9]{0,9}(s|m|h|d)$" }))),
  expiresAt: Type.Optional(nullable(Type.String({ maxLength: 40 }))),
  /** What it is good for: names of routes, methods, clients' addresses and CIDR blocks. */
  routes: Type.Optional(nullable(Type.Array(word, list))),
  methods: Type.Optional(nullable(Type.Array(Type.Enum([...METHODS]), list))),
  addresses: Type.Optional(nullable(Type.Array(Type.String({ minLength: 1, maxLength: 50 }), list))),
  limits: Type.Optional(nullable(OwnLimitsBody)),
};

/** Safe methods (RFC 9110 §9.2.1), and all others; what is left out is false. */
const Access = Type.Object({ read: Type.Optional(Type.Boolean()), write: Type.Optional(Type.Boolean()) }, strict);

const newKeyMembers = {
  ...sharedMembers,
  env: Type.Optional(Type.Enum([...KEY_ENVIRONMENTS])),
  roles: Type.Optional(words),
  scopes: Type.Optional(Type.Union([words, Access, Type.Null()])),
};

export const OwnKeyBody = Type.Object(newKeyMembers, strict);
export const KeyBody = Type.Object({ ...newKeyMembers, account }, strict);
export const KeyPatch = Type.Object(
  { ...sharedMembers, enabled: Type.Optional(Type.Boolean()) },
  { ...strict, minProperties: 1 },
);

/** How long secrets from before stay good. */
export const RotateBody = Type.Object(
  { overlap: Type.String({ pattern: "^(0|[1-9][0-9]{0,9})(s|m|h|d)$", default: "24h" }) },
  strict,
);

export const OwnKeyPage = Type.Object(
  {
    ...Page.properties,
    state: Type.Optional(Type.Enum([...KEY_STATES])),
    /** Part of the name, or the beginning of `masked`, or the id. */
    search: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  },
  strict,
);
export const KeyPage = Type.Object({ ...OwnKeyPage.properties, account: Type.Optional(account) }, strict);

export const KeyLookup = Type.Object({ key: Type.String({ minLength: 1, maxLength: 200 }) }, strict);

const texts = Type.Array(Type.String());

export const KeyAnswer = Type.Object(
  {
    id: Type.String(),
    account: Type.String(),
    name: nullable(Type.String()),
    env: Type.Enum([...KEY_ENVIRONMENTS]),
    masked: Type.String(),
    state: Type.Enum([...KEY_STATES]),
    enabled: Type.Boolean(),
    roles: texts,
    scopes: nullable(texts),
    access: Type.Object({ read: Type.Boolean(), write: Type.Boolean() }),
    routes: nullable(texts),
    methods: nullable(texts),
    addresses: nullable(texts),
    limits: nullable(OwnLimitsAnswer),
    createdAt: Time,
    createdBy: nullable(Type.String()),
    expiresAt: nullable(Time),
    revokedAt: nullable(Time),
    lastUsedAt: nullable(Time),
    lastUsedFrom: nullable(Type.String()),
    retrievable: Type.Boolean(),
    oldSecrets: Type.Array(Type.Object({ masked: Type.String(), retiresAt: Time })),
  },
  { title: "ApiKey" },
);

/** With the secret, shown once. */
export const KeyWithSecretAnswer = Type.Object(
  { ...KeyAnswer.properties, key: Type.String() },
  { title: "ApiKeyWithSecret" },
);
export const KeyLookupAnswer = Type.Object({
  key: KeyAnswer,
  account: AccountAnswer,
  /** Until when the secret is good that was asked for, where it is one that was replaced. */
  retiresAt: nullable(Time),
});

export const RevealedAnswer = Type.Object({ key: Type.String() });

export type NewKeyWish = Static<typeof OwnKeyBody>;
export type KeyPatchWish = Static<typeof KeyPatch>;
