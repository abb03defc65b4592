/** How members and invitations look in answers; `member-schemas.ts` has the shapes. Main thread, pure. */
import { rfc3339 } from "#core/clock.ts";
import type { Invitation } from "#control-plane/users/invitations.ts";
import type { Member } from "#control-plane/users/members.ts";
import { ownLimitsView } from "./own-limits.ts";

/** As operators see them. */
export function memberView(member: Member): Record<string, unknown> & { readonly id: string } {
  const { joinedAtMs } = member;
  return {
    id: member.user,
    user: member.externalUser,
    account: member.account,
    email: member.email,
    name: member.name,
    roles: member.roles,
    limits: ownLimitsView(member.limits),
    createdAt: rfc3339(member.createdAtMs),
    joinedAt: joinedAtMs === null ? null : rfc3339(joinedAtMs),
  };
}

/** As members see each other. Who was put in by others has not agreed to be known to them by more than the id these had. */
export function fellowView(member: Member): Record<string, unknown> & { readonly id: string } {
  return memberView(member.joinedAtMs === null ? { ...member, email: null, name: null } : member);
}

export function invitationView(invitation: Invitation): Record<string, unknown> {
  return {
    id: invitation.id,
    account: invitation.account,
    email: invitation.email,
    roles: invitation.roles,
    createdBy: invitation.createdBy,
    createdAt: rfc3339(invitation.createdAtMs),
    expiresAt: rfc3339(invitation.expiresAtMs),
  };
}
