/** Shapes of what is asked of accounts, and of accounts in answers. Main thread. */
import Type from "typebox";
import { ACCOUNT_SORTS } from "#control-plane/accounts/account-list.ts";
import { UsageAnswer } from "./billing-answers.ts";
import { GrantBody } from "./billing-schemas.ts";
import { bulkIds, bulkTerms, reason } from "./bulk.ts";
import { IdParams, name, nullable, pageOf, Page, strict, Time, time, word } from "./schemas.ts";

/** As `accountView` makes it. */
export const AccountAnswer = Type.Object(
  {
    id: Type.String(),
    externalId: nullable(Type.String()),
    name: Type.String(),
    email: nullable(Type.String()),
    state: Type.Enum(["active", "suspended", "deleted"]),
    plan: nullable(Type.String()),
    planUntil: nullable(Time),
    planAfter: nullable(Type.String()),
    trialUntil: nullable(Time),
    billingAnchor: Time,
    createdAt: Time,
    lastSeenAt: nullable(Time),
    deletedAt: nullable(Time),
  },
  { title: "Account" },
);

/** An account as it is shown alone. */
export const AccountDetail = Type.Object(
  {
    ...AccountAnswer.properties,
    /** The plan in force. */
    currentPlan: Type.String(),
    subscription: Type.Null(),
    usage: UsageAnswer.properties.meters,
    /** Keys that are not revoked, members, sessions that are not over. */
    counts: Type.Object({ keys: Type.Integer(), members: Type.Integer(), sessions: Type.Integer() }),
  },
  { title: "AccountDetail" },
);

/** `total` only where it was asked for. */
export const AccountPageAnswer = Type.Object({
  ...pageOf(AccountAnswer).properties,
  total: Type.Optional(Type.Integer()),
});

const state = Type.Enum(["active", "suspended", "deleted"]);
const duration = Type.String({ pattern: "^[1-9][0-9]{0,5}(ms|s|m|h|d)$" });
const email = Type.String({ maxLength: 254, pattern: "^[^\\s@\\u0000-\\u001f]+@[^\\s@\\u0000-\\u001f]+$" });
const plan = Type.Union([word, Type.Null()]);

/** What accounts are chosen by. */
const accountFilter = {
  search: Type.Optional(Type.String({ minLength: 1, maxLength: 200 })),
  state: Type.Optional(state),
  plan: Type.Optional(word),
};

export const AccountQuery = Type.Object(
  {
    ...accountFilter,
    sort: Type.Enum([...ACCOUNT_SORTS], { default: "created" }),
    limit: Page.properties.limit,
    /** A name of 200 characters in it. */
    cursor: Type.Optional(Type.String({ maxLength: 3000 })),
    count: Type.Boolean({ default: false }),
  },
  strict,
);

const externalId = nullable(Type.String({ minLength: 1, maxLength: 255 }));

export const AccountBody = Type.Object(
  {
    name,
    externalId: Type.Optional(externalId),
    plan: Type.Optional(plan),
    email: Type.Optional(nullable(email)),
  },
  strict,
);

/** How long a plan is had: for a time from now or until one, then another plan. */
const planTerm = {
  planDuration: Type.Optional(duration),
  planUntil: Type.Optional(nullable(time)),
  planAfter: Type.Optional(plan),
};

export const AccountPatch = Type.Object(
  {
    name: Type.Optional(name),
    email: Type.Optional(nullable(email)),
    plan: Type.Optional(plan),
    ...planTerm,
    /** When its trial ends, or how much later than it does. */
    trialUntil: Type.Optional(nullable(time)),
    extendTrial: Type.Optional(duration),
    state: Type.Optional(Type.Enum(["active", "suspended"])),
    /** Why, for the audit log. */
    reason: Type.Optional(reason),
    /** Where billing periods begin: RFC 3339, cut to its minute. */
    billingAnchor: Type.Optional(time),
  },
  { ...strict, minProperties: 1 },
);

/** Whose lines are shown beside the account's own. */
export const UsageQuery = Type.Object(
  {
    key: Type.Optional(IdParams.properties.id),
    /** Our id or the external one. */
    user: Type.Optional(IdParams.properties.id),
  },
  strict,
);

export const ClearLimitsBody = Type.Object(
  { rates: Type.Optional(Type.Array(word, { minItems: 1, maxItems: 100, uniqueItems: true })) },
  strict,
);

export const ClearLimitsAnswer = Type.Object({
  account: Type.String(),
  cleared: Type.Integer(),
  rates: Type.Array(Type.String()),
});

/** null: no token leads to it any more. */
export const ExternalIdBody = Type.Object({ externalId, reason: Type.Optional(reason) }, strict);

export const ReasonBody = Type.Object({ reason: Type.Optional(reason) }, strict);

const BULK_ACTIONS = ["suspend", "activate", "delete", "setPlan", "extendTrial", "grantCredits"] as const;

export const AccountBulkBody = Type.Object(
  {
    filter: Type.Object({ ...accountFilter, ids: Type.Optional(bulkIds) }, strict),
    action: Type.Enum([...BULK_ACTIONS]),
    /** Of setPlan. */
    plan: Type.Optional(plan),
    ...planTerm,
    extendTrial: Type.Optional(duration),
    /** Of grantCredits. */
    credits: Type.Optional(GrantBody),
    ...bulkTerms,
  },
  strict,
);
