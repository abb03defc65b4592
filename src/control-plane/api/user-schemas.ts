/** Shapes of users, their memberships and sessions: in what is asked, and in answers as `user-views.ts` makes them. Main thread. */
import Type from "typebox";
import { bulkIds, bulkTerms } from "./bulk.ts";
import { OwnLimitsAnswer } from "./own-limits.ts";
import { name, nullable, Page, pageOf, strict, Time, time } from "./schemas.ts";

export const identifier = Type.String({ minLength: 1, maxLength: 255 });

/** RFC 5321 §4.5.3.1.3, less the brackets. */
export const email = Type.String({ maxLength: 254, pattern: "^[^\\s@]+@[^\\s@]+$" });

const USER_STATES = ["active", "suspended", "deleted"] as const;

export const UserAnswer = Type.Object(
  {
    id: Type.String(),
    externalId: Type.String(),
    email: nullable(Type.String()),
    name: nullable(Type.String()),
    state: Type.Enum([...USER_STATES]),
    sessionsNotBefore: nullable(Time),
    createdAt: Time,
    lastSeenAt: nullable(Time),
  },
  { title: "User" },
);

const SessionAnswer = Type.Object(
  {
    id: Type.String(),
    issuer: Type.String(),
    account: Type.String(),
    actor: nullable(Type.String()),
    address: nullable(Type.String()),
    issuedAt: nullable(Time),
    expiresAt: Time,
    firstSeenAt: Time,
    lastSeenAt: Time,
  },
  { title: "Session" },
);

const MembershipAnswer = Type.Object(
  {
    account: Type.String(),
    externalAccount: nullable(Type.String()),
    roles: Type.Array(Type.String()),
    limits: nullable(OwnLimitsAnswer),
    /** The account's plan in force. */
    plan: Type.String(),
    subscription: Type.Null(),
    createdAt: Time,
  },
  { title: "Membership" },
);

export const UserDetail = Type.Object(
  {
    ...UserAnswer.properties,
    members: Type.Array(MembershipAnswer),
    sessions: Type.Array(SessionAnswer),
    /** Ids of sessions whose tokens are refused. */
    deniedSessions: Type.Array(Type.String()),
    /** Accounts they were removed from, and stay out of. */
    removedFrom: Type.Array(Type.String()),
    /** Where it is shown what they have used, below the base of this API. */
    usagePath: Type.String(),
  },
  { title: "UserDetail" },
);

export const SessionList = pageOf(SessionAnswer);
export const Revoked = Type.Object({ revoked: Type.Integer() });

export const UserUsageQuery = Type.Object(
  {
    from: Type.Optional(time),
    to: Type.Optional(time),
    limit: Type.Integer({ minimum: 1, maximum: 10_000, default: 1000 }),
  },
  strict,
);

export const UserUsageAnswer = Type.Object(
  {
    user: Type.String(),
    externalId: Type.String(),
    from: Time,
    to: Time,
    timeZone: Type.String(),
    data: Type.Array(
      Type.Object({
        account: Type.String(),
        externalAccount: nullable(Type.String()),
        meter: Type.String(),
        units: Type.Integer(),
        requests: Type.Integer(),
      }),
    ),
    /** There are more than `limit`. */
    truncated: Type.Boolean(),
  },
  { title: "UserUsage" },
);

/** What users are chosen by. */
const userFilter = {
  /** A part of e-mail, name or external id. */
  search: Type.Optional(Type.String({ minLength: 1, maxLength: 255 })),
  state: Type.Optional(Type.Enum([...USER_STATES])),
  account: Type.Optional(identifier),
};

export const UserPage = Type.Object(
  { ...Page.properties, ...userFilter, sort: Type.Enum(["created", "seen"], { default: "created" }) },
  strict,
);

export const UserBulkBody = Type.Object(
  {
    filter: Type.Object({ ...userFilter, ids: Type.Optional(bulkIds) }, strict),
    action: Type.Enum(["suspend", "activate", "delete", "revokeSessions"]),
    ...bulkTerms,
  },
  strict,
);

export const UserBody = Type.Object(
  { externalId: identifier, email: Type.Optional(nullable(email)), name: Type.Optional(nullable(name)) },
  strict,
);

export const UserPatch = Type.Object(
  {
    name: Type.Optional(nullable(name)),
    email: Type.Optional(nullable(email)),
    state: Type.Optional(Type.Enum(["active", "suspended"])),
    /** Tokens issued up to then are refused: RFC 3339. */
    sessionsNotBefore: Type.Optional(nullable(Type.String({ maxLength: 40 }))),
  },
  { ...strict, minProperties: 1 },
);

export const SessionParams = Type.Object({ id: identifier, session: identifier });

export const DenyBody = Type.Object({ session: identifier, expiresAt: Type.String({ maxLength: 40 }) }, strict);
