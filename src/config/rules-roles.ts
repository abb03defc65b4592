/** Rules for `roles` and for permissions wherever they are written. Main thread. */
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import type { View } from "./view.ts";

/** Permission patterns of every role. */
export function checkRoles({ roles }: View, report: Report): void {
  for (const { path, value } of roles) checkPermissions(value, path, report);
}

/** `*` stands alone or after the last `:`; behind it at most `:own`. */
export function checkPermissions(permissions: readonly string[], path: Path, report: Report): void {
  for (const [index, permission] of permissions.entries()) {
    const isPlain = !permission.includes("*");
    if (isPlain || /^([^*]+:)?\*(:own)?$/.test(permission)) continue;
    report.value(
      [...path, index],
      `Expected * alone or at the end after a colon, got ${JSON.stringify(permission)}`,
      'such as "models:*"',
    );
  }
}
