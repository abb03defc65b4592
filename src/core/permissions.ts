/**
 * Permissions with wildcards: `*` is all but the gateway's own, `models:*` is all that starts with `models:`. Pure.
 * A pattern that ends in `:own` grants what stands before it on the caller's own things alone: `calls:read:own`, `calls:*:own`, `*:own`.
 * The gateway's own permissions (`tollgate:…`) are held by whoever names them, or `tollgate:*`, which
 * `tollgate:admin` is another word for: customers' roles are often `*`, and must not report usage for other accounts by that.
 */

/** Permissions of the gateway itself begin with this. */
const GATEWAYS = "tollgate:";
/** All of them. */
const ADMIN = "tollgate:admin";
/** What is said only of the caller's own things ends in this. */
const OWN = ":own";

/** Those patterns that are about the gateway itself. */
export function ownPermissions(patterns: readonly string[]): readonly string[] {
  return patterns.filter((pattern) => pattern.startsWith(GATEWAYS));
}

/** `own`: only for things that are the caller's own; a route says which those are. */
export type Grant = "full" | "own" | "none";

/** How far the granted patterns cover the wanted permission. */
export function grantOf(granted: readonly string[], wanted: string): Grant {
  if (isGranted(granted, wanted)) return "full";
  return granted.some((pattern) => isOwn(pattern) && covers(withoutOwn(pattern), wanted)) ? "own" : "none";
}

/** Whether one of the granted patterns covers the wanted permission in full, or all that a wanted pattern covers. */
export function isGranted(granted: readonly string[], wanted: string): boolean {
  return granted.some((pattern) => covers(pattern, wanted));
}

/** Whether a pattern or a permission is about the caller's own things alone. */
export function isOwn(permission: string): boolean {
  return permission.endsWith(OWN);
}

function withoutOwn(pattern: string): string {
  return pattern.slice(0, -OWN.length);
}

function covers(pattern: string, wanted: string): boolean {
  if (pattern === wanted) return true;
  if (pattern === ADMIN) return wanted.startsWith(GATEWAYS);
  if (pattern === "*") return !wanted.startsWith(GATEWAYS);
  // A route may ask for `calls:read:own` by that name.
  if (isOwn(pattern)) return isOwn(wanted) && covers(withoutOwn(pattern), withoutOwn(wanted));
  return pattern.endsWith(":*") && wanted.startsWith(pattern.slice(0, -1));
}
