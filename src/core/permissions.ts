/**
 * Permissions with wildcards: `*` is all but the gateway's own, `models:*` is all that starts with `models:`. Pure.
 * The gateway's own permissions (`tollgate:…`) are held by whoever names them, or `tollgate:*`, which
 * `tollgate:admin` is another word for: customers' roles are often `*`, and must not report usage for other accounts by that.
 */

/** Permissions of the gateway itself begin with this. */
const OWN = "tollgate:";
/** All of them. */
const ADMIN = "tollgate:admin";

/** Those patterns that are about the gateway itself. */
export function ownPermissions(patterns: readonly string[]): readonly string[] {
  return patterns.filter((pattern) => pattern.startsWith(OWN));
}

/** Whether one of the granted patterns covers the wanted permission, or all that a wanted pattern covers. */
export function isGranted(granted: readonly string[], wanted: string): boolean {
  return granted.some((pattern) => covers(pattern, wanted));
}

function covers(pattern: string, wanted: string): boolean {
  if (pattern === wanted) return true;
  if (pattern === ADMIN) return wanted.startsWith(OWN);
  if (pattern === "*") return !wanted.startsWith(OWN);
  return pattern.endsWith(":*") && wanted.startsWith(pattern.slice(0, -1));
}
