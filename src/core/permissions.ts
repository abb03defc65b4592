/** Permissions with wildcards: `*` is all, `models:*` is all that starts with `models:`. Pure. */

/** Whether one of the granted patterns covers the wanted permission. */
export function isGranted(granted: readonly string[], wanted: string): boolean {
  return granted.some((pattern) => covers(pattern, wanted));
}

function covers(pattern: string, wanted: string): boolean {
  if (pattern === "*" || pattern === wanted) return true;
  return pattern.endsWith(":*") && wanted.startsWith(pattern.slice(0, -1));
}
