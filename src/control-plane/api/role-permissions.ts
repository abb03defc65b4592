/** What roles permit by the file. Main thread, pure. */
import type { Settings } from "#config/settings.ts";

/** Patterns; of roles that the file does not have, none. */
export function permissionsOf(roles: readonly string[], settings: Settings): readonly string[] {
  return roles.flatMap((role) => (Object.hasOwn(settings.roles, role) ? (settings.roles[role] ?? []) : []));
}
