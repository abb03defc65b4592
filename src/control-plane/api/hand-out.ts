/** Nobody hands out a permission of the gateway that they have not. Main thread. What roles mean to apps is no business of this. */
import type { FastifyRequest } from "fastify";
import type { Settings } from "#config/settings.ts";
import { isGranted, ownPermissions } from "#core/permissions.ts";
import { callerOf } from "./caller.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";

/**
 * Refuses roles with permissions of the gateway (`tollgate:…`) that the caller of an admin endpoint has not: who may make keys could
 * otherwise make one that may everything. Permissions of a token's own claim do not count, roles do. With the admin token, all may be given.
 */
export async function checkHandOut(
  request: FastifyRequest,
  services: Services,
  roles: readonly string[],
): Promise<void> {
  if (!isFromPrincipal(request)) return;
  const settings = services.settings();
  const held = permissionsOf((await callerOf(request, services)).roles, settings);
  const beyond = ownPermissions(permissionsOf(roles, settings)).find((wanted) => !isGranted(held, wanted));
  if (beyond !== undefined)
    reject("permission_denied", "roles:beyond", `A role with the permission ${beyond} is not yours to give`);
}

function permissionsOf(roles: readonly string[], settings: Settings): readonly string[] {
  return roles.flatMap((role) => (Object.hasOwn(settings.roles, role) ? (settings.roles[role] ?? []) : []));
}

/** Whether a user or key calls, through the workers; the listeners of operators do not look at identity headers. */
function isFromPrincipal({ server }: FastifyRequest): boolean {
  return server.hasDecorator("forPrincipals");
}
