/** Rules for `identity.members` and `identity.accountHeader`: what users are in accounts, and for which they may act. Main thread. */
import type { Report } from "./report.ts";
import { meanOrList } from "./suggest.ts";
import type { View } from "./view.ts";

/** Names of headers that say other things already. */
const TAKEN = /^x-(?:tollgate-|forwarded-|request-id$|real-ip$)/;

export function checkMembers({ identity, names, issuers, partial }: View, report: Report): void {
  for (const list of ["firstRoles", "roles"] as const) {
    for (const [index, role] of (identity.members?.[list] ?? []).entries()) {
      if (names.roles.includes(role)) continue;
      const hint = meanOrList(role, names.roles, "roles");
      report.value(["identity", "members", list, index], `Unknown role ${JSON.stringify(role)}`, hint);
    }
  }
  const header = identity.accountHeader ?? null;
  if (header === null) return;
  const path = ["identity", "accountHeader"];
  const isKeyHeader = (identity.keys?.headers ?? []).includes(header) || header === "x-api-key";
  if (!header.startsWith("x-") || TAKEN.test(header) || isKeyHeader)
    report.value(path, "Expected a header of its own that starts with x-, such as x-account");
  if (!partial.issuers && !issuers.some(({ value }) => value.roleSource === "members"))
    report.key(path, "Expected accountHeader with an issuer of roleSource: members only", "remove this key");
}
