/**
 * Which operations of the admin API roles and scopes open, by the operations' own permissions and by `endpoints.rules` together: a role that
 * permits nothing may be all that somebody lacks. Main thread, pure. Not here: schemes, which are a way in, and features, which are a plan's.
 */
import { ADMIN_BUILTIN } from "#config/builtin-routes.ts";
import { demandsOn } from "#config/endpoint-rules.ts";
import type { Settings } from "#config/settings.ts";
import { isGranted } from "#core/permissions.ts";
import { permissionsOf } from "./role-permissions.ts";

export interface Means {
  readonly roles: readonly string[];
  /** null: not narrowed. */
  readonly scopes: readonly string[] | null;
}

/** Says of what somebody is given the first operation that it opens and that is closed to the giver, who has `own`; null: there is none. */
export function openedBeyond(own: Means, settings: Settings): (given: Means) => string | null {
  const { rules } = settings.endpoints;
  // By its permission alone an operation is judged where roles are given.
  if (rules.length === 0) return () => null;
  const all = ADMIN_BUILTIN.map((route) => {
    const { require } = demandsOn(route, rules);
    const permissions = [...require.permissions, ...(route.permission === null ? [] : [route.permission])];
    return { name: route.name, demands: { ...require, permissions } };
  });
  const closed = all.filter(({ demands }) => !meets(own, demands, settings));
  return (given) => closed.find(({ demands }) => meets(given, demands, settings))?.name ?? null;
}

type Demands = Record<"roles" | "permissions" | "scopes", readonly string[]>;

function meets({ roles, scopes }: Means, demands: Demands, settings: Settings): boolean {
  if (demands.roles.length > 0 && !demands.roles.some((role) => roles.includes(role))) return false;
  if (scopes !== null && !demands.scopes.every((scope) => scopes.includes(scope))) return false;
  const granted = permissionsOf(roles, settings);
  return demands.permissions.every((wanted) => isGranted(granted, wanted));
}
