/** Nobody makes of another member what they are not themselves. Main thread, pure. */
import type { Settings } from "#config/settings.ts";
import { isGranted } from "#core/permissions.ts";
import type { OwnLimits } from "#shared/principals.ts";
import { MEMBERS_WRITE } from "#config/builtin-routes.ts";
import type { Manages, Member } from "#control-plane/users/members.ts";
import { isWithinLimits } from "./own-limits.ts";
import { refuseBy, reject } from "./problems.ts";
import { permissionsOf } from "./role-permissions.ts";

/** To give roles that one does not hold. */
const MEMBERS_ANY_ROLE = "tollgate:members:any-role";

/** Roles an operator gives: those of the file. */
export function knownRoles(roles: readonly string[], settings: Settings): readonly string[] {
  const unknown = roles.find((role) => !Object.hasOwn(settings.roles, role));
  if (unknown === undefined) return roles;
  const known = Object.keys(settings.roles).join(", ") || "none";
  return refuseBy("member:role", "body/roles", `Role ${unknown} is not in the configuration; there are ${known}`);
}

/** Roles a customer gives: those they hold, or may give without. */
export function givenRoles(roles: readonly string[], held: readonly string[], settings: Settings): readonly string[] {
  const beyond = roles.find((role) => !mayGive(role, held, settings));
  if (beyond === undefined) return roles;
  return reject("permission_denied", "member:role", `Role ${beyond} is not yours to give`);
}

/** Refuses to change a member who is more than the caller. */
export function checkWithin({ roles }: Member, held: readonly string[], settings: Settings): void {
  const beyond = roles.find((role) => Object.hasOwn(settings.roles, role) && !mayGive(role, held, settings));
  if (beyond !== undefined)
    reject("permission_denied", "member:role", `The member is ${beyond}, which is not yours to give or take`);
}

/**
 * What a role is to an app nobody here knows, so it takes the role itself; or the permission to give others, and then all that the role
 * permits, and every route and endpoint that asks for it by name: a customer's owner makes nobody an operator.
 */
function mayGive(role: string, held: readonly string[], settings: Settings): boolean {
  const permissions = Object.hasOwn(settings.roles, role) ? settings.roles[role] : undefined;
  if (permissions === undefined) return false;
  if (held.includes(role)) return true;
  const own = permissionsOf(held, settings);
  const isPermitted = isGranted(own, MEMBERS_ANY_ROLE) && permissions.every((permission) => isGranted(own, permission));
  const { routes, endpoints } = settings;
  return isPermitted && [...routes, ...endpoints.rules].every(({ require }) => opensNothing(role, held, require.roles));
}

/** Whether who holds the others gets in already where the role does. */
function opensNothing(role: string, held: readonly string[], asked: readonly string[]): boolean {
  return !asked.includes(role) || asked.some((one) => held.includes(one));
}

/** Limits a customer gives: at least as tight as their own, and their own where they name none. */
export function givenLimits(wanted: OwnLimits | null, own: OwnLimits | null): OwnLimits | null {
  const given = wanted ?? own;
  if (isWithinLimits(given, own)) return given;
  return reject("permission_denied", "member:limits", "The limits are wider than your own");
}

export function managesMembers(settings: Settings): Manages {
  return (roles) => isGranted(permissionsOf(roles, settings), MEMBERS_WRITE);
}
