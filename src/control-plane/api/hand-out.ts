/** Nobody hands out a permission of the gateway that they have not. Main thread. What roles mean to apps is no business of this. */
import type { FastifyRequest } from "fastify";
import type { Settings } from "#config/settings.ts";
import { isGranted, ownPermissions } from "#core/permissions.ts";
import { type Caller, callerOf } from "./caller.ts";
import { beyond, callingPower, type KeyPower } from "./key-power.ts";
import { reject, rejectWith } from "./problems.ts";
import type { Services } from "./services.ts";

/**
 * Refuses roles with permissions of the gateway (`tollgate:…`) that the caller of an admin endpoint has not: who may give roles to users
 * could otherwise make one who may everything. Permissions of a token's own claim do not count, roles do. With the admin token, all may
 * be given.
 */
export async function checkHandOut(
  request: FastifyRequest,
  services: Services,
  roles: readonly string[],
): Promise<void> {
  if (!isFromPrincipal(request)) return;
  const caller = await callerOf(request, services);
  checkRoles(roles, caller.roles, services.settings());
  await checkUnbounded(services, caller, roles);
}

/** Refuses a caller whose own key is narrowed or ends some day to give roles with permissions of the gateway to users, who are not. */
export async function checkUnbounded(
  services: Services,
  { keyId, secretRetiresMs }: Caller,
  roles: readonly string[],
): Promise<void> {
  if (ownPermissions(permissionsOf(roles, services.settings())).length === 0) return;
  const key = keyId === null ? null : await services.keys.byId(keyId);
  if (key === null) return;
  const { narrowing, expiresAtMs } = callingPower(key, secretRetiresMs);
  const bounds = [narrowing.routes, narrowing.methods, narrowing.addresses, expiresAtMs];
  if (bounds.some((bound) => bound !== null))
    reject("permission_denied", "roles:narrowed", "A key that is narrowed or ends gives no permissions of the gateway");
}

function checkRoles(roles: readonly string[], held: readonly string[], settings: Settings): void {
  const granted = permissionsOf(held, settings);
  const missing = ownPermissions(permissionsOf(roles, settings)).find((wanted) => !isGranted(granted, wanted));
  if (missing !== undefined)
    reject("permission_denied", "roles:beyond", `A role with the permission ${missing} is not yours to give`);
}

/**
 * Refuses keys as `checkHandOut` does, and to a caller whose own key is narrowed or ends some day keys with permissions of the gateway
 * that are not or later: such a key is a way out of its bounds.
 */
export async function keyHandOut(request: FastifyRequest, services: Services): Promise<(key: KeyPower) => void> {
  if (!isFromPrincipal(request)) return () => undefined;
  const settings = services.settings();
  const { roles, keyId, secretRetiresMs } = await callerOf(request, services);
  const key = keyId === null ? null : await services.keys.byId(keyId);
  const own = key === null ? null : callingPower(key, secretRetiresMs);
  return (wanted) => {
    checkRoles(wanted.roles, roles, settings);
    if (own === null || ownPermissions(permissionsOf(wanted.roles, settings)).length === 0) return;
    const refusal = beyond({ ...own, roles: wanted.roles, scopes: null, limits: null }, wanted);
    if (refusal !== null) rejectWith(refusal);
  };
}

function permissionsOf(roles: readonly string[], settings: Settings): readonly string[] {
  return roles.flatMap((role) => (Object.hasOwn(settings.roles, role) ? (settings.roles[role] ?? []) : []));
}

/** Whether a user or key calls, through the workers; the listeners of operators do not look at identity headers. */
function isFromPrincipal({ server }: FastifyRequest): boolean {
  return server.hasDecorator("forPrincipals");
}
