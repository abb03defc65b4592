/** Nobody hands out a permission of the gateway that they have not. Main thread. What roles mean to apps is no business of this. */
import type { FastifyRequest } from "fastify";
import type { Settings } from "#config/settings.ts";
import { isGranted, ownPermissions } from "#core/permissions.ts";
import { type Caller, callerOf } from "./caller.ts";
import { beyond, callingPower, type KeyPower } from "./key-power.ts";
import { type Means, openedBeyond } from "./opened-operations.ts";
import { reject, rejectWith } from "./problems.ts";
import { permissionsOf } from "./role-permissions.ts";
import type { Services } from "./services.ts";

/**
 * Refuses roles with permissions of the gateway (`tollgate:…`) that the caller of an admin endpoint has not: who may give roles to users
 * could otherwise make one who may everything. So it does roles that open an operation of the admin API which is closed to the caller by
 * `endpoints.rules`. Permissions of a token's own claim do not count, roles do. With the admin token, all may
 * be given.
 */
export async function checkHandOut(
  request: FastifyRequest,
  services: Services,
  roles: readonly string[],
): Promise<void> {
  if (!isFromPrincipal(request)) return;
  const caller = await callerOf(request, services);
  // Which scopes a user's tokens have is the issuer's to say.
  handOutCheck(caller, services.settings())({ roles, scopes: caller.scopes });
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

function handOutCheck(own: Means, settings: Settings): (given: Means) => void {
  const granted = permissionsOf(own.roles, settings);
  const opened = openedBeyond(own, settings);
  return (given) => {
    const missing = ownPermissions(permissionsOf(given.roles, settings)).find((wanted) => !isGranted(granted, wanted));
    if (missing !== undefined)
      reject("permission_denied", "roles:beyond", `A role with the permission ${missing} is not yours to give`);
    const operation = opened(given);
    if (operation !== null)
      reject("permission_denied", "roles:beyond", `Roles and scopes that open ${operation} are not yours to give`);
  };
}

/**
 * Refuses keys as `checkHandOut` does, and to a caller whose own key is narrowed or ends some day keys with permissions of the gateway
 * that are not or later: such a key is a way out of its bounds.
 */
export async function keyHandOut(request: FastifyRequest, services: Services): Promise<(key: KeyPower) => void> {
  if (!isFromPrincipal(request)) return () => undefined;
  const settings = services.settings();
  const caller = await callerOf(request, services);
  const { keyId, secretRetiresMs } = caller;
  const key = keyId === null ? null : await services.keys.byId(keyId);
  const own = key === null ? null : callingPower(key, secretRetiresMs);
  const check = handOutCheck(caller, settings);
  return (wanted) => {
    check(wanted);
    if (own === null || ownPermissions(permissionsOf(wanted.roles, settings)).length === 0) return;
    const refusal = beyond({ ...own, roles: wanted.roles, scopes: null, limits: null }, wanted);
    if (refusal !== null) rejectWith(refusal);
  };
}

/** Whether a user or key calls, through the workers; the listeners of operators do not look at identity headers. */
function isFromPrincipal({ server }: FastifyRequest): boolean {
  return server.hasDecorator("forPrincipals");
}
