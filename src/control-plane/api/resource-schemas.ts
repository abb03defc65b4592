/** Shapes of what is asked and answered of owners of things. Main thread. */
import Type from "typebox";
import { RESOURCE_ID_CHARS_MAX } from "#core/resource-ids.ts";
import { nullable, Page, strict, Time } from "./schemas.ts";

/** Resources of one import. */
const IMPORT_MAX = 10_000;

const kind = Type.String({ minLength: 1, maxLength: 64 });
const id = Type.String({ minLength: 1, maxLength: RESOURCE_ID_CHARS_MAX });
const account = Type.String({ minLength: 1, maxLength: 255 });
const user = nullable(Type.String({ minLength: 1, maxLength: 255 }));
const access = Type.Enum(["read", "write"]);

export const ResourceParams = Type.Object({ kind, id });
export const ShareParams = Type.Object({ kind, id, account });

export const ResourcePage = Type.Object(
  {
    limit: Page.properties.limit,
    cursor: Type.Optional(Type.String({ maxLength: 2000 })),
    kind: Type.Optional(kind),
    account: Type.Optional(account),
  },
  strict,
);

/** `user` is the user claim of its maker; left out: the account's, and nobody's in it. */
export const OwnerBody = Type.Object({ account, user: Type.Optional(user) }, strict);

export const ImportBody = Type.Object(
  {
    resources: Type.Array(Type.Object({ kind, id, account, user: Type.Optional(user) }, strict), {
      minItems: 1,
      maxItems: IMPORT_MAX,
    }),
  },
  strict,
);

export const ShareBody = Type.Object({ access }, strict);

export const ResourceAnswer = Type.Object({ kind, id, account, user, createdAt: Time });
export const ImportAnswer = Type.Object({ resources: Type.Integer() });
export const ShareAnswer = Type.Object({ account, externalId: nullable(account), access, createdAt: Time });
export const SharesAnswer = Type.Object({ data: Type.Array(ShareAnswer) });
/** `account` as the operator's systems know it, else our id. */
export const OwnShareAnswer = Type.Object({ account, access, createdAt: Time });
export const OwnSharesAnswer = Type.Object({ data: Type.Array(OwnShareAnswer) });
