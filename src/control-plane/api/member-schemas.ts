/** Shapes of members and invitations: in what is asked, and in answers. Main thread. */
import Type from "typebox";
import { OwnLimitsAnswer, OwnLimitsBody } from "./own-limits.ts";
import { nullable, strict, Time, words } from "./schemas.ts";
import { email, identifier } from "./user-schemas.ts";

/** As `memberView` makes it. */
export const MemberAnswer = Type.Object(
  {
    /** Our id of the user. */
    id: Type.String(),
    /** The one their tokens have. */
    user: Type.String(),
    account: Type.String(),
    email: nullable(Type.String()),
    name: nullable(Type.String()),
    roles: Type.Array(Type.String()),
    limits: nullable(OwnLimitsAnswer),
    createdAt: Time,
    joinedAt: nullable(Time),
  },
  { title: "Member" },
);

/** As `invitationView` makes it. */
export const InvitationAnswer = Type.Object(
  {
    id: Type.String(),
    account: Type.String(),
    email: nullable(Type.String()),
    roles: Type.Array(Type.String()),
    createdBy: nullable(Type.String()),
    createdAt: Time,
    expiresAt: Time,
  },
  { title: "Invitation" },
);

export const NewInvitationAnswer = Type.Object({ ...InvitationAnswer.properties, token: Type.String() });

export const MemberBody = Type.Object(
  { user: identifier, roles: Type.Optional(words), limits: Type.Optional(nullable(OwnLimitsBody)) },
  strict,
);

export const MemberPatch = Type.Object(
  { roles: Type.Optional(words), limits: Type.Optional(nullable(OwnLimitsBody)) },
  { ...strict, minProperties: 1 },
);

export const InvitationBody = Type.Object(
  {
    email: Type.Optional(nullable(email)),
    roles: words,
    /** A duration from now. */
    expires: Type.String({ pattern: "^[1-9][0-9]{0,9}(s|m|h|d)$", default: "7d" }),
  },
  strict,
);

export const AcceptBody = Type.Object({ token: Type.String({ minLength: 1, maxLength: 200 }) }, strict);

export const OwnMemberParams = Type.Object({ user: identifier });
export const MemberParams = Type.Object({ id: identifier, user: identifier });
