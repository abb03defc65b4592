/** How users, their memberships and sessions look in answers; `user-schemas.ts` has the shapes. Main thread, pure. */
import { rfc3339 } from "#core/clock.ts";
import type { Settings } from "#config/settings.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import type { Member } from "#control-plane/users/members.ts";
import type { Session } from "#control-plane/users/sessions.ts";
import type { User } from "#control-plane/users/user.ts";
import { ownLimitsView } from "./own-limits.ts";

export function userView(user: User): Record<string, unknown> {
  return {
    id: user.id,
    externalId: user.externalId,
    email: user.email,
    name: user.name,
    state: user.state,
    sessionsNotBefore: timeOrNull(user.notBeforeMs),
    createdAt: rfc3339(user.createdAtMs),
    lastSeenAt: timeOrNull(user.seenAtMs),
  };
}

export function sessionView(session: Session): Record<string, unknown> {
  return {
    id: session.id,
    issuer: session.issuer,
    account: session.account,
    actor: session.actor,
    address: session.address,
    issuedAt: timeOrNull(session.issuedMs),
    expiresAt: rfc3339(session.expiresMs),
    firstSeenAt: rfc3339(session.firstSeenMs),
    lastSeenAt: rfc3339(session.seenMs),
  };
}

/** A membership as the user's. */
export function membershipView(member: Member, settings: Settings): Record<string, unknown> {
  return {
    account: member.account,
    externalAccount: member.externalAccount,
    roles: member.roles,
    limits: ownLimitsView(member.limits),
    plan: planOf(settings, member.accountPlan).id,
    subscription: null,
    createdAt: rfc3339(member.createdAtMs),
  };
}

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : rfc3339(ms);
}
